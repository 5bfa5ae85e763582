{{template "begin" .}}
requeue() { false; } # the job does it
{{- if .Merge}}
work() {
	run "$0" "$@"
}
{{- else}}
shard=$((JOB_COMPLETION_INDEX + 1)) shards={{.Shards}}
command=$1
shift
work() {
	run "$0" "$command" --shard "$shard/$shards" "$@"
}
{{- end}}

{{template "loop" .}}
