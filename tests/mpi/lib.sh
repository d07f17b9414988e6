# SPDX-License-Identifier: MIT
# Read by the tests of ranks, after METANAS, METANAS_PLUGIN_PATH (the variant of the plugin first),
# TENSORS, SOURCE, MPIRUN and MPI (openmpi or mpich) are in the environment.
. "$SOURCE/tests/cli/lib.sh"

# More ranks than processors, as root, without a network but loopback, without other nodes.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_hwloc_base_binding_policy=none
export OMPI_MCA_plm_rsh_agent=false OMPI_MCA_btl=self,vader OMPI_MCA_oob_tcp_if_include=lo
export OMPI_MCA_btl_vader_single_copy_mechanism=none
export HYDRA_LAUNCHER=fork HYDRA_IFACE=lo
export OPENBLAS_NUM_THREADS=1

# ranks N COMMAND...: under mpirun
ranks() {
    n=$1
    shift
    "$MPIRUN" -n "$n" "$@"
}

# works_on N WHAT COMMAND...: as works, on N ranks
works_on() {
    n=$1 what=$2
    shift 2
    check
    ranks "$n" "$METANAS" "$@" >out 2>err </dev/null
    got=$?
    [ "$got" -eq 0 ] || {
        fail "$what: exit code $got"
        cat err
    }
}

lines() {
    if [ -e "$1" ]; then wc -l <"$1"; else echo 0; fi
}

# wait_for FILE LINES: until the file has that many
wait_for() {
    tries=0
    while [ "$tries" -lt 1000 ] && [ "$(lines "$1")" -lt "$2" ]; do
        sleep 0.02
        tries=$((tries + 1))
    done
}

# processes DIR: those that train into it from this folder, ranks in order
processes() {
    for process in $(grep -lsx "$(basename "$METANAS")" /proc/[0-9]*/comm); do
        process=${process%/comm}
        [ "$(readlink "$process/cwd" 2>/dev/null)" = "$work" ] || continue
        words=$(cat "$process/cmdline" 2>/dev/null | tr '\0' '\n')
        [ "$(echo "$words" | head -n 1)" = "$METANAS" ] && echo "$words" | grep -qx "$1" &&
            tr '\0' '\n' <"$process/environ" |
            sed -nE "s/^(OMPI_COMM_WORLD_RANK|PMI_RANK)=([0-9]+)\$/\2 ${process#/proc/}/p"
    done | sort -n | cut -d ' ' -f 2
}

# is_gone PROCESS: it has ended, even if it is still a zombie
is_gone() {
    ! grep -s '^State:' "/proc/$1/status" | grep -qv Z
}

cp "$SOURCE/configs/smoke.yaml" .
