package main

import (
	"fmt"
	"math"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/submit"
	"github.com/clipnh/clipnh/internal/ui"
)

const submitHelp = `
Runs a command that has shards (collect, segment, shift) on a cluster: a task
for each shard, and a job that merges them when all are done. The command line
is checked first. With --dry-run the scripts are printed, and nothing is
submitted.

A task may be killed at any moment, on any machine: it resumes. docs/machines.md
says what is retried, and what is not.`

func newSubmitCommand(g *globalOptions) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "submit",
		Short: "Run the shards of a command on a cluster, and merge them",
		Long:  submitHelp,
		Example: "clipnh submit slurm --dry-run --shards 64 --time 04:00:00 -- \\\n" +
			"  collect --model RN50x16.pt --dataset images --data-path photos \\\n" +
			"  --save-path caches/photos",
		Annotations: exitStatus(),
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return unknownCommand(cmd, args[0])
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.printer.Text(helpText(cmd))
		},
		SuggestionsMinimumDistance: 2,
	}
	cmd.AddCommand(newSubmitSlurmCommand(g), newSubmitKubernetesCommand(g))
	for _, below := range cmd.Commands() {
		below.SetFlagErrorFunc(flagOfLine)
	}
	return cmd
}

// submitOptions is what the commands below submit have in common.
type submitOptions struct {
	work   submit.Work
	merge  bool
	list   bool
	fanIn  int
	dryRun bool
}

// Shards are merged in a tree from treeShards on, so many at a time that there are about as many
// parts.
const (
	autoFanIn  = -1
	treeShards = 65
)

// fanInOf is how many shards of a command are merged at a time, in a tree; 0: all at once.
func (o submitOptions) fanInOf(line *remoteLine) (int, error) {
	stats := line.flags.Lookup("stats-only")
	tree := stats != nil && stats.Value.String() == "true"
	switch {
	case o.fanIn > 0 && line.name != "collect":
		return 0, usageError{fmt.Errorf("--fan-in: shards of %s are merged at once, want none", line.name)}
	case o.fanIn != autoFanIn:
		return o.fanIn, nil
	case !tree || o.work.Shards < treeShards || !o.merge:
		return 0, nil
	}
	return int(math.Ceil(math.Sqrt(float64(o.work.Shards)))), nil
}

// workOf is the work of a command line, which reads a list of its images if one is to be kept.
func (o submitOptions) workOf(line *remoteLine) (submit.Work, error) {
	var list []string
	var err error
	if o.list {
		if list, err = line.listFirst(); err != nil {
			return submit.Work{}, err
		}
	}
	w := line.of(o)
	if w.List = list; o.list {
		w.ListPath = line.save + dataset.ListingEnd
	}
	w.FanIn, err = o.fanInOf(line)
	return w, err
}

func (o *submitOptions) addFlags(fs *pflag.FlagSet, memory, program string) {
	fs.IntVar(&o.work.Shards, "shards", 16, "split the images into `N` shards, a task for each")
	fs.IntVar(&o.work.Parallel, "parallel", 0, "run at most `N` tasks at once; 0 is all")
	fs.IntVar(&o.work.CPUs, "cpus", 8, "give each task `N` processors")
	fs.StringVar(&o.work.Memory, "mem", memory, "give each task `SIZE` of memory")
	fs.StringVar(&o.work.Name, "name", "", "`NAME` of the jobs (default clipnh- and that of --save-path)")
	fs.StringVar(&o.work.Program, "program", "", program)
	fs.IntVar(&o.work.Retries, "retries", 5, "start a task that fails again up to `N` times, after three attempts in its place")
	fs.DurationVar(&o.work.Pause, "retry-after", 10*time.Second, "wait for `TIME` before the second attempt, and four times as long before the third")
	fs.BoolVar(&o.merge, "merge", true, "merge the shards when all are done")
	fs.BoolVar(&o.list, "list", false, "list the images once, in a job before the others; each task reads its part of the list")
	fs.IntVar(&o.fanIn, "fan-in", autoFanIn, "merge `N` shards at a time into parts, and then the parts; 0: all at once (default for more than 64 of --stats-only, else 0)")
	fs.Lookup("fan-in").DefValue = ""
	fs.BoolVar(&o.dryRun, "dry-run", false, "print what would be submitted, and submit nothing")
}

// needsLine is the Args of a command that takes another command after --.
func needsLine(cmd *cobra.Command, args []string) error {
	at := cmd.ArgsLenAtDash()
	switch {
	case at > 0 || at < 0 && len(args) > 0:
		return usageError{fmt.Errorf("%q before --: want the command to submit after it", args[0])}
	case len(args) == 0:
		return usageError{fmt.Errorf("no command to submit: want -- and then collect, segment or shift with its flags")}
	}
	return nil
}

// flagOfLine is flagError with a hint where -- is missing before the command to submit, whose
// flags are taken for those of submit.
func flagOfLine(cmd *cobra.Command, err error) error {
	err = flagError(cmd, err)
	if args := cmd.Flags().Args(); len(args) > 0 && commandNamed(cmd.Root(), args[0]) != nil {
		return hinted{err, fmt.Sprintf("write -- before %s: its flags are not those of submit", args[0])}
	}
	return err
}

// submitted is the result of submit.
type submitted struct {
	Scheduler string          `json:"scheduler"` // slurm or kubernetes
	DryRun    bool            `json:"dry_run"`   // nothing was submitted
	Path      string          `json:"path"`      // that the shards are merged to
	Shards    int             `json:"shards"`
	Jobs      []submit.Job    `json:"jobs"`    // empty with a dry run
	Scripts   []submit.Script `json:"scripts"` // what the scheduler was given
	Follow    []string        `json:"follow"`  // command lines that say how far the work is
}

// printSubmitted prints what was submitted, or with a dry run the scripts.
func printSubmitted(r *submitted, p *ui.Printer, asJSON bool) error {
	if asJSON {
		return p.JSON(r)
	}
	if r.DryRun {
		for i, s := range r.Scripts {
			if i > 0 {
				if err := p.Text("\n"); err != nil {
					return err
				}
			}
			if err := p.Text(s.Text); err != nil {
				return err
			}
		}
		return nil
	}
	t := ui.NewTable(ui.Left("job"), ui.Left("makes"))
	for _, job := range r.Jobs {
		makes := fmt.Sprintf("%s with %s", quantity.Of(r.Shards, "shard"), job.Name)
		switch job.Name {
		case "list":
			makes = "a list of the images, before the shards"
		case "parts":
			makes = "parts of the shards, when all shards are done"
		case "merge":
			makes = r.Path + ", when all shards are done"
		}
		t.Row(job.ID, makes)
	}
	if err := p.Table(t); err != nil {
		return err
	}
	for _, line := range r.Follow {
		if err := p.Text("follow: " + line + "\n"); err != nil {
			return err
		}
	}
	return nil
}
