# SPDX-License-Identifier: MIT
# Promise: sizes that a plugin reports are validated before anything is planned with them; impossible ones end the program
# with the plugin's name before a run directory is made.
. "$SOURCE/tests/promises/lib.sh"
tiny
export METANAS_PLUGIN_PATH="$MISFIT_DIR:$METANAS_PLUGIN_PATH"
{
    grep -v '^dataset:\|^task_learner:' tiny.yaml
    for unit in dataset op_mixer head loss task_learner meta_learner; do
        echo "$unit: {use: misfit}"
    done
} >misfit.yaml
works 'units that fit' train misfit.yaml --out fits
works 'a test with them' test fits
# 21 images of support, where the task learner takes 1 at a time and the query set has 6
for MISFIT in 'larger pass' 'larger pass by number'; do
    export MISFIT
    works "$MISFIT" train misfit.yaml --out "$MISFIT" --set task.train_shots=7
done
unset MISFIT

# misfit HOW UNIT TEXT [SHOTS]: nothing is trained, and the message ends so
misfit() {
    check
    (MISFIT=$1 exec "$METANAS" train misfit.yaml --out run --set task.train_shots="${4:-1}") >out 2>err
    code=$?
    [ "$code" -eq 1 ] || fail "$1: exit code $code, expected 1"
    check
    grep -qF "$2 misfit: $3" err || {
        fail "$1: message"
        cat err
    }
    holds "$1: no checkpoint but the first is left" sh -c \
        '! [ -e run/checkpoint.safetensors ] || grep -aq "\"meta_epoch\":\"0\"" run/checkpoint.safetensors'
    rm -rf run
}
misfit 'no channels' dataset 'describes images of 0x8x8; channels, height and width are 1 to 100000, their product at most 2^30; this is an error of the plugin'
misfit 'negative height' dataset 'describes images of 1x-8x8;'
misfit 'huge height' dataset 'describes images of 1x1073741824x8;'
misfit 'huge images' dataset 'describes images of 1x100000x100000;'
misfit 'negative classes' dataset 'describes -1 training classes of 20 images or more, 200 in all, which is impossible'
misfit 'negative images' dataset 'describes 10 training classes of -1 images or more'
misfit 'less than unlimited' dataset 'describes 10 training classes of 20 images or more, -2 in all'
misfit 'labels' dataset 'label 4 of image 0 is not in 0..3; this is an error of the plugin'
misfit 'no choices' op_mixer '0 choices over 3 items; 1 to 65536 are possible'
misfit 'other logits' op_mixer 'n_logits is 4; it must be 0 or n_choices (3)'
misfit 'negative n_saved' op_mixer 'n_saved is -1 for 3 choices, which is no size; this is an error of the plugin'
misfit 'huge n_saved' op_mixer 'n_saved is 9223372036854775807 for 3 choices'
misfit 'negative threshold' op_mixer 'threshold is -0.1; 0 to 1 are possible; this is an error of the plugin'
misfit 'threshold over 1' op_mixer 'threshold is 1.5; 0 to 1 are possible'
misfit 'threshold in tests' op_mixer 'threshold is 2; 0 to 1 are possible'
misfit 'no threshold' op_mixer 'threshold is nan; 0 to 1 are possible'
misfit 'start of nothing' head 'says that it starts, but has no weights; this is an error of the plugin'
misfit 'no start' head 'says that it starts, but has no `start`; this is an error of the plugin'
misfit 'teacher' loss 'teacher is 7, which is none of enum mn_teacher; this is an error of the plugin'
misfit 'negative n_state' task_learner 'n_state is -1, which is no size; this is an error of the plugin'
misfit 'huge n_state' task_learner 'n_state is 4611686018427387903, which is no size'
misfit 'moments' task_learner 'moments is 7, which is none of enum mn_moments; this is an error of the plugin'
misfit 'negative max_batch' task_learner 'max_batch is -2147483647; -1048576 to 1048576 are possible; this is an error of the plugin'
misfit 'huge max_batch' task_learner 'max_batch is 2147483647; -1048576 to 1048576 are possible'
misfit 'negative steps' task_learner 'steps is -1 for a training task; 0 to 1000000000 are possible; this is an error of the plugin'
misfit 'huge steps' task_learner 'steps is 9223372036854775807 for a training task'
misfit 'negative steps at last' task_learner 'steps is -2 for a training task'
# size STRUCT, as the committed table of the interface has it
size() {
    sed -n "s/^struct $1 \([0-9]*\) .*/\1/p" "$SOURCE/tests/abi/abi.txt"
}
pass=$(size mn_pass) outcome=$(size mn_outcome)
misfit 'pass of no size' task_learner "step 0: mn_model_pass: the size of mn_pass is 0 and that of mn_outcome $outcome; they begin with .size = sizeof, which is $pass and $outcome"
misfit 'outcome of no size' task_learner "step 0: mn_model_pass: the size of mn_pass is $pass and that of mn_outcome 0;"
misfit 'state twice' meta_learner 'mn_state("m"): claimed twice, so no checkpoint could be read again; this is an error of the plugin'
for name in 'unnamed state' 'name of a state' 'no name'; do
    misfit "$name" meta_learner "mn_state: a name has 1 to 100 letters, digits, '_', '.' and '-'; this is an error of the plugin"
done
misfit 'state of nothing' meta_learner 'mn_state("m", 0): at most 32 states of 1 to 4294967296 reals'
misfit 'huge state' meta_learner 'mn_state("m", 9223372036854775807): at most 32 states of 1 to 4294967296 reals'
misfit 'negative batch' meta_learner 'max_batch is -2147483647; -1048576 to 1048576 are possible; this is an error of the plugin'
misfit 'huge batch' meta_learner 'max_batch is 2147483647; -1048576 to 1048576 are possible'
misfit 'larger pass untold' meta_learner 'a batch of 21 images; this model holds 1 to 6' 7
misfit 'negative n_own' meta_learner 'n_own is -1, which is no size; this is an error of the plugin'
misfit 'huge n_own' meta_learner 'n_own is 4611686018427387903, which is no size'
finish
