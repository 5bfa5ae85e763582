#!/bin/sh
{{- if eq .Role "list"}}
# Lists the images once, for tasks that each read their part of the list. Made by
# "clipnh submit slurm", which submits it with: sbatch
{{- else if eq .Role "merge"}}
# Merges the shards of clipnh when all are done. Made by "clipnh submit slurm", which
# submits it with: sbatch --dependency=afterok:{{.After}}
{{- else if eq .Role "parts"}}
# A Slurm array in which each task merges some shards to a part, when all are done. Made by
# "clipnh submit slurm", which submits it with: sbatch --dependency=afterok:{{.After}}
{{- else}}
# A Slurm array in which each task makes one shard. Made by "clipnh submit slurm", which
# submits it with: sbatch{{with .After}} --dependency=afterok:{{.}}{{end}}
{{- end}}
#SBATCH --job-name={{.JobName}}
{{- with .Array}}
#SBATCH --array={{.}}
{{- end}}
#SBATCH --cpus-per-task={{.CPUs}}
#SBATCH --mem={{.Memory}}
#SBATCH --time={{.Time}}
{{- with .Partition}}
#SBATCH --partition={{.}}
{{- end}}
#SBATCH --output={{.Log}}
#SBATCH --open-mode=append
# Preempted, or on a machine that fails, it is requeued and resumes.
#SBATCH --requeue
# Two minutes before its time is up it says how far it is, saves what it has, and requeues itself.
#SBATCH --signal=B:USR1@120
{{- if .After}}
# Where a task failed for good this job is cancelled: it would wait for ever.
#SBATCH --kill-on-invalid-dep=yes
{{- end}}
{{- range .Options}}
#SBATCH {{.}}
{{- end}}

{{template "begin" .}}
program={{sh .Program}}
folder={{sh .Folder}}
beside={{sh .Beside}}
{{- if not .Array}}
requeue() { scontrol requeue "$SLURM_JOB_ID"; }
{{- else}}
shards={{.Shards}}
{{- if eq .Role "parts"}}
parts={{.Parts}}
{{- end}}
requeue() { scontrol requeue "${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}"; }

[ -n "${SLURM_ARRAY_TASK_ID:-}" ] || fail 2 "this is not a task of a Slurm array: give this script to sbatch"
{{- if eq .Role "parts"}}
part=$SLURM_ARRAY_TASK_ID
if [ "$part" -lt 1 ] || [ "$part" -gt "$parts" ]; then
	fail 2 "task $part, want 1 to $parts, the number of a part"
fi
{{template "part" .}}
{{- else if .Tasks}}
shard=$SLURM_ARRAY_TASK_ID
if [ "$shard" -lt 1 ] || [ "$shard" -gt "$shards" ]; then
	fail 2 "task $shard, want 1 to $shards, the number of a shard"
fi
{{- else}}
step=${SLURM_ARRAY_TASK_STEP:-1}
spanned=$(((SLURM_ARRAY_TASK_MAX - SLURM_ARRAY_TASK_MIN) / step + 1))
tasks=${SLURM_ARRAY_TASK_COUNT:-$spanned}
if [ "$tasks" -ne "$shards" ] || [ "$spanned" -ne "$shards" ]; then
	fail 2 "an array of $tasks tasks, $SLURM_ARRAY_TASK_MIN to $SLURM_ARRAY_TASK_MAX, want $shards: this script splits the images into $shards shards" \
		"hint: clipnh submit slurm --shards N writes a script for N; --tasks submits some of its shards again"
fi
shard=$(((SLURM_ARRAY_TASK_ID - SLURM_ARRAY_TASK_MIN) / step + 1))
{{- end}}
{{- end}}
if ! [ -f "$program" ] || ! [ -x "$program" ]; then
	fail 127 "no program $program on $machine" \
		"hint: submit again with --program and a path that all nodes see"
fi
for dir in "$folder" "$beside"; do
	[ -d "$dir" ] || fail 10 "no folder $dir on $machine" "hint: it must be on a disk that all nodes share"
done
cd "$folder" || fail 10 "cannot work in $folder on $machine"

work() {
	run "$program" {{.Command}}
}

{{template "loop" .}}
