# SPDX-License-Identifier: MIT
# A faulty job is reported once: what, where, why, and what to do.
. "$SOURCE/tests/mpi/lib.sh"

# says WHAT CODE PATTERN: the last command's standard error has one message, and it is this
says() {
    check
    [ "$got" -eq "$2" ] || fail "$1: exit code $got, expected $2: $(cat err)"
    holds "$1" grep -Eq "$3" err
    holds "$1: said once" [ "$(grep -c '^metanas: ' err)" -eq 1 ]
}

try() {
    "$@" >out 2>err </dev/null
    got=$?
}

mkdir none
for plugin in "$PLUGINS"/*.so; do
    [ "$(basename "$plugin")" = mpi.so ] || ln -s "$plugin" none/
done
chmod go-w none
saved=$METANAS_PLUGIN_PATH
METANAS_PLUGIN_PATH=$PWD/none
echo 'not a plugin' >none/mpi.so
works 'a plain run does not open mpi.so' train smoke.yaml --out plain
try "$METANAS" train smoke.yaml --out x --set run.transport=mpi
says 'a broken mpi.so' 3 "^metanas: cannot load plugin 'mpi' for transport"
METANAS_PLUGIN_PATH=$saved

try "$METANAS" train smoke.yaml --out x --set run.transport=mpo
says 'not built' 2 "^metanas: cannot load plugin 'mpo' for transport \(argument 6 "
holds 'offers what there is' grep -q "did you mean 'mpi'?" err
holds 'says how to get it' grep -q 'where meson finds MPI (option mpi)' err
try ranks 3 "$METANAS" train smoke.yaml --out x --set run.transport=mpo
says 'not built, on ranks' 2 "^metanas: cannot load plugin 'mpo'"

try "$METANAS" train smoke.yaml --out alone --set run.transport=mpi
says 'without mpirun' 0 '^metanas: transport mpi: there is one rank only; mpirun -n N metanas'
try env PMI_SIZE=3 PMI_RANK=0 OMPI_COMM_WORLD_SIZE=3 OMPI_COMM_WORLD_RANK=0 PMI_FD= \
    "$METANAS" train smoke.yaml --out x --set run.transport=none
holds 'threads are never refused' [ "$got" -eq 0 ]
rm -rf x
case $MPI in
openmpi) other=PMI ;;
mpich) other=OMPI_COMM_WORLD ;;
esac
try env "${other}_SIZE=3" "${other}_RANK=0" "$METANAS" train smoke.yaml --out x
says 'mpirun of another library' 2 "3 processes were started \\(${other}_SIZE\\), but transport mpi finds this one alone"

sed 's/ways: 5 /wys: 5 /' smoke.yaml >bad.yaml
try ranks 3 "$METANAS" train bad.yaml --out x
says 'a wrong configuration' 2 '^metanas: bad.yaml: 1 fault'
holds 'with its place' [ "$(grep -c "^bad.yaml:[0-9]*:[0-9]*: .*did you mean 'ways'" err)" -eq 1 ]
try ranks 3 "$METANAS" train smoke.yaml --ouch x
says 'a wrong flag' 2 "^metanas: train: unknown flag '--ouch'; did you mean '--out'"

cp "$METANAS" other
echo >>other
try "$MPIRUN" -n 1 "$METANAS" train smoke.yaml --out x : -n 1 ./other train smoke.yaml --out x
says 'another program on a rank' 2 '^metanas: rank 1 \(.*\) runs metanas .*: install the same program on every node'
try "$MPIRUN" -n 1 "$METANAS" train smoke.yaml --out x : \
    -n 1 env OPENBLAS_CORETYPE=Nehalem "$METANAS" train smoke.yaml --out x
says 'another BLAS on a rank' 2 "^metanas: rank 1 \\(.*\\) would compute other bits than rank 0 \\(.*\\): 'blas: "

try ranks 2 env LD_PRELOAD="$LOW_LEVEL" "$METANAS" train smoke.yaml --out y
says 'too little support of threads' 6 '^metanas: transport mpi: this MPI library gives MPI_THREAD_SINGLE; .*MPI_THREAD_FUNNELED is needed'

# A task that fails: of the toy's, number 4, which rank 1 or 2 works on while there are three.
cat >toy.yaml <<'T'
run: {seed: 7, meta_epochs: 4, tasks_per_batch: 6, eval_every: 2, workers: 1}
task: {ways: 2, shots: 2, queries: 1}
dataset: {use: toy}
search_space: {use: darts, cells: 1, nodes: 1, channels: 2, ops: [skip_connect, avg_pool_3x3, none]}
op_mixer: {use: softmax}
input_mixer: {use: sum}
task_learner: {use: toy, fault: nan_loss, at_task: 4}
meta_learner: {use: toy}
T
try "$METANAS" train toy.yaml --out nan --plugin-dir "$TOY"
says 'a loss that is not finite' 4 '^metanas: meta-epoch 0, task 4 \(seed 7\): task_learner toy: step 1: the loss is nan'
mv err err-threads
mv nan nan-threads
try ranks 3 "$METANAS" train toy.yaml --out nan --plugin-dir "$TOY"
says 'the same of ranks' 4 '^metanas: meta-epoch 0, task 4'
grep -A2 '^metanas:' err >err-ranks
same 'ranks fail as threads do' err-threads err-ranks
same 'the steps before it are kept' nan-threads/steps.csv nan/steps.csv
works 'skipped tasks with threads' train toy.yaml --out skip --plugin-dir "$TOY" --set run.on_nan=skip_task
works_on 3 'and with ranks' train toy.yaml --out skip-ranks --plugin-dir "$TOY" --set run.on_nan=skip_task
holds 'a task is skipped' grep -q '"kind":"skipped","meta_epoch":0,"task":4' skip/metrics.jsonl
same_run 'skipped tasks' skip skip-ranks
same 'steps of skipped tasks' skip/steps.csv skip-ranks/steps.csv
try ranks 3 "$METANAS" train toy.yaml --out status --plugin-dir "$TOY" --set task_learner.fault=status
says 'another failure' 6 '^metanas: (rank [12] \(.*\): )?meta-epoch 0, task 4 \(seed 7\): task_learner toy: step 1: told to fail'
finish
