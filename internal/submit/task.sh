{{- /* What every task does, under Slurm and in a pod. It is written after the lines that set
shard and shards, the function requeue and the function work. */ -}}
{{define "begin" -}}
set -u

say() { echo "clipnh: $*" >&2; }
fail() {
	status=$1
	shift
	for line in "$@"; do say "$line"; done
	exit "$status"
}
machine=${SLURMD_NODENAME:-${HOSTNAME:-this machine}}
{{- end}}

{{define "part" -}}
first=$(((part - 1) * shards / parts + 1)) last=$((part * shards / parts))
if [ "$first" -eq "$last" ]; then
	say "shard $first is a part by itself, which the last merge takes as it is"
	exit 0
fi
{{- end}}

{{define "loop" -}}
# A shell that waits for a foreground process handles no signals, and in a container this
# one is process 1. So the program runs in the background, and SIGTERM is passed on to it: it
# saves what it has and ends. told is why it was asked to.
child= told=
stop() {
	told=${told:-stop} interrupted=1
	[ -z "$child" ] || kill -TERM "$child" 2>/dev/null
}
trap stop TERM INT
# Nearly out of time: first it writes to the log how far it is.
late() {
	told=late
	[ -z "$child" ] || ! kill -USR1 "$child" 2>/dev/null || sleep 1
	stop
}
trap late USR1

run() {
	"$@" &
	child=$!
	[ -z "$told" ] || kill -TERM "$child" 2>/dev/null
	status=127
	while :; do
		interrupted=
		wait "$child"
		ended=$?
		[ "$ended" -eq 127 ] || status=$ended # 127: it ended during the previous wait
		[ -n "$interrupted" ] || break        # a signal interrupts wait, not the program
	done
	child=
}

pause() {
	sleep "$1" &
	child=$!
	[ -z "$told" ] || kill "$child" 2>/dev/null
	wait "$child"
	child=
}

failed=0
while :; do
	work "$@"
	case $status in
	0) exit 0 ;;
	3) exit 0 ;; # some images cannot be read, which no retry changes: merge names them
	2 | 10 | 11 | 70 | 126 | 127) exit "$status" ;; # a retry does not help
	esac
	case $told in
	stop) exit "$status" ;;
	late) # nearly out of time
		requeue || say "could not requeue this task: submit it again, it resumes"
		exit "$status"
		;;
	esac
	failed=$((failed + 1))
	say "status $status on $machine, $failed of 3 times"
	if [ "$failed" -gt 2 ]; then
		restarts=${SLURM_RESTART_COUNT:-0}
		if [ "$restarts" -lt {{.Retries}} ] && requeue; then
			say "requeued, $((restarts + 1)) of {{.Retries}} times"
		fi
		exit "$status"
	fi
	pause "$((failed * failed * {{.Pause}}))"
	[ -z "$told" ] || exit 130
done
{{- end}}
