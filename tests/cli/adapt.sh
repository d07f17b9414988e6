# SPDX-License-Identifier: MIT
# metanas adapt: the user's own pictures.
. "$SOURCE/tests/cli/lib.sh"
cp "$SOURCE/configs/smoke.yaml" .
size=14

# Mixers that keep several operations, none of which is the identity.
works 'train' train smoke.yaml --out run --set run.meta_epochs=4 \
    --set 'search_space.ops=[max_pool_3x3, conv_3x3, sep_conv_3x3, conv_1x5_5x1]'
p=0
for class in bar stick fall rise box; do
    mkdir -p mine/$class ask/$class
    "$PICTURES" write mine/$class/1.png 40 $p 0
    "$PICTURES" write mine/$class/2.jpg 40 $p 2
    "$PICTURES" write ask/$class/1.png $size $p 0
    "$PICTURES" write ask/$class/2.png $size $p 1
    p=$((p + 1))
done

works 'adapt' adapt run --support mine --query ask --query mine/bar/2.jpg --out found
cp out printed
holds 'predicts every picture' [ "$(grep -c 'then' out)" = 11 ]
holds 'names the batch norm' grep -q '^batch norm support' out
holds 'names the network' grep -q '^network of [0-9,]* parameters$' out
holds 'counts the right ones among those with a label' grep -Eq '^[0-9]+ of the 11 pictures' out
works 'again' adapt run --support mine --query ask --query mine/bar/2.jpg
sed '/^written/d' printed >expected
same 'the same' expected out

# adapt uses support statistics by default: a picture is classified the same, alone and among others
for picture in stick/1 rise/2 box/1; do
    works "$picture alone" adapt run --support mine --query ask/$picture.png --out alone
    line=$(sed -n 2p alone/predictions.csv | cut -d, -f2-)
    holds "$picture: the same as among others" grep -qF ",$line" found/predictions.csv
done
works 'transductive on request' adapt run --support mine --query ask --batch-norm transductive
holds 'is told' grep -q '^batch norm transductive' out
works 'or by --set' adapt run --support mine --query ask --set evaluation.batch_norm=transductive
holds 'is told, too' grep -q '^batch norm transductive' out
refused 'transductive for a single picture' 2 adapt run --support mine --query ask/box/1.png --batch-norm transductive <<'T'
metanas: adapt: transductive batch norm takes its statistics from the query pictures, and a single one has none; use --batch-norm support, or give more pictures
T

# The class of a picture is the one of its largest probability, and probabilities sum to 1.
holds 'a line a picture' [ "$(wc -l <found/predictions.csv)" = 12 ]
holds 'sums and largest' awk -F, '
    NR == 1 { for (i = 3; i <= NF; i++) name[i] = $i; next }
    {
        sum = 0; top = 3
        for (i = 3; i <= NF; i++) { sum += $i; if ($i > $top) top = i }
        if (sum < 0.9999 || sum > 1.0001 || name[top] != $2) exit 1
    }' found/predictions.csv

# ---- the written network is the pruned one ----

works 'query of exact pictures' adapt run --support mine --query ask --out exact --batch-norm transductive
told=$(sed -n 's/^network of \([0-9,]*\) parameters$/\1/p' out | tr -d ,)
sed '/^#/d' exact/genotype.yaml >genotype
sed -n '/^normal:/,$p' out | sed '/^written/d' >expected
same 'the genotype is the one printed' expected genotype
# The images as numbers, in the order of the files: bar, box, fall, rise, stick.
"$PICTURES" tensor exact/network.safetensors in.st $size 0:0 0:1 4:0 4:1 2:0 2:1 3:0 3:1 1:0 1:1
works 'the written network alone' probe exact/network.yaml --state in.st --out out.st
for i in 0 1 2 3 4 5 6 7 8 9; do
    line=$(sed -n "$((i + 2))p" exact/predictions.csv)
    for k in 0 1 2 3 4; do
        "$TENSORS" get out.st logits $((5 * i + k))
    done >logits
    got=$(awk '{ x[NR] = exp($1); s += x[NR] } END { for (k = 1; k <= 5; k++) printf "%.6f ", x[k] / s }' logits)
    for k in 1 2 3 4 5; do
        near "picture $i, class $k" "$(echo "$line" | cut -d, -f$((k + 2)))" \
            "$(echo "$got" | cut -d' ' -f$k)" 1e-4
    done
