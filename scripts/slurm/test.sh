#!/usr/bin/env bash
# Runs "clipnh submit slurm" on a real Slurm of three nodes, all on this machine: one
# slurmctld and three slurmd on the loopback, with a munge of their own.
#
#	scripts/slurm/test.sh [--short]
#
# An array of 16 tasks collects the demo's images. A node is killed with all that runs on it,
# tasks are preempted and requeued, one finds its shard locked by another process for longer
# than it retries in its place, one finds the lock of a process that is gone. The merge must
# begin when all are done and give the bytes of one undisturbed run. While tasks wait to be
# started again, others are submitted: shards with a list of the images and a merge in a tree, two
# layers of neurons, and what must fail, an array of another size, a program that the nodes do not
# have; their merges must be cancelled, and not wait.
#
# --short uses fewer images, of which tasks end at once: those that are to be killed or preempted
# are stopped as soon as they are seen. It takes about half a minute, most of it Slurm's own
# delays. --missing prints what is not installed. BIN is the program. Exit status 77: Slurm does not
# start here.
# Debian: apt-get install slurm-wlm munge. The last line counts what was done.
set -euo pipefail
shopt -s nullglob
cd "$(dirname "$0")/../.."

missing=
for program in sbatch slurmctld slurmd munged; do
	PATH="$PATH:/usr/sbin" command -v "$program" >/dev/null || missing="$missing $program"
done
copies=24 nodes="n1 n3" held=5 short=
case ${1:-} in
--missing)
	echo $missing
	exit
	;;
--short) copies=6 nodes=n1 held=9 short=yes ;; # shard 9 begins on n3, where nothing is killed
esac
export PATH="$PATH:/usr/sbin"
if [ -n "$missing" ]; then
	echo "there is no$missing: apt-get install slurm-wlm munge" >&2
	exit 1
fi
program=$(realpath "${BIN:-bin/clipnh}")
assets=$(realpath internal/demo/assets)
began=$SECONDS

dir=$(mktemp -d "${TMPDIR:-/tmp}/clipnh-slurm.XXXXXX")
chmod 755 "$dir"
pids=() # of daemons

