#!/bin/sh
# Runs one shard of clipnh collect, segment or shift, chosen by a scheduler's task number.
#
#	SHARDS=16 scripts/shard.sh collect --model RN50.pt --data-path photos --save-path caches/photos
#
# runs "clipnh collect --shard N/16 --model RN50.pt ...", with N from the scheduler:
#
#	SHARD_INDEX              any scheduler or loop, counted from SHARD_FIRST (default 1)
#	SLURM_ARRAY_TASK_ID      a Slurm array, counted from SHARD_FIRST (default 1)
#	JOB_COMPLETION_INDEX     a Kubernetes Indexed Job, counted from 0
#
# SHARDS, the number of shards, is required: when only some tasks of an array are
# submitted again, the images must still be split as before. CLIPNH is the program
# (default: clipnh on PATH). All arguments are passed to it unchanged.
#
# The task may be killed at any moment and restarted on any machine that sees the same
# files: it resumes from what is at --save-path, and a task that is already done ends at
# once. SIGTERM and SIGINT are forwarded, so that the program saves its state. So is
# SIGUSR1, which tells a task that it is nearly out of time; then the command REQUEUE, if
# set, is run, which should requeue the task.
#
# The exit status is clipnh's, so that a scheduler can tell what is worth a retry:
#
#	  0  done; also if images were skipped (3), which a retry does not help; merge
#	     names them again
#	  1  failed: retry
#	  2  wrong usage;  10  something is missing;  11  something is stale: fix it first
#	130  interrupted: start it again to resume
#	137  killed (9), perhaps for its memory: start it again to resume
set -u

fail() {
	echo "shard.sh: $1" >&2
	exit 2
}

# number prints its argument if it is a number, without leading zeros, which a shell would
# read as octal.
number() {
	case $2 in
	'' | *[!0-9]*) fail "$1 is \"$2\", want a number" ;;
	esac
	n=${2#"${2%%[!0]*}"}
	echo "${n:-0}"
}

[ $# -gt 0 ] || fail "want a command: collect, segment or shift, and its flags"
case $1 in
collect | segment | shift) ;;
*) fail "$1 has no shards, want collect, segment or shift" ;;
esac
what=$1
shift

[ -n "${SHARDS:-}" ] || fail "SHARDS is not set: in how many parts is the work cut?"
of=$(number SHARDS "$SHARDS") || exit 2
if [ -n "${SHARD_INDEX:-}" ]; then
	index=$(number SHARD_INDEX "$SHARD_INDEX") || exit 2
	first=$(number SHARD_FIRST "${SHARD_FIRST:-1}") || exit 2
elif [ -n "${SLURM_ARRAY_TASK_ID:-}" ]; then
	index=$(number SLURM_ARRAY_TASK_ID "$SLURM_ARRAY_TASK_ID") || exit 2
	first=$(number SHARD_FIRST "${SHARD_FIRST:-1}") || exit 2
elif [ -n "${JOB_COMPLETION_INDEX:-}" ]; then
	index=$(number JOB_COMPLETION_INDEX "$JOB_COMPLETION_INDEX") || exit 2
	first=0
else
	fail "no number of a scheduler: SHARD_INDEX, SLURM_ARRAY_TASK_ID and JOB_COMPLETION_INDEX are not set"
fi
shard=$((index - first + 1))
if [ "$shard" -lt 1 ] || [ "$shard" -gt "$of" ]; then
	fail "index $index, counted from $first, is shard $shard of $of: want SHARDS as many as the array's tasks"
fi

# The program runs in the background, because a shell that waits for a foreground process
# does not handle signals; and in a container this shell is process 1, which would ignore
# them.
child=
stopped=
requeue=
stop() {
	stopped=1
	[ -z "$child" ] || kill -TERM "$child" 2>/dev/null
}
trap stop TERM INT
trap 'requeue=${REQUEUE:-}; stop' USR1
"${CLIPNH:-clipnh}" "$what" --shard "$shard/$of" "$@" &
child=$!
[ -z "$stopped" ] || kill -TERM "$child" 2>/dev/null
status=127
while :; do
	stopped=
	wait "$child"
	ended=$?
	[ "$ended" -eq 127 ] || status=$ended # 127: it ended during the previous wait
	[ -n "$stopped" ] || break            # a signal interrupts wait, not the program
done

case $status in
3) status=0 ;;
130) [ -z "$requeue" ] || sh -c "$requeue" ;;
esac
exit "$status"
