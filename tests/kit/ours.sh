#!/bin/sh
# SPDX-License-Identifier: MIT
# ours.sh METANAS PICTURES SOURCE PLUGIN...: each of our own plugins passes all cases that it has, and
# none is skipped but for a reason named here.
set -u
metanas=$1 pictures=$2 source=$3
shift 3
failures=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$pictures" "$work" || exit 1

# Options without which a plugin has nothing to do, or too much for a test.
options() {
    case $1 in
    conv4* | darts* | pc_darts*) echo "--set search_space.channels=8" ;;
    glyphs*) echo "--set dataset.train_classes=12 --set dataset.val_classes=7 --set dataset.test_classes=6" ;;
    augment*) echo "--set dataset.shift=2 --set dataset.rotation=10 --set dataset.flip=0.5 --set dataset.cutout=4 --set dataset.evaluation=true" ;;
    clipped*) echo "--set meta_learner.max_norm_a=0.5 --set task_learner.max_norm_a=0.5" ;;
    image_folder*) echo "--set dataset.path=$work/folder --set dataset.size=16" ;;
    linear*) echo "--set head.start=prototypes" ;;
    omniglot*) echo "--set dataset.path=$work/omniglot --set dataset.validation=2" ;;
    esac
}

for file in "$@"; do
    # shellcheck disable=SC2046
    "$metanas" check "$file" --rounds 40 $(options "$(basename "$file")") >"$work/out" 2>"$work/err" || {
        failures=$((failures + 1))
        cat "$work/out" "$work/err"
    }
    if grep '# SKIP' "$work/out" | grep -vE 'the mixer has no logits|the learner has no adjoint|check_adjoint refuses the option around|the learner does not shape updates|the head does not start tasks|the task learner leaves pruning to the mixers|memory allocator does not tell|declares that|with other processes'; then
        failures=$((failures + 1))
    fi
    tail -n 1 "$work/out"
done
echo "$# plugins, $failures failures"
[ "$failures" -eq 0 ] && [ $# -gt 0 ]
