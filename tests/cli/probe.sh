# SPDX-License-Identifier: MIT
# metanas probe: names, shapes and numbers that other commands or arithmetic confirm.
. "$SOURCE/tests/cli/lib.sh"
cp "$SOURCE/configs/smoke.yaml" .
get() {
    "$TENSORS" get "$@"
}

works 'an initial state' probe smoke.yaml --init init.st --shape 1,14,14
"$TENSORS" edit init.st in.st images images 6x1x14x14 labels labels 6 5
works 'one pass' probe smoke.yaml --state in.st --out out.st
"$TENSORS" names init.st | sed 's/^/grad./' >wanted
"$TENSORS" names init.st | sed -n 's/^alpha/mixture/p' >>wanted
printf 'logits F32 6x5\nloss F64 1\nhits I64 1\n' >>wanted
sort wanted >expected
"$TENSORS" names out.st | sort >got
same 'one pass: names, types, shapes' expected got

# ---- numbers ----

# The loss from the logits, by hand.
loss=$(for i in 0 1 2 3 4 5; do
    for w in 0 1 2 3 4; do
        get out.st logits $((i * 5 + w))
    done
done | awk '{ x[NR - 1] = $1 } END {
    for (i = 0; i < 6; i++) {
        s = 0
        for (w = 0; w < 5; w++) s += exp(x[i * 5 + w])
        l += log(s) - x[i * 5 + i % 5]
    }
    printf "%.12g", l / 6 }')
near 'loss is the cross entropy of the logits' "$(get out.st loss 0)" "$loss" 1e-6
near 'weights of a mixture sum to 1' "$(for i in 0 1 2; do get out.st mixture.normal.1.in $i; done |
    awk '{ s += $1 } END { print s }')" 1 1e-6

# Gradients by central differences in double precision.
works64() {
    check
    "$METANAS_F64" "$@" >out 2>err || fail "metanas-f64 $*: $(cat err)"
}
works64 probe smoke.yaml --init init64.st --shape 1,14,14
"$TENSORS" edit init64.st in64.st images images 6x1x14x14 labels labels 6 5
works64 probe smoke.yaml --state in64.st --out out64.st --progress 0.3
for element in 'stem.conv.weight 3' 'cells.1.nodes.1.edges.2.sep_conv_3x3.pw1.weight 5' \
    'cells.0.preproc1.conv.weight 1' 'head.bias 2' 'alpha.normal.1.op 4' 'alpha.reduction.2.in 3'; do
    set -- $element
    for sign in '' -; do
        "$TENSORS" edit in64.st moved.st nudge "$1" "$2" ${sign}1e-6
        works64 probe smoke.yaml --state moved.st --out moved$sign.out --progress 0.3
    done
    slope=$(awk -v a="$(get moved.out loss 0)" -v b="$(get moved-.out loss 0)" \
        'BEGIN { printf "%.12g", (a - b) / 2e-6 }')
    near "gradient of $element" "$(get out64.st "grad.$1" "$2")" "$slope" 1e-7
done
"$TENSORS" edit in64.st in32.st
works 'single precision' probe smoke.yaml --state in32.st --out out32.st --progress 0.3
"$TENSORS" differ out32.st out64.st >difference
near 'single and double precision agree' "$(cat difference)" 0 1e-4

# One step of plain gradient descent is w - lr * gradient.
sgd='task_learner={use: sgd, lr: 0.05}'
"$TENSORS" edit init64.st learn1.st images images 1x6x1x14x14 labels labels 1x6 5
works64 probe smoke.yaml --state learn1.st --out learned1.st --learn --set "$sgd"
works64 probe smoke.yaml --state in64.st --out pass.out --progress 0 --set "$sgd"
near 'loss of the first step' "$(get learned1.st losses 0)" "$(get pass.out loss 0)" 1e-12
for element in 'stem.conv.weight 3' 'head.weight 7' 'cells.1.nodes.0.edges.1.conv_3x3.pw.weight 2'; do
    set -- $element
    wanted=$(awk -v w="$(get init64.st "$1" "$2")" -v g="$(get pass.out "grad.$1" "$2")" \
        'BEGIN { printf "%.15g", w - 0.05 * g }')
    near "step of $element" "$(get learned1.st "$1" "$2")" "$wanted" 1e-12
done

# Two tasks of three steps; the mean of what REPTILE moves by.
"$TENSORS" edit init64.st meta.st images images 2x3x6x1x14x14 labels labels 2x3x6 5 \
    images query_images 2x4x1x14x14 labels query_labels 2x4 5
