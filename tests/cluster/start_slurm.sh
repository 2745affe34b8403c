#!/bin/sh
# A Slurm of several virtual nodes on this machine, for tests: start_slurm.sh start|stop FOLDER [NODES]
#
# Needs Debian's slurmctld, slurmd, slurm-client and munge, and root. All that it writes is in FOLDER (its
# own key and socket for munge, the configuration, logs, what the daemons remember), but for a link to it,
# /etc/slurm/slurm.conf: Snakemake's plugin takes SLURM_CONF out of a job's environment. Where a Slurm is
# set up already, it stops. Nodes share this machine's processors, which Slurm counts once for each node.
set -eu
what=${1:?start or stop}
home=$(mkdir -p "${2:?a folder}" && cd "$2" && pwd)
nodes=${3:-4}
link=/etc/slurm/slurm.conf
processors=4 # of each node, whatever this machine has

stop() {
    for file in "$home"/*.pid; do
        [ -s "$file" ] || continue
        kill "$(cat "$file")" 2>/dev/null || true
    done
    for try in 1 2 3 4 5 6 7 8 9 10; do
        alive=0
        for file in "$home"/*.pid; do
            [ -s "$file" ] && kill -0 "$(cat "$file")" 2>/dev/null && alive=1
        done
        [ $alive = 0 ] && break
        sleep 0.5
    done
    rm -f "$home"/*.pid
    [ "$(readlink "$link")" != "$home/slurm.conf" ] || rm "$link"
}

start() {
    for program in munged slurmctld slurmd sbatch; do
        command -v $program >/dev/null || {
            echo "$program is missing; on Debian: apt-get install munge slurmctld slurmd slurm-client" >&2
            exit 1
        }
    done
    if [ -e "$link" ]; then
        echo "$link is there already; this is for a machine without a Slurm of its own" >&2
        exit 1
    fi
    ln -sf "$home/slurm.conf" "$link"
    mkdir -p "$home/state" "$home/spool" "$home/munge"
    chmod 755 "$home" "$home/munge"
    port=$((20000 + $$ % 10000))

    dd if=/dev/urandom of="$home/munge.key" bs=128 count=1 2>/dev/null
    chmod 400 "$home/munge.key"
    munged --force --key-file="$home/munge.key" --socket="$home/munge/socket" \
        --pid-file="$home/munged.pid" --log-file="$home/munged.log" --seed-file="$home/munge.seed"

    cat >"$home/slurm.conf" <<CONF
ClusterName=virtual
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmUser=root
SlurmctldPort=$port
AuthType=auth/munge
# A job that is put back waits until its old right to start has ended: by itself two minutes.
AuthInfo=socket=$home/munge/socket,cred_expire=5
CredType=cred/munge
SlurmctldPidFile=$home/slurmctld.pid
SlurmdPidFile=$home/slurmd-%n.pid
SlurmctldLogFile=$home/slurmctld.log
SlurmdLogFile=$home/slurmd-%n.log
StateSaveLocation=$home/state
SlurmdSpoolDir=$home/spool/%n
# A container has no cgroups to give: processes are found by their parents, and nothing is bound.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
# Each job goes to the node with the least to do, so that a few jobs are on several.
SelectTypeParameters=CR_Core_Memory,CR_LLN
SchedulerParameters=sched_interval=1,bf_interval=2,sched_min_interval=100000
# No accounting: snakemake is told --slurm-status-command squeue, and finished jobs are remembered.
MinJobAge=900
SlurmdTimeout=10
KillWait=5
ReturnToService=2
SlurmdParameters=config_overrides
CONF
    i=1
    while [ $i -le "$nodes" ]; do
        echo "NodeName=n$i NodeHostname=$(hostname -s) NodeAddr=127.0.0.1 Port=$((port + i))" \
            "CPUs=$processors RealMemory=4000 State=UNKNOWN" >>"$home/slurm.conf"
        i=$((i + 1))
    done
    echo "PartitionName=virtual Nodes=n[1-$nodes] Default=YES MaxTime=INFINITE State=UP" >>"$home/slurm.conf"
    echo "CgroupAutomount=no" >"$home/cgroup.conf"
    slurmctld -c
    i=1
    while [ $i -le "$nodes" ]; do
        mkdir -p "$home/spool/n$i"
        slurmd -N n$i
        i=$((i + 1))
    done
    for try in $(seq 60); do
        [ "$(sinfo -h -N -t idle -o %N 2>/dev/null | wc -l)" = "$nodes" ] && return 0
        sleep 0.5
    done
    echo "the nodes did not come up; see the logs in $home" >&2
    sinfo -N >&2 || true
    exit 1
}

case $what in
start) start ;;
stop) stop ;;
*) echo "start or stop, not $what" >&2 && exit 2 ;;
esac