# Every process of a task has the node's name in its environment, and our configuration;
# slurmstepd, which is above it, has the configuration.
processes() { # LINE...: those of our cluster whose environment has the lines
	local line found
	found=$(grep -lzx -e "SLURM_CONF=$dir/slurm.conf" /proc/[0-9]*/environ 2>/dev/null || true)
	for line in "$@"; do
		# shellcheck disable=SC2086
		[ -z "$found" ] || found=$(grep -lzx -e "$line" $found 2>/dev/null || true)
	done
	sed 's|/proc/\([0-9]*\)/environ|\1|' <<<"$found"
}
steps_above() { # PIDS: the slurmstepd that started them
	local p name parent _
	for p in "$@"; do
		# stat is "PID (NAME) STATE PARENT ..."
		{ read -r parent <"/proc/$p/stat" && read -r _ parent _ <<<"${parent##*)}" && read -r name <"/proc/$parent/comm"; } 2>/dev/null || continue
		[ "$name" != slurmstepd ] || echo "$parent"
	done
}
finish() {
	status=$?
	set +e
	trap - EXIT
	if [ "$status" -ne 0 ]; then
		echo "== failed; the logs:" >&2
		tail -n 15 "$dir"/*.log "$dir"/work/*.log "$dir/work/warnings" 2>/dev/null >&2
		squeue --array >&2 2>/dev/null
	fi
	scancel --user "$(id -un)" 2>/dev/null
	inside=$(processes "SLURMD_NODENAME=n[123]")
	# shellcheck disable=SC2086
	kill -KILL "${pids[@]}" $(steps_above $inside) $inside 2>/dev/null
	wait 2>/dev/null
	[ -n "${KEEP:-}" ] || rm -rf "$dir"
	exit "$status"
}
trap finish EXIT
trap 'exit 130' INT TERM

fail() {
	echo "test.sh: $*" >&2
	exit 1
}
# Where Slurm itself does not start, nothing was tested: status 77.
no_slurm() {
	echo "test.sh: Slurm does not start on this machine: $*" >&2
	exit 77
}
# until_true WHAT SECONDS COMMAND... runs a command until it succeeds.
until_true() {
	local what=$1 until=$((SECONDS + $2))
	shift 2
	until "$@"; do
		[ "$SECONDS" -lt "$until" ] || ${otherwise:-fail} "waited too long: $what"
		sleep 0.2
	done
}

# The daemons. Ports are free ones.
ports=()
while [ "${#ports[@]}" -lt 4 ]; do
	port=$((20000 + RANDOM % 12000))
	if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && [[ " ${ports[*]-} " != *" $port "* ]]; then ports+=("$port"); fi
done
read -r control one two three <<<"${ports[*]}"
user=$(id -un)
host=$(hostname -s)
mkdir -p "$dir"/{munge,state,spool,work,elsewhere}
chmod 700 "$dir/munge"
(umask 077 && head -c 128 /dev/urandom >"$dir/munge/key")
munged --foreground --force --socket="$dir/munge.socket" --key-file="$dir/munge/key" --pid-file="$dir/munge/pid" \
	--log-file="$dir/munge/log" --seed-file="$dir/munge/seed" >"$dir/munged.log" 2>&1 &
pids+=($!)
export SLURM_CONF=$dir/slurm.conf
cat >"$SLURM_CONF" <<CONF
ClusterName=clipnh
SlurmctldHost=$host(127.0.0.1)
SlurmUser=$user
SlurmdUser=$user
SlurmctldPort=$control
AuthType=auth/munge
# A requeued task waits for as long as a credential lives.
AuthInfo=socket=$dir/munge.socket,cred_expire=6
CryptoType=crypto/munge
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool/%n
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc=$dir/completed
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=1,sched_min_interval=0,bf_interval=1,batch_sched_delay=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmdTimeout=5
# For so long a node that refuses connections is asked again, before the time above counts.
MessageTimeout=5
KillWait=2
MinJobAge=600
ReturnToService=2
NodeName=n1 NodeHostname=$host NodeAddr=127.0.0.1 Port=$one CPUs=4 RealMemory=4000 State=UNKNOWN
NodeName=n2 NodeHostname=$host NodeAddr=127.0.0.1 Port=$two CPUs=4 RealMemory=4000 State=UNKNOWN
NodeName=n3 NodeHostname=$host NodeAddr=127.0.0.1 Port=$three CPUs=4 RealMemory=4000 State=UNKNOWN
PartitionName=low Nodes=ALL Default=YES PriorityTier=1 MaxTime=60
PartitionName=high Nodes=ALL PriorityTier=9 PreemptMode=OFF MaxTime=60
CONF
otherwise=no_slurm until_true "munged answers" 20 test -S "$dir/munge.socket"
slurmctld -D -c >"$dir/slurmctld.log" 2>&1 &
pids+=($!)
declare -A slurmd
for node in n1 n2 n3; do
	slurmd -D -N "$node" >"$dir/slurmd-$node.log" 2>&1 &
	slurmd[$node]=$!
	pids+=($!)
done
idle() { [ "$(sinfo --noheader --partition low --format %T:%D 2>/dev/null)" = idle:3 ]; }
otherwise=no_slurm until_true "three nodes are idle" 40 idle
echo "== three nodes after $((SECONDS - began)) s"

# The images, as many as make tasks last for seconds, and the bytes that are wanted.
cd "$dir/work"
mkdir -p images caches
for i in $(seq "$copies"); do cp -rl "$assets/imagenet/test" "images/$i" 2>/dev/null || cp -r "$assets/imagenet/test" "images/$i"; done
line=(collect --model "$assets/tiny-clip.pt" --dataset images --data-path images)
"$program" "${line[@]}" --save-path whole --threads 0 --quiet >/dev/null
echo "== undisturbed run after $((SECONDS - began)) s"

log() { cat clipnh-shards-*.log 2>/dev/null; }
checksums() { grep -o '"sha256": "[0-9a-f]*"' "$1/manifest.json"; }
# ended JOB: no task of it is left.
ended() {
	local left
	left=$(squeue --noheader --array --jobs "$1" --states PD,R,CG,RQ,S,CF --format %i 2>/dev/null) && [ -z "$left" ]
}
waiting() { squeue --noheader --jobs "$array" --states PD --format %i; }
running_on() { [ -n "$(squeue --noheader --jobs "$array" --states R --nodelist "$1" --format %i)" ]; }

# One shard is being written by somebody else; the lock of shard 7 was left by a process that
# is gone, where there is no flock.
mkdir -p "caches/shards.$held-of-16" caches/shards.7-of-16
: >"caches/shards.$held-of-16/.lock"
flock --exclusive --no-fork "caches/shards.$held-of-16/.lock" sleep 600 &
holder=$!
pids+=("$holder")
sh -c 'echo $$' >gone
printf 'clipnh lock\nprocess %s\nmachine %s\nboot %s\npids %s\nstarted 1\n' "$(cat gone)" "$(hostname)" \
	"$(cat /proc/sys/kernel/random/boot_id)" "$(readlink /proc/self/ns/pid)" >caches/shards.7-of-16/.lock

# From another folder, with a program that is not on PATH.
cd "$dir/work"
submitted=$(env PATH="$(dirname "$(command -v sbatch)"):/usr/bin:/bin" "$program" submit slurm --json --shards 16 --cpus 1 --mem 100M --time 5 \
	--retries 4 --retry-after 1s -- "${line[@]}" --save-path caches/shards 2>warnings)
number() { sed -n "/\"name\": \"$1\"/{n;s/.*\"id\": \"\([0-9]*\)\".*/\1/p;}" <<<"$submitted"; }
array=$(number collect)
merge=$(number merge)
[ -n "$array" ] && [ -n "$merge" ] || fail "no numbers of jobs in $submitted"
grep -q "only if this machine exports it" warnings || [ "$(stat -f -c %T caches)" = nfs ] || fail "a local disk was not told of: $(cat warnings)"

