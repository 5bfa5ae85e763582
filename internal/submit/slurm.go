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

// flagFor has the options of sbatch for which there are flags, which would contradict them.
var flagFor = map[string]string{"--mem": "mem", "--time": "time", "--partition": "partition", "--job-name": "name"}

// What sbatch reads as a size and as a time.
var (
	slurmSize = regexp.MustCompile(`^[0-9]+[KMGTkmgt]?$`)
	slurmTime = regexp.MustCompile(`^([0-9]+(:[0-9]{1,2}){0,2}|[0-9]+-[0-9]{1,2}(:[0-9]{1,2}){0,2}|(?i:infinite|unlimited))$`)
)

func (s *Slurm) check() error {
	if err := s.Work.check(); err != nil {
		return err
	}
	if err := checkWords("mem", s.Memory, "time", s.Time, "partition", s.Partition, "tasks", s.Tasks); err != nil {
		return err
	}
	if s.Memory != "" && !slurmSize.MatchString(s.Memory) {
		return usage.Errorf("{mem} %s: want a whole number, of megabytes or with K, M, G or T, such as 4G", foreign.Quote(s.Memory))
	}
	if s.Time != "" && !slurmTime.MatchString(s.Time) {
		return usage.Errorf("{time} %s: want minutes, MM:SS, HH:MM:SS, D-HH, D-HH:MM or D-HH:MM:SS, such as 08:00:00", foreign.Quote(s.Time))
	}
	for _, option := range s.Options {
		name, _, _ := strings.Cut(option, "=")
		switch rest, dashed := strings.CutPrefix(option, "--"); {
		case !dashed || !safe.MatchString(rest):
			return usage.Errorf("{sbatch} %s: want --name=value of letters, digits and ._:,+=/@%%-", foreign.Quote(option))
		case slices.Contains(owned, name):
			return usage.Errorf("{sbatch} %s: clipnh sets %s itself", foreign.Quote(option), name)
		case flagFor[name] != "":
			return usage.Errorf("{sbatch} %s: clipnh sets %s itself, want {%s}", foreign.Quote(option), name, flagFor[name])
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
	Role                          string // one of the roles
	JobName, Log, Beside, Command string
	Array                         string // numbers of tasks; empty: a job that is none
	After                         string // the role of the job that it waits for, in capital letters, as in Script.Submit
	Parts                         int    // to which shards are merged first
	Pause                         int
}

// What the jobs of Slurm are for.
const (
	roleList   = "list"
	roleShards = "array" // as scripts call it that a merge waits for
	roleParts  = "parts"
	roleMerge  = "merge"
)

// Scripts returns the scripts: that of the list of images, if one is to be kept, that of the
// array, that of the array which merges to parts, if there are so many shards, and that of the
// merge. Each waits for the one before.
func (s Slurm) Scripts() ([]Script, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	var scripts []Script
	add := func(name string, v slurmValues) error {
		v.Beside, v.Pause = filepath.Dir(s.Save), int(s.Pause/time.Second)
		line := []string{"sbatch", "--parsable"}
		if len(scripts) > 0 {
			v.After = scripts[len(scripts)-1].role
			line = append(line, dependency+v.After)
		}
		text, err := written("slurm.sh", v)
		scripts = append(scripts, Script{name, line, text, strings.ToUpper(v.Role)})
		return err
	}
	if len(s.List) > 0 {
		v := slurmValues{Slurm: s, Role: roleList, JobName: s.Name + listName, Log: s.Name + listName + "-%j.log", Command: ShellLine(s.List)}
		v.CPUs = min(s.CPUs, 2)
		if err := add(roleList, v); err != nil {
			return nil, err
		}
	}
	v := slurmValues{Slurm: s, Role: roleShards, JobName: s.Name, Array: s.Tasks, Log: s.Name + "-%A-%a.log"}
	if v.Array == "" {
		v.Array = fmt.Sprintf("1-%d", s.Shards)
	}
	if s.Parallel > 0 {
		v.Array += fmt.Sprintf("%%%d", s.Parallel)
	}
	v.Command = s.Work.Command + ` --shard "$shard/$shards" ` + ShellLine(s.Flags)
	if err := add(s.Work.Command, v); err != nil || s.NoMerge {
		return scripts, err
	}
	merge := s.mergeLine(min(s.CPUs, 2))
	v = slurmValues{Slurm: s}
	v.CPUs = min(s.CPUs, 2)
	if v.Parts = s.parts(); v.Parts > 0 {
		v.Role, v.JobName, v.Log = roleParts, s.Name+partsName, s.Name+partsName+"-%A-%a.log"
		v.Array, v.Command = fmt.Sprintf("1-%d", v.Parts), `merge --shards "$first-$last/$shards" `+ShellLine(merge)
		if err := add(roleParts, v); err != nil {
			return nil, err
		}
	}
	v.Role, v.JobName, v.Log = roleMerge, s.Name+mergeName, s.Name+mergeName+"-%j.log"
	v.Array, v.Command = "", "merge "+ShellLine(merge)
	return scripts, add(roleMerge, v)
}

// dependency is the option of sbatch for a job that begins when another has ended well.
const dependency = "--dependency=afterok:"

// Submit hands the scripts to sbatch, each so that it begins when all tasks of the one before
// have ended well.
func (s Slurm) Submit(ctx context.Context) ([]Job, error) {
	scripts, err := s.Scripts()
	if err != nil {
		return nil, err
	}
	var jobs []Job
	for i, script := range scripts {
		line := slices.Clone(script.Submit)
		if i > 0 {
			line[len(line)-1] = dependency + jobs[i-1].ID
		}
		id, err := s.sbatch(ctx, line, script.Text)
		if err != nil && i > 0 {
			var ids []string
			for _, job := range jobs {
				ids = append(ids, job.ID)
			}
			err = hint.With(fmt.Errorf("submitted %s, and failed to submit the next job, %s: %w", strings.Join(ids, ", "), script.Name, err),
				fmt.Sprintf("cancel what was submitted with \"scancel %s\", or continue by hand when it is done: \"clipnh status %s\" says how", strings.Join(ids, " "), s.Save))
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
