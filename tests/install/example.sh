# SPDX-License-Identifier: MIT
# example.sh KIND NAME: an example of the documents, in a project made for it.
. "$SOURCE/tests/install/lib.sh"
kind=$1 name=$2 examples=$SOURCE/docs/examples

works "a new $kind" new-plugin "$kind" "$name"
if [ -f "$examples/$name.cpp" ]; then
    command -v "${CXX%% *}" >/dev/null || {
        echo 'there is no C++ compiler, so no plugin in C++ can be built'
        exit 77
    }
    rm "$name/$name.c"
    cp "$examples/$name.cpp" "$name/"
else
    cp "$examples/$name.c" "$name/"
fi
cp "$examples/$name.yaml" "$name/"
if [ -f "$examples/$name.awk" ]; then
    awk -f "$examples/$name.awk" >"$name/$name.csv"
fi
if [ "$name" = npy_images ]; then
    sh "$examples/$name.sh" "$name"
    sed -i "s|^sets=.*|sets='--set dataset.images=$work/$name/images.npy --set dataset.labels=$work/$name/labels.npy'|" "$name/test.sh"
fi
if [ "$name" = csv_images ]; then # as README.md there says
    sed -i "s|^sets=.*|sets='--set dataset.path=$work/$name/$name.csv --set dataset.height=14 --set dataset.width=14'|" "$name/test.sh"
fi
# What a check needs, as README.md there says.
sets=
if [ "$name" = cavia ]; then
    sets='--set task_learner.context=head.weight'
    sed -i "s|^sets=.*|sets='$sets'|" "$name/test.sh"
fi
build_and_test "$name"

METANAS_PLUGIN_PATH=$work/$name/build
export METANAS_PLUGIN_PATH
works 'training with it' train "$name/$name.yaml" --out run
works 'a second time' train "$name/$name.yaml" --out again --set run.workers=2
same 'gives the same numbers' run/metrics.jsonl again/metrics.jsonl
case $name in
sparsemax)
    holds 'operations are skipped' sh -c '! grep -q "\"skip_share\":0.0[,}]" run/metrics.jsonl'
    ;;
learned_rate)
    holds 'its state is in the checkpoint' grep -qa '"meta\.log_rate_w"' run/checkpoint.safetensors
    works 'the first half' train "$name/$name.yaml" --out half --set run.meta_epochs=3
    works 'and the rest' resume half --set run.meta_epochs=6
    same 'give the same numbers' run/metrics.jsonl half/metrics.jsonl
    works 'without learning the rate' train "$name/$name.yaml" --out fixed --set meta_learner.kappa=0
    works 'it is REPTILE' train "$name/$name.yaml" --out reptile --set 'meta_learner={use: reptile, lr_w: 0.5, lr_a: 0.5}'
    same 'with the same numbers' fixed/metrics.jsonl reptile/metrics.jsonl
    ;;
dropnas)
    works 'nothing is dropped' train "$name/$name.yaml" --out none --set op_mixer.rate=0
    works 'it is softmax' train "$name/$name.yaml" --out softmax --set 'op_mixer={use: softmax}'
    same 'with the same numbers' none/metrics.jsonl softmax/metrics.jsonl
    holds 'without it is another run' sh -c '! cmp -s run/metrics.jsonl none/metrics.jsonl'
    ;;
involution)
    refused 'an even kernel' 2 validate "$name/$name.yaml" --quiet --set operations.inv.kernel=4 <<T
argument 5 (--set operations.inv.kernel=4): operations.inv involution: kernel: expected an odd number
metanas: $name/$name.yaml: 1 fault; nothing was run
T
    refused 'groups that do not fit' 6 validate "$name/$name.yaml" --quiet --set operations.inv.groups=3 <<T
metanas: search_space darts: operations.inv involution: 4 channels are no whole number of 3 groups
T
    ;;
npy_images)
    works 'its classes by name' episodes "$name/$name.yaml" --out list.jsonl --tasks 3
    works 'tasks from the list' test run --episodes list.jsonl --out listed
    # spoil FILE OFFSET BYTES MESSAGE
    spoil() {
        cp "$name/$1" whole.npy
        printf "$3" | dd of="$name/$1" bs=1 seek="$2" conv=notrunc 2>/dev/null
        refused "$1 with $3 at $2" 3 validate "$name/$name.yaml" --quiet <<T
metanas: dataset npy_images: $work/$name/$1: $4
T
        mv whole.npy "$name/$1"
    }
    spoil images.npy 1 n 'is no array of NumPy: write it with numpy.save'
    spoil images.npy 8 '\377\377' 'the header is longer than the file'
    spoil images.npy 21 '>' 'holds no whole numbers in little-endian order'
    spoil images.npy 44 'True ' 'is in column-major order: write numpy.ascontiguousarray of it'
    spoil images.npy 60 '(217' 'ends before its array; is it still being written?'
    spoil labels.npy 60 '(215' 'expected one number for each image'
    ;;
noise)
    works 'without noise' train "$name/$name.yaml" --out none --set dataset.std=0 --set dataset.around.std=0
    works 'it is the data set' train "$name/$name.yaml" --out glyphs \
        --set 'dataset={use: glyphs, size: 14, train_classes: 100, val_classes: 20, test_classes: 40}'
    same 'with the same numbers' none/metrics.jsonl glyphs/metrics.jsonl
    ;;