works64 probe smoke.yaml --state meta.st --out meta.out --meta
holds 'losses of every task and step' sh -c '"$TENSORS" names meta.out | grep -q "^losses F64 2x3$"'
# All mini-batches of a task, more images than a step has, are the support set that a head starts from.
works64 probe smoke.yaml --state meta.st --out start.out --meta --set head.start=prototypes
holds 'the start is another' sh -c '! cmp -s meta.out start.out'
"$TENSORS" edit init64.st both.st images images 2x3x6x1x14x14 labels labels 2x3x6 5
"$TENSORS" edit both.st task0.st reshape images 3x6x1x14x14 reshape labels 3x6
works64 probe smoke.yaml --state task0.st --out task0.out --learn
for step in 0 1 2; do
    near "loss of step $step" "$(get meta.out losses $step)" "$(get task0.out losses $step)" 1e-12
done
"$TENSORS" edit init64.st one.st images images 1x3x6x1x14x14 labels labels 1x3x6 5 \
    images query_images 1x4x1x14x14 labels query_labels 1x4 5
works64 probe smoke.yaml --state one.st --out one.out --meta
"$TENSORS" edit one.st alone.st drop query_images drop query_labels reshape images 3x6x1x14x14 \
    reshape labels 3x6
works64 probe smoke.yaml --state alone.st --out alone.out --learn
for element in 'stem.conv.weight 3 1' 'head.bias 2 1' 'alpha.normal.1.op 4 0.6'; do
    set -- $element
    wanted=$(awk -v w="$(get init64.st "$1" "$2")" -v v="$(get alone.out "$1" "$2")" -v lr="$3" \
        'BEGIN { printf "%.15g", w + lr * (v - w) }')
    near "REPTILE of $element" "$(get one.out "$1" "$2")" "$wanted" 1e-12
done
works64 probe smoke.yaml --state alone.st --out warm.out --learn --meta-epoch 0
"$TENSORS" edit alone.st early.st
works 'a probe in the warm-up' probe smoke.yaml --state early.st --out early.out --learn --meta-epoch 0
holds 'says that the logits stay' grep -q 'task_learner darts does not adapt the logits at meta-epoch 0 of 6 (a warm-up, or a rate of 0): they are written as they were read$' err
works 'a probe after it' probe smoke.yaml --state early.st --out early.out --learn
holds 'says nothing' [ ! -s err ]
refused 'a meta-epoch beyond the run' 2 probe smoke.yaml --state early.st --out no.st --learn --meta-epoch 6 <<'T'
metanas: probe: --meta-epoch 6, but the run has only 6, from 0 (run.meta_epochs)
T
cp in.st kept.st
ln in.st twin.st
for name in in.st ./in.st twin.st; do
    refused "--out is --state: $name" 2 probe smoke.yaml --state in.st --out $name <<T
metanas: probe: --out $name is the file of --state; give another name
T
done
same 'the state is as it was' kept.st in.st

# All faults of a state at once; numbers that are not finite are named by their tensor
"$TENSORS" edit in.st odd.st nudge images 7 nan nudge labels 2 9 nudge head.bias 1 inf drop stem.bn.bias
refused 'what is not finite' 3 probe smoke.yaml --state odd.st --out no.st <<'T'
odd.st: tensor 'stem.bn.bias': missing; expected shape [12]
odd.st: tensor 'head.bias': element 1 is inf; every number must be finite
odd.st: tensor 'images': element 7 is nan; every number must be finite
odd.st: tensor 'labels': element 2 is 11; expected 0 to 4 (task.ways is 5)
metanas: odd.st: 4 faults; 'metanas validate smoke.yaml --tensors --shape 1,14,14' lists names and shapes
T
near 'in the warm-up the architecture stays' "$(get warm.out alpha.normal.1.op 4)" \
    "$(get init64.st alpha.normal.1.op 4)" 0
holds 'after it, it moves' [ "$(get alone.out alpha.normal.1.op 4)" != "$(get init64.st alpha.normal.1.op 4)" ]

