package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/internal/pipeline/shard"
	"github.com/clipnh/clipnh/internal/submit"
)

const submitKubernetesHelp = `
Creates an Indexed Job with a pod for each shard, and a second job that merges,
with "kubectl apply". Both are created at once: while shards are missing, the
second ends with status 10, and Kubernetes starts it again, some minutes apart,
until they are there, or until --deadline has passed.

With --list a job keeps a list of the images next to --save-path (data list),
and each pod of collect waits for it and reads its part. Without, each pod lists
all images. Shards of --stats-only are merged in a tree where there are more
than 64: pods of one job merge --fan-in of them at a time to parts, and the last
job these.

Paths in the command line are those that containers see: absolute, and
--save-path in one of the volumes (--volume), which all nodes must be able to
write. Values of a project file and of the environment are not used, since a pod
has neither. The image must have clipnh and /bin/sh.

For images at s3:// addresses, pods get their credentials from a secret whose
keys are AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (--env-from-secret), or
from a service account that has a role (--service-account); --env sets the
region or the endpoint. A token for images at https://huggingface.co is the key
HF_TOKEN of a secret.

A pod that is evicted, or whose node fails, is replaced and resumes; this does
not count as a failure. A shard that fails with a status that may be temporary
is started again up to --retries times. Wrong usage and what is missing or stale
(2, 10, 11) ends the job. Needs Kubernetes 1.29 or later.`

func newSubmitKubernetesCommand(g *globalOptions) *cobra.Command {
	var opts submitKubernetesOptions
	cmd := &cobra.Command{
		Use:   "kubernetes --image IMAGE --volume CLAIM:PATH [flags] -- COMMAND FLAGS...",
		Short: "Create an Indexed Job for shards, and a job that merges them",
		Long:  submitKubernetesHelp,
		Example: "clipnh submit kubernetes --dry-run --image registry/clipnh:1 \\\n" +
			"  --volume photos:/data --shards 64 -- collect --model /data/RN50x16.pt \\\n" +
			"  --dataset images --data-path /data/photos --save-path /data/caches/photos",
		Args: needsLine,

		DisableFlagsInUseLine: true, // they stand before --
		Annotations:           exitStatus(exitMissing, exitInterrupted),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runSubmitKubernetes(cmd.Context(), opts, args, g)
		},
	}
	opts.addFlags(cmd.Flags())
	return cmd
}

// submitKubernetesOptions is everything the submit kubernetes command can be told.
type submitKubernetesOptions struct {
	submitOptions
	jobs    submit.Kubernetes
	volumes []string
	env     []string
}

func (o *submitKubernetesOptions) addFlags(fs *pflag.FlagSet) {
	o.submitOptions.addFlags(fs, "4Gi", "`PROGRAM` of the pods, in the image (default clipnh, on its PATH)")
	fs.StringVar(&o.jobs.Image, "image", "", "`IMAGE` of the containers, with clipnh and /bin/sh")
	fs.StringArrayVar(&o.volumes, "volume", nil, "mount a claim as `CLAIM:PATH`; may be repeated")
	fs.StringArrayVar(&o.env, "env", nil, "set the variable `NAME=VALUE` in the containers; may be repeated")
	fs.StringArrayVar(&o.jobs.Secrets, "env-from-secret", nil, "set the variables that the secret `NAME` has in the containers; may be repeated")
	fs.StringVar(&o.jobs.ServiceAccount, "service-account", "", "run pods under the service account `NAME` (default the namespace's)")
	fs.StringVar(&o.jobs.Queue, "queue", "", "`NAME` of a local queue of Kueue")
	fs.StringVar(&o.jobs.Namespace, "namespace", "", "`NAME` of the namespace (default kubectl's)")
	fs.DurationVar(&o.jobs.Deadline, "deadline", 7*24*time.Hour, "end the jobs after this `TIME`, whatever is left")
}

func runSubmitKubernetes(ctx context.Context, opts submitKubernetesOptions, args []string, g *globalOptions) error {
	k := opts.jobs
	for _, text := range opts.volumes {
		v, err := submit.ParseVolume(text)
		if err != nil {
			return usageError{fmt.Errorf("--volume %w", err)}
		}
		k.Volumes = append(k.Volumes, v)
	}
	for _, text := range opts.env {
		v, err := submit.ParseVariable(text)
		if err != nil {
			return usageError{fmt.Errorf("--env %w", err)}
		}
		k.Env = append(k.Env, v)
	}
	line, err := g.checkedLine(ctx, args, opts.work.Shards, true)
	if err != nil {
		return err
	}
	if err := line.checkAbsolute(); err != nil {
		return err
	}
	if k.Work, err = opts.workOf(line); err != nil {
		return err
	}
	k.PartPaths = func(first, last int) []string {
		part := shard.Shard{Number: first, Last: last, Of: k.Shards}
		if first == last {
			part.Last = 0
		}
		var paths []string
		for _, path := range line.layerPaths() {
			paths = append(paths, part.Path(path))
		}
		return paths
	}
	if k.Program == "" {
		k.Program = "clipnh"
	}
	scripts, err := k.Scripts()
	if err != nil {
		return err
	}
	if f := line.flags.Lookup("data-path"); f != nil && strings.HasPrefix(strings.ToLower(f.Value.String()), "s3://") && k.Anonymous() {
		g.printer.Warn("%s: pods have no credentials, and can read it only if anybody may: give --env-from-secret or --service-account", f.Value)
	}
	r := &submitted{Scheduler: "kubernetes", DryRun: opts.dryRun, Path: k.Save, Shards: k.Shards, Jobs: []submit.Job{}, Scripts: scripts}
	if opts.dryRun {
		r.Follow = []string{}
		return printSubmitted(r, g.printer, g.json)
	}
	if r.Jobs, err = k.Submit(ctx); err != nil {
		return err
	}
	r.Follow = append([]string{line.follow()}, submit.ShellLine([]string{"kubectl", "get", "jobs,pods", "--selector", "app.kubernetes.io/instance=" + r.Jobs[0].ID}))
	return printSubmitted(r, g.printer, g.json)
}