# A node is lost: its daemon and all that runs there are killed at once.
begun_on() { # NODE, a regular expression: tasks run there; sets their processes, and the slurmstepd above
	inside=$(processes "SLURMD_NODENAME=$1")
	# shellcheck disable=SC2086
	steps=$(steps_above $inside)
	[ -n "$steps" ]
}
# stopped: stops the tasks on n1 and n2, until each node has four, all that it can, or no task waits.
stopped() {
	begun_on "n[12]" || return 1
	# shellcheck disable=SC2086
	kill -STOP $inside 2>/dev/null || true
	local left
	[ "$(wc -w <<<"$steps")" -ge 8 ] || { left=$(waiting) && [ -z "$left" ]; }
}
if [ -n "$short" ]; then
	until_true "tasks have begun on n1 and n2" 40 stopped
else
	until_true "tasks run on n2" 40 running_on n2
	sleep 1.5 # they do some work
fi
until_true "tasks have begun on n2" 40 begun_on n2
# shellcheck disable=SC2086
disown "${slurmd[n2]}" # so that the shell does not report it
# shellcheck disable=SC2086
kill -KILL "${slurmd[n2]}" $steps $inside 2>/dev/null || true
lost=$(wc -w <<<"$steps")
echo "== n2 was killed with $lost tasks after $((SECONDS - began)) s"

# Tasks are preempted by jobs of the other partition, which take all of a node.
preempted=0
for node in $nodes; do
	until_true "tasks run on $node" 40 running_on "$node"
	preempted=$((preempted + $(squeue --noheader --jobs "$array" --states R --nodelist "$node" --format %i | wc -l)))
	other=$(sbatch --parsable --partition high --nodelist "$node" --exclusive --output /dev/null --wrap 'sleep 1')
	until_true "the other job on $node has ended" 40 ended "$other"
done
echo "== other jobs took $nodes from $preempted tasks, after $((SECONDS - began)) s"

# The shard that somebody else writes is released once its task was requeued for it.
requeued_for_status() { grep -qs "clipnh: requeued, " clipnh-shards-*.log; }
until_true "a task requeues itself after three attempts" 60 requeued_for_status
kill "$holder"

# Meanwhile, on the nodes that are left: a list of the images in a job before the others, and a
# merge in a tree.
submitted=$("$program" submit slurm --json --list --fan-in 3 --shards 6 --cpus 1 --mem 100M --time 5 --retry-after 1s --sbatch=--exclude=n2 -- \
	"${line[@]}" --sample-stride 5 --save-path caches/tree 2>/dev/null)
tree=$(number merge)
[ -n "$(number list)" ] && [ -n "$(number parts)" ] || fail "no list and no parts in $submitted"

# Two layers of neurons, of which each task makes a shard each, merged in a tree.
vit=(collect --model "$assets/tiny-vit.pt" --vit-heads 2 --neuron-layer 1,2 --dataset images --data-path images --sample-stride 5)
submitted=$("$program" submit slurm --json --fan-in 2 --shards 3 --cpus 1 --mem 100M --time 5 --retry-after 1s --sbatch=--exclude=n2 -- \
	"${vit[@]}" --save-path caches/layers 2>/dev/null)
layers=$(number merge)
[ -n "$(number parts)" ] || fail "no parts in $submitted"

# What must fail; each submission with its merge, which must not wait.
written() { # NAME OPTIONS...: the scripts of --dry-run as NAME.1 and NAME.2
	"$program" submit slurm --dry-run --quiet --cpus 1 --mem 100M --time 5 --retry-after 1s "${@:2}" |
		awk -v name="$1" '/^#!/ {n++} {print > (name "." n)}'
}
declare -A job after
submit_both() { # NAME SCRIPTS OPTIONS...: the array, from another folder, and its merge
	job[$1]=$(cd "$dir/elsewhere" && sbatch --parsable --exclude n2 --output "$dir/work/$1.log" "${@:3}" <"$dir/work/$2.1")
	after[$1]=$(sbatch --parsable --exclude n2 --output "$dir/work/$1.log" --dependency "afterok:${job[$1]}" <"$2.2")
}
both_ended() { # NAME
	until_true "the array $1 has ended" 60 ended "${job[$1]}"
	until_true "the merge of $1 has ended" 60 ended "${after[$1]}"
}
refused() { # NAME TEXT: the array fails with the text, and its merge is cancelled
	both_ended "$1"
	grep -q -e "$2" "$1.log" || fail "no \"$2\" in $(cat "$1.log")"
	[[ $(scontrol show job "${after[$1]}") == *JobState=CANCELLED* ]] || fail "the merge was not cancelled: $(scontrol show job "${after[$1]}")"
}
written wrong --shards 16 -- "${line[@]}" --save-path caches/wrong
submit_both fewer wrong --array=1-8
submit_both more wrong --array=1-20
submit_both two wrong --array=3,16
for n in 1 2; do sed 's|^program=.*|program=/no/such/clipnh|' "wrong.$n" >"absent.$n"; done
submit_both absent absent