boil | cavia)
    apart='meta_learner={weights: {use: anil}, architecture: {use: reptile}}'
    refused 'with anil for the weights neither' 2 validate "$name/$name.yaml" --quiet --set "$apart" <<T
$name/$name.yaml:7:21: task_learner $name: use: it does not go with meta_learner anil, which lets the head alone adapt: together nothing would; take maml or fomaml
metanas: $name/$name.yaml: 1 fault; nothing was run
T
    refused 'with anil nothing would adapt' 2 validate "$name/$name.yaml" --quiet --set 'meta_learner={use: anil}' <<T
$name/$name.yaml:7:21: task_learner $name: use: it does not go with meta_learner anil, which lets the head alone adapt: together nothing would; take maml or fomaml
metanas: $name/$name.yaml: 1 fault; nothing was run
T
    works 'first order' train "$name/$name.yaml" --out first --set meta_learner.first_order=1
    holds 'differs from the exact gradient' sh -c '! cmp -s run/metrics.jsonl first/metrics.jsonl'
    ;;
imaml)
    refused 'another task learner' 2 validate "$name/$name.yaml" --quiet --set 'task_learner={use: sgd}' <<T
$name/$name.yaml:8:21: meta_learner imaml: use: it needs task_learner.use: proximal, but the configuration has sgd: the implicit gradient is that of a proximal point, which no other task learner goes to
metanas: $name/$name.yaml: 1 fault; nothing was run
T
    refused 'another lambda' 2 validate "$name/$name.yaml" --quiet --set task_learner.lambda=3 <<T
$name/$name.yaml:8:65: meta_learner imaml: lambda: it is 2, but task_learner.lambda is 3; both stand in one equation, so give the same number
metanas: $name/$name.yaml: 1 fault; nothing was run
T
    apart='meta_learner={weights: {use: imaml, lambda: 3}, architecture: {use: reptile}}'
    refused 'another lambda, for the weights alone' 2 validate "$name/$name.yaml" --quiet --set "$apart" <<T
argument 5 (--set $apart): meta_learner.weights imaml: lambda: it is 3, but task_learner.lambda is 2; both stand in one equation, so give the same number
metanas: $name/$name.yaml: 1 fault; nothing was run
T
    strong='--set task_learner.lambda=200 --set meta_learner.lambda=200 --set task_learner.lr=0.0025'
    # shellcheck disable=SC2086
    works 'a pull stronger than the loss bends' train "$name/$name.yaml" --out strong $strong
    grep '"train"' strong/metrics.jsonl | sed 's/.*truncated":\([^,]*\),.*residual":\([^,}]*\).*/\1 \2/' >solved
    holds 'its equations are solved' awk '!($1 == 0 && $2 < 0.1) {bad = 1} END {exit bad || NR != 6}' solved
    holds 'a weaker one tells where it ended' grep -q '"meta_learner.truncated":[01]' run/metrics.jsonl
    ;;
separable)
    sep='operations={sep: {use: separable, kernel: 3, repeats: 2}}'
    works 'twice 3x3' train "$name/$name.yaml" --out twice --set "$sep" --set 'search_space.ops=[skip_connect, sep]'
    works 'the built-in one' train "$name/$name.yaml" --out built_in --set "$sep" \
        --set 'search_space.ops=[skip_connect, sep_conv_3x3]'
    same 'gives the same numbers' twice/metrics.jsonl built_in/metrics.jsonl
    refused 'an even kernel' 2 validate "$name/$name.yaml" --quiet --set operations.sep_9x9.kernel=4 <<T
argument 5 (--set operations.sep_9x9.kernel=4): operations.sep_9x9 separable: kernel: expected an odd number
metanas: $name/$name.yaml: 1 fault; nothing was run
T
    ;;
csv_images)
    file=$name/$name.csv
    cp "$file" whole.csv
    # spoil LINE EDIT COLUMN MESSAGE: the edit is of sed, the column as in the spoiled line
    spoil() {
        sed "$1$2" whole.csv >"$file"
        column=$3
        [ "$column" != end ] || column=$(($(sed -n "$1p" "$file" | tr -d '\n' | wc -c) + 1))
        refused "line $1, $2" 3 validate "$name/$name.yaml" --quiet <<T
metanas: dataset csv_images: $work/$file:$1:$column: $4
T
    }
    spoil 3 's/train/trian/' 1 'the split is train, val or test'
    spoil 5 's/bars0,/bars0,256,/' 13 'expected a whole number from 0 to 255'
    spoil 4 's/,bars0//' end 'the line ends before channels x height x width values'
    spoil 2 's/,[0-9]*$/,7&/' $(($(sed -n 2p whole.csv | sed 's/,[0-9]*$//' | tr -d '\n' | wc -c) + 3)) \
        'the line has more than channels x height x width values'
    rm "$file"
    refused 'no file' 2 validate "$name/$name.yaml" --quiet <<T
metanas: $name/$name.yaml:5:34: dataset csv_images: path: $work/$file cannot be read: is the path right?
T
    ;;
esac
finish
