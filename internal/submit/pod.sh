{{template "begin" .}}
requeue() { false; } # the job does it
{{- if eq .Role "array"}}
shard=$((JOB_COMPLETION_INDEX + 1)) shards={{.Shards}}
command=$1
shift
{{- else if eq .Role "parts"}}
part=$((JOB_COMPLETION_INDEX + 1)) parts={{.Parts}} shards={{.Shards}}
{{template "part" .}}
command=$1
shift
{{- end}}
work() {
{{- if and .ListPath (eq .Role "array")}}
	list={{sh .ListPath}}
	[ -e "$list.json" ] || say "waits for a list of the images, $list"
	until [ -e "$list.json" ]; do
		pause {{.Pause}}
		if [ -n "$told" ]; then
			status=143
			return
		fi
	done
{{- end}}
{{- if eq .Role "array"}}
	run "$0" "$command" --shard "$shard/$shards" "$@"
{{- else if eq .Role "parts"}}
	run "$0" "$command" --shards "$first-$last/$shards" "$@"
{{- else}}
	run "$0" "$@"
{{- end}}
}

{{template "loop" .}}
