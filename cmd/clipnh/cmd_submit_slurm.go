package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/internal/submit"
)

const submitSlurmHelp = `
Submits a Slurm array with a task for each shard, and a job that depends on it
(afterok) and merges. If a task fails for good, the merge is cancelled; submit
the same line again, and shards that are done end at once.

With --list a job before the array keeps a list of the images next to
--save-path, of which each task of collect or shift reads its part (data list).
Without, each task lists all images. Shards of --stats-only are merged in a tree
where there are more than 64: an array merges --fan-in of them at a time to
parts, and the last job these. Other shards are copied to one place, which a
tree would do twice.

Paths in the command line are made absolute; --model and --data-path must be
there. The program, the current folder and that of --save-path must be on a disk
that all nodes see: each task checks that they are there. Logs of the tasks go
to the current folder.

A task that is preempted, or whose node fails, is requeued and resumes. So is
one that is nearly out of time (--time), as often as necessary. A task that is
killed, or fails with status 1, which may be temporary (a disk error, or the
lock of a run that has just been killed), is run again in place after
--retry-after, and then requeued up to --retries times. Wrong usage and what is
missing or stale (2, 10, 11) is not retried.`

func newSubmitSlurmCommand(g *globalOptions) *cobra.Command {
	var opts submitSlurmOptions
	cmd := &cobra.Command{
		Use:   "slurm [flags] -- COMMAND FLAGS...",
		Short: "Submit shards as a Slurm array, and the merge after it",
		Long:  submitSlurmHelp,
		Example: "clipnh submit slurm --dry-run --shards 64 --time 04:00:00 -- \\\n" +
			"  collect --model RN50x16.pt --dataset images --data-path photos \\\n" +
			"  --save-path caches/photos",
		Args: needsLine,

		DisableFlagsInUseLine: true, // they stand before --
		Annotations:           exitStatus(exitMissing, exitInterrupted),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runSubmitSlurm(cmd.Context(), opts, args, g)
		},
	}
	opts.addFlags(cmd.Flags())
	return cmd
}

// submitSlurmOptions is everything the submit slurm command can be told.
type submitSlurmOptions struct {
	submitOptions
	slurm submit.Slurm
}

func (o *submitSlurmOptions) addFlags(fs *pflag.FlagSet) {
	o.submitOptions.addFlags(fs, "4G", "`PROGRAM` of the tasks, as the nodes see it (default this program)")
	fs.StringVar(&o.slurm.Time, "time", "08:00:00", "give each task `TIME` in Slurm's notation; a task that needs longer is requeued and resumes")
	fs.StringVar(&o.slurm.Partition, "partition", "", "`NAME` of the partition (default Slurm's)")
	fs.StringVar(&o.slurm.Tasks, "tasks", "", "submit only the shards of these `NUMBERS`, such as 3,17-20, of --shards")
	fs.StringArrayVar(&o.slurm.Options, "sbatch", nil, "another `OPTION` of sbatch, such as --account=lab; may be repeated")
}

func runSubmitSlurm(ctx context.Context, opts submitSlurmOptions, args []string, g *globalOptions) error {
	folder, err := os.Getwd()
	if err != nil {
		return err
	}
	line, err := g.checkedLine(ctx, args, opts.work.Shards, false)
	if err != nil {
		return err
	}
	if err := line.locate(folder); err != nil {
		return err
	}
	s := opts.slurm
	s.Folder = folder
	if s.Work, err = opts.workOf(line); err != nil {
		return err
	}
	if s.Program, err = programFor(opts.work.Program); err != nil {
		return err
	}
	scripts, err := s.Scripts()
	if err != nil {
		return err
	}
	r := &submitted{Scheduler: "slurm", DryRun: opts.dryRun, Path: s.Save, Shards: s.Shards, Jobs: []submit.Job{}, Scripts: scripts,
		Follow: []string{line.follow()}}
	if opts.dryRun {
		return printSubmitted(r, g.printer, g.json)
	}
	if err := submit.Check("sbatch"); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(s.Save), 0o777); err != nil {
		return err
	}
	for _, dir := range []string{filepath.Dir(s.Save), filepath.Dir(s.Program)} {
		kind, err := submit.LocalDisk(dir)
		if err != nil {
			return fmt.Errorf("look at the disk of %s: %w", dir, err)
		}
		if kind != "" {
			g.printer.Warn("%s is on a disk of this machine (%s): other nodes see it only if this machine exports it", dir, kind)
		}
	}
	if r.Jobs, err = s.Submit(ctx); err != nil {
		return err
	}
	return printSubmitted(r, g.printer, g.json)
}

// programFor returns the path of clipnh that tasks are to run: this program's, unless
// another is given.
func programFor(given string) (string, error) {
	path, err := given, error(nil)
	if path == "" {
		path, err = os.Executable()
	} else {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return "", err
	}
	info, err := os.Stat(path)
	if err == nil && (!info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0) {
		err = errors.New("not a program")
	}
	if err != nil {
		return "", hinted{fmt.Errorf("--program %s: %w", path, err), "give the path of clipnh on a disk that all nodes see"}
	}
	return path, nil
}