# Noise comes only with --training.
drop=search_space.drop_path=0.5
works 'drop path, silent' probe smoke.yaml --state in.st --out quiet.st --set "$drop"
same 'no drop path without --training' out.st quiet.st
works 'drop path' probe smoke.yaml --state in.st --out noisy.st --set "$drop" --training
holds 'drop path with --training' sh -c '! cmp -s out.st noisy.st'
"$TENSORS" edit alone.st alone32.st
works 'learner without drop path' probe smoke.yaml --state alone32.st --out a.st --learn
works 'learner, drop path silent' probe smoke.yaml --state alone32.st --out b.st --learn --set "$drop"
same 'no drop path in --learn either' a.st b.st
works 'learner, drop path' probe smoke.yaml --state alone32.st --out c.st --learn --set "$drop" --training
holds 'drop path in --learn with --training' sh -c '! cmp -s a.st c.st'

works 'sum has mixture weights, but no logits' probe smoke.yaml --init sum.st --shape 1,14,14 \
    --set input_mixer.use=sum
holds 'no logits' sh -c '! "$TENSORS" names sum.st | grep -q "\.in "'
"$TENSORS" edit sum.st sumin.st images images 6x1x14x14 labels labels 6 5
works 'pass with sum' probe smoke.yaml --state sumin.st --out sumout.st --set input_mixer.use=sum
holds 'weights of sum' [ "$(get sumout.st mixture.normal.1.in 2)" = 1 ]

# ---- refusals ----

"$TENSORS" edit in.st bad.st drop head.bias rename stem.bn.weight stem.bn.wight \
    reshape stem.conv.weight 12x9 nudge labels 3 5
refused 'names and shapes' 3 probe smoke.yaml --state bad.st --out no.st <<'T'
bad.st: tensor 'stem.conv.weight': shape [12, 9]; expected [12, 1, 3, 3]
bad.st: tensor 'stem.bn.weight': missing; expected shape [12]
bad.st: tensor 'head.bias': missing; expected shape [5]
bad.st: tensor 'labels': element 3 is 8; expected 0 to 4 (task.ways is 5)
bad.st: tensor 'stem.bn.wight': not expected here; remove it
metanas: bad.st: 5 faults; 'metanas validate smoke.yaml --tensors --shape 1,14,14' lists names and shapes
T
"$TENSORS" edit in.st label.st nudge labels 3 5
refused 'label out of range' 3 probe smoke.yaml --state label.st --out no.st <<'T'
label.st: tensor 'labels': element 3 is 8; expected 0 to 4 (task.ways is 5)
metanas: label.st: 1 fault; 'metanas validate smoke.yaml --tensors --shape 1,14,14' lists names and shapes
T
refused 'mini-batches are wanted' 3 probe smoke.yaml --state in.st --out no.st --learn <<'T'
in.st: tensor 'images': shape [6, 1, 14, 14]; expected [S, N, C, H, W]
metanas: in.st: 1 fault; 'metanas validate smoke.yaml --tensors --shape C,H,W' lists names and shapes
T
"$TENSORS" edit init.st none.st labels labels 6 5
refused 'no images' 3 probe smoke.yaml --state none.st --out no.st <<'T'
none.st: tensor 'images': missing; expected shape [N, C, H, W]
metanas: none.st: 1 fault; 'metanas validate smoke.yaml --tensors --shape C,H,W' lists names and shapes
T
"$TENSORS" edit meta.st lame.st drop query_labels reshape query_images 1x4x1x14x14
refused 'query set of another number of tasks' 3 probe smoke.yaml --state lame.st --out no.st --meta <<'T'
lame.st: tensor 'query_images': shape [1, 4, 1, 14, 14]; expected [2, 4, 1, 14, 14]
lame.st: tensor 'query_labels': missing; expected shape [2, 4]
metanas: lame.st: 2 faults; 'metanas validate smoke.yaml --tensors --shape 1,14,14' lists names and shapes
T
refused 'no state' 2 probe smoke.yaml --out no.st <<'T'
metanas: probe: --state IN is missing; see 'metanas probe --help'
T
refused 'two modes' 2 probe smoke.yaml --state in.st --out no.st --learn --meta <<'T'
metanas: probe: --learn and --meta exclude each other
T
refused 'a shape of two' 2 probe smoke.yaml --init no.st --shape 14,14 <<'T'
metanas: probe: --shape is '14,14'; expected C,H,W, like 1,28,28
T
echo 'not tensors' >text.st
check
"$METANAS" probe smoke.yaml --state text.st --out no.st >out 2>err
holds 'not a file of tensors ends with 3' [ $? -eq 3 ]
holds 'no output where anything was wrong' [ ! -e no.st ]
finish