done
"$TENSORS" names exact/network.safetensors >names
holds 'it has the parameters that were told' [ "$told" -eq "$(awk '
    { n = split($3, d, "x"); p = 1; for (i = 1; i <= n; i++) p *= d[i]; sum += p }
    END { print sum }' names)" ]
works 'the configuration is one' validate exact/network.yaml --shape 1,$size,$size

works 'train with scale and shift in the cells' train smoke.yaml --out affine \
    --set run.meta_epochs=4 --set task_learner.lr_w=0.1 \
    --set 'search_space={use: darts, cells: 3, nodes: 2, channels: 4, affine: true, ops: [conv_3x3, dil_conv_5x5, avg_pool_3x3]}'
works 'scale and shift move along' adapt affine --support mine --query ask --out moved
holds 'the written network agrees' grep -Eq 'differ by [0-9.]+e-(0[4-9]|[1-9][0-9]) at most|differ by 0\.0e\+00 at most' out

# Candidates that are layers of their own.
works 'train with layers in candidates' train smoke.yaml --out layers --set run.meta_epochs=2 --set task_learner.lr_a=0 \
    --set 'search_space={use: darts, cells: 3, nodes: 2, channels: 4, affine: true, ops: [mb_conv_3x3_e3_se, ghost_conv_3x3, conv_3x3]}'
works 'layers move along' adapt layers --support mine --query ask --out layered
holds 'the written network agrees' grep -Eq 'differ by [0-9.]+e-(0[4-9]|[1-9][0-9]) at most|differ by 0\.0e\+00 at most' out

# Other search spaces.
for space in mb_chain nasbench201; do
    works "train $space" train $SOURCE/configs/$([ $space = mb_chain ] && echo mb-chain || echo $space)-quickstart.yaml \
        --out $space --set run.meta_epochs=1 --set run.eval_every=0 --set evaluation.validation_tasks=1 --set dataset.size=20
    works "a network of $space" adapt $space --support mine --query ask --out fixed-$space
    holds 'the written network agrees' grep -Eq 'differ by [0-9.]+e-(0[4-9]|[1-9][0-9]) at most|differ by 0\.0e\+00 at most' out
    works 'its cells, trained' train $space/config.resolved.yaml --out again-$space --set genotype=fixed-$space/genotype.yaml
    holds 'nothing is searched' sh -c "! \"$TENSORS\" names again-$space/checkpoint.safetensors | grep -q '^alpha'"
done
refused 'a node too few' 2 validate $SOURCE/configs/nasbench201-quickstart.yaml --quiet --set 'genotype={cell: [none 0]}' <<'T'
metanas: search_space nasbench201: genotype: it says nothing of node cell.1, which the search space has
T
refused 'a node too many' 2 validate $SOURCE/configs/nasbench201-quickstart.yaml --quiet \
    --set 'genotype={cell: [none 0, none 0, none 0, none 0]}' <<'T'
metanas: argument 5 (--set genotype={cell: [none 0, none 0, none 0, none 0]}): genotype: cell: 4 nodes, of which the search space has 3
T
refused 'no pairs' 2 validate $SOURCE/configs/nasbench201-quickstart.yaml --quiet --set 'genotype={cell: none 0}' <<T
argument 5 (--set genotype={cell: none 0}): genotype: cell: expected a list of nodes, such as [conv_3x3 0, skip_connect 1]
metanas: $SOURCE/configs/nasbench201-quickstart.yaml: 1 fault; nothing was run
T

works 'train plain DARTS' train smoke.yaml --out plain --set run.meta_epochs=2 \
    --set op_mixer.use=softmax --set input_mixer.use=sum --set 'search_space.ops=[skip_connect]'
works 'identities alone' adapt plain --support mine --query ask --out identities
holds 'the written network agrees' grep -Eq 'differ by [0-9.]+e-(0[4-9]|[1-9][0-9]) at most|differ by 0\.0e\+00 at most' out
works 'train with undecided identities' train smoke.yaml --out soft --set run.meta_epochs=1 \
    --set 'search_space.ops=[skip_connect, conv_3x3]' --set task_learner.lr_a=0
works 'undecided identities' adapt soft --support mine --query ask --out undecided
holds 'the written network agrees' grep -Eq 'differ by [0-9.]+e-(0[4-9]|[1-9][0-9]) at most|differ by 0\.0e\+00 at most' out
holds 'a weight stands behind every pair' sh -c "! grep '^ ' undecided/genotype.yaml | tr ',' '\n' | grep -vE '[0-9] 0\.[0-9]{9}$'"
sed '1d' undecided/genotype.yaml >expected
sed -n '/^normal:/,$p' out | sed '/^written/d' >printed
same 'the cells are printed as they are written' expected printed

# ---- without the data; other data sets ----

mkdir -p data/train data/val data/test
p=0
for split in train val test; do
    for class in a b; do
        mkdir -p data/$split/$class
        for i in 1 2 3; do
            "$PICTURES" write data/$split/$class/$i.png 20 $p $((i - 2))
        done
        p=$(((p + 1) % 5))
    done
done
works 'train on pictures in folders' train smoke.yaml --out folders --set run.meta_epochs=1 \
    --set 'dataset={use: image_folder, path: data, size: 14, channels: 1, mean: [0.5], std: [0.5]}' \
    --set 'task={ways: 2, shots: 1, queries: 1}' --set 'search_space.ops=[conv_3x3]'
rm -r data
mkdir two
cp -r mine/bar mine/box two
works 'the data is not needed' adapt folders --support two --query ask/bar --out f
"$TENSORS" names f/network.safetensors >names
holds 'and its network is written' grep -q '^head\.weight F32 2x' names

works 'train a network that is not searched' train smoke.yaml --out conv4 --set run.meta_epochs=1 \
    --set search_space.use=conv4 --set search_space.channels=4 --set dataset.size=28
works 'adapts as well' adapt conv4 --support mine --query ask --out c
holds 'and has no cells' [ ! -e c/genotype.yaml ]
"$TENSORS" names conv4/checkpoint.safetensors | grep '^blocks\|^head' | sort >expected
"$TENSORS" names c/network.safetensors | sort >names
same 'its network is that of the run' expected names

# ---- refusals ----

refused 'no support' 2 adapt run --query ask <<'T'
metanas: adapt: --support DIR is missing; see 'metanas adapt --help'
T
refused 'no query' 2 adapt run --support mine <<'T'
metanas: adapt: --query DIR|FILE is missing; see 'metanas adapt --help'
T
refused 'other number of classes' 2 adapt run --support two --query ask <<'T'
metanas: two: holds 2 class folders, but the run tells 5 classes apart (task.ways)
T
cp -r mine empty
mkdir empty/none
refused 'class folder without pictures' 3 adapt run --support empty --query ask <<'T'
metanas: --support: empty: class folders without a picture (.png, .jpg, .jpeg, .webp): none
T
cp -r mine outside
cp mine/bar/1.png outside/x.png
refused 'picture outside of folders' 3 adapt run --support outside --query ask <<'T'
metanas: --support: outside/x.png: lies in no class folder; put the pictures of each class into a folder of its own: outside/CLASS/
T
refused 'query that is not there' 3 adapt run --support mine --query none.png <<'T'
metanas: --query: none.png: No such file or directory
T

works 'pictures of one class' adapt run --support mine --query ask/bar --query ask/box/1.png
holds 'are counted, too' grep -Eq '^[0-9] of the 3 pictures' out
: >file
refused 'no folder to write to' 3 adapt run --support mine --query ask --out file <<'T'
metanas: adapt: --out file: not a folder
T

# ---- what is left out ----

# One bad file does not stop the others: each is reported, and the results for the rest are the same as without them.
cp -r mine broken
cp -r ask more
echo 'no picture' >broken/box/3.png
head -c 60 mine/box/1.png >more/bar/0.png
printf 'GIF89a' >more/stick/9.jpg
printf '\000\000\000\030ftypheic' >photo.heic
works 'without the bad ones' adapt run --support mine --query ask
cp out expected
check
"$METANAS" adapt run --support broken --query more --query photo.heic >out 2>err
holds 'bad pictures end with 3' [ $? -eq 3 ]
sed 's#^  more/#  ask/#; s/  */ /g' out >printed
sed 's/  */ /g' expected >squeezed
same 'and the others are predicted' squeezed printed
cut -c 1-60 err >told
cat >expected <<'T'
metanas: dataset glyphs: broken/box/3.png: neither a PNG, no
metanas: dataset glyphs: more/bar/0.png: broken PNG file: it
metanas: dataset glyphs: more/stick/9.jpg: a GIF file; PNG, 
metanas: dataset glyphs: photo.heic: a HEIC file; PNG, JPEG 
metanas: 4 of 24 pictures could not be read and were left ou
T
same 'each is named' expected told
cp broken/box/3.png broken/box/1.png
cp broken/box/3.png broken/box/2.jpg
check
"$METANAS" adapt run --support broken --query ask >out 2>err
holds 'a class without a readable picture ends with 3' [ $? -eq 3 ]
holds 'and is named' grep -q '^metanas: --support: box: none of the pictures of this class can be read$' err

# Files that operating systems add are neither classes nor pictures; anything else that is skipped is reported.
cp -r mine beside
mkdir -p beside/__MACOSX/box
for f in beside/__MACOSX/box/._1.png beside/.DS_Store beside/box/Thumbs.db beside/bar/._1.png; do
    echo rubbish >$f
done
works 'with __MACOSX beside' adapt run --support beside --query ask
holds 'and nothing to say' [ ! -s err ]
echo 'about them' >beside/box/notes.txt
works 'with a text beside' adapt run --support beside --query ask
cat >expected <<'T'
metanas: beside: 1 file is left out, its name does not end in .png, .jpg, .jpeg, .webp: box/notes.txt
T
same 'what is left out is said' expected err

# No control character of a name reaches the terminal.
odd=$(printf 'b\033[31mx')
mkdir odd
cp -r mine/* odd
mv odd/box "odd/$odd"
works 'a name with control characters' adapt run --support odd --query odd
holds 'is printed without them' sh -c '! cat out err | LC_ALL=C grep -q "[[:cntrl:]]"'
holds 'and is known again' grep -q '^10 of\|^[0-9] of the 10 pictures' out

# ---- the shipped state ----

p=0
for class in bar stick fall rise box; do
    mkdir -p drawn/$class new/$class
    "$PICTURES" write drawn/$class/1.png 40 $p 0
    for variant in 1 2 3; do
        "$PICTURES" write new/$class/$variant.png 28 $p $variant
    done
    p=$((p + 1))
done
works 'adapt a shipped state' adapt "$SOURCE/configs/pretrained/omniglot-5way-1shot" --support drawn --query new
holds 'it tells simple drawings apart' grep -Eq '^1[45] of the 15 pictures' out

# ---- names ----

esc=$(printf '\033')
cp -r mine named
mv named/bar 'named/=1+1'
mv named/stick "named/$esc[31m"
mv named/fall 'named/日本'
mkdir -p wide
cp ask/bar/1.png 'wide/日本.png'
cp ask/bar/2.png wide/latin.png
works 'names of all kinds' adapt run --support named --query wide --out named-out
holds 'control characters of file names never reach a terminal' sh -c "! grep -q $esc out err"
holds 'cells never begin a formula' grep -q ",\"'=1+1\"," named-out/predictions.csv
# The class begins in one column of the terminal: the wide name takes two columns a character.
holds 'columns align by display width' [ "$(sed -n 's/^\(  wide\/日本\.png *\)[^ ].*/\1/p' out | wc -c)" -eq \
    "$(($(sed -n 's/^\(  wide\/latin\.png *\)[^ ].*/\1/p' out | wc -c) + 2))" ]

# ---- heads that look at the support set: it goes through the network with all pictures to tell apart ----

for head in '{use: centroid}' '{use: linear, start: prototypes}'; do
    works "train $head" train smoke.yaml --out "run $head" --set run.meta_epochs=2 --set "head=$head" \
        --set task_learner.batch=0 --set task_learner.test_batch=0
    works "adapt $head" adapt "run $head" --support mine --query ask --query ask --query ask
    holds "$head: predicts every picture" [ "$(grep -c 'then' out)" = 30 ]
done
finish
