package submit

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/usage"
)

// A Slurm is an array of tasks, and a job that depends on it.
type Slurm struct {
	Work
	Folder    string   // in which the tasks run, absolute
	Tasks     string   // numbers of shards, 3,17-20; empty is all
	Time      string   // for a task, as Slurm writes it
	Partition string   // empty is Slurm's default
	Options   []string // more of sbatch, --name=value
}

// number matches what sbatch --parsable prints, in which the name of a cluster may follow.
var number = regexp.MustCompile(`^([0-9]+)(;.*)?$`)

// owned are options of sbatch that scripts give themselves.
var owned = []string{"--array", "--dependency", "--cpus-per-task", "--signal", "--requeue", "--no-requeue", "--kill-on-invalid-dep", "--parsable", "--wrap"}

func (s *Slurm) check() error {
	if err := s.Work.check(); err != nil {
		return err
	}
	if err := checkWords("mem", s.Memory, "time", s.Time, "partition", s.Partition, "tasks", s.Tasks); err != nil {
		return err
	}
	for _, option := range s.Options {
		name, _, _ := strings.Cut(option, "=")
		switch rest, dashed := strings.CutPrefix(option, "--"); {
		case !dashed || !safe.MatchString(rest):
			return usage.Errorf("{sbatch} %s: want --name=value of letters, digits and ._:,+=/@%%-", foreign.Quote(option))
		case slices.Contains(owned, name):
			return usage.Errorf("{sbatch} %s: clipnh sets %s itself", foreign.Quote(option), name)
		}
	}
	return s.checkTasks()
}

// checkTasks checks the numbers of the shards that are asked for.
func (s *Slurm) checkTasks() error {
	if s.Tasks == "" {
		return nil
	}
	for part := range strings.SplitSeq(s.Tasks, ",") {
		first, last, several := strings.Cut(part, "-")
		if !several {
			last = first
		}
		lo, err := strconv.Atoi(first)
		hi, e := strconv.Atoi(last)
		if errors.Join(err, e) != nil || lo < 1 || lo > hi || hi > s.Shards {
			return usage.Errorf("{tasks} %s: want numbers of 1 to %d, such as 3,17-20", foreign.Quote(s.Tasks), s.Shards)
		}
	}
	return nil
}

// slurmValues are the values of slurm.sh.
type slurmValues struct {
	Slurm
	JobName, Array, Log, Beside, Command string
	Merge                                bool
	Pause                                int
}

// Scripts returns the script of the array, and that of the merge.
func (s Slurm) Scripts() ([]Script, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	v := slurmValues{Slurm: s, JobName: s.Name, Array: s.Tasks, Log: s.Name + "-%A-%a.log", Beside: filepath.Dir(s.Save), Pause: int(s.Pause / time.Second)}
	if v.Array == "" {
		v.Array = fmt.Sprintf("1-%d", s.Shards)
	}
	if s.Parallel > 0 {
		v.Array += fmt.Sprintf("%%%d", s.Parallel)
	}
	v.Command = s.Work.Command + ` --shard "$shard/$shards" ` + ShellLine(s.Flags)
	text, err := written("slurm.sh", v)
	if err != nil {
		return nil, err
	}
	scripts := []Script{{s.Work.Command, []string{"sbatch", "--parsable"}, text}}
	if s.NoMerge {
		return scripts, nil
	}
	v.Merge, v.JobName, v.Log, v.CPUs = true, s.Name+mergeName, s.Name+mergeName+"-%j.log", min(s.CPUs, 2)
	v.Command = ShellLine([]string{"merge", "--save-path=" + s.Save, fmt.Sprintf("--threads=%d", v.CPUs)})
	text, err = written("slurm.sh", v)
	return append(scripts, Script{"merge", []string{"sbatch", "--parsable", "--dependency=afterok:ARRAY"}, text}), err
}

// Submit hands the scripts to sbatch, the merge so that it begins when all tasks have ended
// well.
func (s Slurm) Submit(ctx context.Context) ([]Job, error) {
	scripts, err := s.Scripts()
	if err != nil {
		return nil, err
	}
	var jobs []Job
	for _, script := range scripts {
		line := slices.Clone(script.Submit)
		if len(jobs) > 0 {
			line[len(line)-1] = "--dependency=afterok:" + jobs[0].ID
		}
		id, err := s.sbatch(ctx, line, script.Text)
		if err != nil && len(jobs) > 0 {
			err = hint.With(fmt.Errorf("the array was submitted as job %s, but not the job that merges it: %w", jobs[0].ID, err),
				fmt.Sprintf("cancel it with \"scancel %s\", or merge when it is done: \"clipnh merge {save-path} %s\"", jobs[0].ID, s.Save))
		}
		if err != nil {
			return jobs, err
		}
		jobs = append(jobs, Job{script.Name, id})
	}
	return jobs, nil
}

func (s Slurm) sbatch(ctx context.Context, line []string, script string) (string, error) {
	printed, err := give(ctx, s.Folder, line, script)
	if err != nil {
		return "", err
	}
	id := number.FindStringSubmatch(strings.TrimSpace(printed))
	if id == nil {
		return "", fmt.Errorf("sbatch printed %s, want the number of a job", foreign.Quote(printed))
	}
	return id[1], nil
}