# An array of other numbers, but as many, is none of these. It has few images.
written few --shards 2 -- "${line[@]}" --sample-stride 50 --save-path caches/few
submit_both few few --array=7-17:10

refused fewer "an array of 8 tasks, 1 to 8, want 16"
refused more "an array of 20 tasks, 1 to 20, want 16"
refused two "an array of 2 tasks, 3 to 16, want 16"
refused absent "hint: submit again with --program"
both_ended few
[ -f caches/few/manifest.json ] || fail "an array of two tasks, 7 and 17, is not merged: $(cat few.log)"
echo "== four submissions were refused after $((SECONDS - began)) s"

until_true "the merge in a tree has ended" 150 ended "$tree"
"$program" "${line[@]}" --sample-stride 5 --save-path fifth --threads 0 --quiet >/dev/null
[ "$(ls -d caches/tree.listing caches/tree.1-3-of-6 caches/tree.4-6-of-6 | wc -l)" -eq 3 ] || fail "no list and no parts beside caches/tree"
for file in fifth/*.npy fifth/*.txt; do
	cmp "$file" "caches/tree/$(basename "$file")" || fail "$(basename "$file") of the tree differs"
done
[ "$(checksums fifth)" = "$(checksums caches/tree)" ] || fail "the manifest of the tree has other checksums"
until_true "the merge of two layers has ended" 150 ended "$layers"
"$program" "${vit[@]}" --save-path both --threads 0 --quiet >/dev/null
for layer in layer1 layer2; do
	for file in both/$layer/*.npy both/$layer/*.txt both/$layer/features/*.npy; do
		cmp "$file" "caches/layers/${file#both/}" || fail "${file#both/} of two layers differs"
	done
	[ "$(checksums both/$layer)" = "$(checksums caches/layers/$layer)" ] || fail "the manifest of $layer has other checksums"
done
said=$("$program" status caches/layers)
[[ $said == *"2 of 2 layers complete; 3 of 3 shards done"* ]] || fail "status does not say that two layers are complete: $said"
echo "== merged in a tree after $((SECONDS - began)) s"

until_true "the merge has ended" 150 ended "$merge"
echo "== merged after $((SECONDS - began)) s"
[ -f caches/shards/manifest.json ] || fail "there is no merged collection: $(cat clipnh-shards-merge-*.log)"
equal=0
for file in whole/*; do
	name=$(basename "$file")
	[ "$name" = manifest.json ] && continue # has other times
	cmp "$file" "caches/shards/$name" || fail "$name differs from the undisturbed run"
	equal=$((equal + 1))
done
[ "$equal" -ge 4 ] || fail "only $equal files were compared"
[ "$(checksums whole)" = "$(checksums caches/shards)" ] || fail "the manifests have other checksums"
said=$("$program" status caches/shards)
[[ $said == *"16 of 16 shards done"* ]] || fail "status does not say that all is done: $said"

# How often tasks were started again: by Slurm's own count.
requeues=$(scontrol show job "$array" | sed -n 's/.*Restarts=\([0-9]*\).*/\1/p' | awk '{n += $1} END {print n}')
retried=$(log | grep -c "clipnh: status 1 on" || true)
taken=$(log | grep -c "process $(cat gone) of this machine.*is gone: taken over" || true)
least=$((lost + 1))
[ "$requeues" -ge "$least" ] || fail "$requeues requeues, want $least and more: of shard $held, and of the $lost that were killed"
[ "$retried" -ge 3 ] || fail "$retried attempts ended with status 1, want three and more of shard $held"
[ "$taken" -ge 1 ] || fail "the lock of a process that is gone was not taken over"

tasks=$(scontrol show job "$array" | grep -c ArrayTaskId)
echo "slurm: $tasks tasks, 1 node killed with $lost of them, $preempted preempted, $requeues requeues, $retried attempts retried, $taken lock taken over, $equal files of equal bytes, in $((SECONDS - began)) s"
