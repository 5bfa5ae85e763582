#!/bin/sh
# Runs the shard of clipnh collect, segment or shift that a scheduler's number says.
#
#	SHARDS=16 scripts/shard.sh collect --model RN50.pt --data-path photos --save-path caches/photos
#
# runs "clipnh collect --shard N/16 --model RN50.pt ...", with N from the scheduler:
#
#	SHARD_INDEX              any scheduler's, or a loop's: counted from SHARD_FIRST, by default 1
#	SLURM_ARRAY_TASK_ID      a Slurm array, counted from SHARD_FIRST, by default 1
#	JOB_COMPLETION_INDEX     a Kubernetes Indexed Job, counted from 0
#
# SHARDS is how many there are. It is always to be given: an array of which only some
# tasks are submitted again must still be cut as before. CLIPNH is the program, by
# default the clipnh on PATH. All arguments go to it as they are.
#
# The task may be killed at any moment and started again, on any machine that sees the
# same files: it goes on from what lies at --save-path, and one that is done already
# ends at once. SIGTERM and SIGINT are handed on, so that the work in hand is kept. So is
# SIGUSR1, for a task that is out of time: REQUEUE, if set, is then run, a command that
# puts the task into the queue again.
#
# Exit status, as clipnh has it, so that a scheduler can tell what is worth another try:
#
#	  0  done. Also where pictures were skipped (3), which no other try mends; the
#	     merge names them again
#	  1  failed: try again
#	  2  wrong usage;  10  something is missing;  11  something is stale: mend it first
#	130  interrupted: start it again, it goes on
#	137  killed (9), perhaps for its memory: start it again, it goes on
set -u

fail() {
	echo "shard.sh: $1" >&2
	exit 2
}

# number prints what is a number, without zeros in front, which a shell takes for octal.
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

# The program runs in the background, as a shell that waits for one in the foreground
# does not answer signals; and in a container this shell is process 1, which would
# ignore them.
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
	[ "$ended" -eq 127 ] || status=$ended # 127: it ended in the wait before
	[ -n "$stopped" ] || break            # a signal ends the wait, not the program
done

case $status in
3) status=0 ;;
130) [ -z "$requeue" ] || sh -c "$requeue" ;;
esac
exit "$status"
