package submit

import (
	"context"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/usage"
)

// A Kubernetes is an Indexed Job, and a job that merges.
type Kubernetes struct {
	Work
	Image     string // of containers, which has the program and a shell
	Volumes   []Volume
	Queue     string        // of Kueue; empty is none
	Namespace string        // empty is kubectl's
	Deadline  time.Duration // for all of the work
}

// A Volume is a claim to a volume that all nodes can write, and where containers see it.
type Volume struct{ Claim, Path string }

// ParseVolume reads CLAIM:PATH.
func ParseVolume(text string) (Volume, error) {
	claim, at, ok := strings.Cut(text, ":")
	if !ok || !claimName.MatchString(claim) || !path.IsAbs(at) || strings.Contains(at, ":") || path.Clean(at) != at || at == "/" {
		return Volume{}, usage.Errorf("%s: want CLAIM:PATH, a claim to a volume and the folder of the container for it, such as photos:/data", foreign.Quote(text))
	}
	return Volume{claim, at}, nil
}

var (
	claimName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`)
	quantity  = regexp.MustCompile(`^([0-9]+(\.[0-9]*)?|\.[0-9]+)([KMGTPE]i|[kMGTPE]|[eE][-+]?[0-9]{1,2})?$`)
)

func (k *Kubernetes) check() error {
	if err := k.Work.check(); err != nil {
		return err
	}
	if err := checkWords("image", k.Image, "queue", k.Queue, "namespace", k.Namespace); err != nil {
		return err
	}
	switch {
	case k.Image == "":
		return usage.Errorf("{image} is missing: want an image of a container that has clipnh and a shell")
	case len(k.Volumes) == 0:
		return usage.Errorf("{volume} is missing: want CLAIM:PATH of a volume that all nodes can write")
	case !quantity.MatchString(k.Memory):
		return usage.Errorf("{mem} %s: want a quantity of bytes, with k, M, G, T, Ki, Mi, Gi or Ti, such as 4Gi", foreign.Quote(k.Memory))
	case k.Deadline < time.Minute:
		return usage.Errorf("{deadline} %v: want 1m or more", k.Deadline)
	case !k.mounted(k.Save):
		return usage.Errorf("{save-path} %s: want a path in one of the volumes, %s", k.Save, k.paths())
	}
	return nil
}

// mounted reports whether a path of a container is in one of the volumes.
func (k *Kubernetes) mounted(at string) bool {
	return slices.ContainsFunc(k.Volumes, func(v Volume) bool { return strings.HasPrefix(path.Clean(at), v.Path+"/") })
}

func (k *Kubernetes) paths() string {
	var paths []string
	for _, v := range k.Volumes {
		paths = append(paths, v.Path)
	}
	return strings.Join(paths, ", ")
}

// jobValues are the values of kubernetes.yaml, and of pod.sh.
type jobValues struct {
	Kubernetes
	JobName, Script                      string
	Command                              []string
	Merge                                bool
	Parallel, MaxFailed, Pause, Deadline int
}

// Scripts returns one document for the jobs.
func (k Kubernetes) Scripts() ([]Script, error) {
	if err := k.check(); err != nil {
		return nil, err
	}
	v := jobValues{
		Kubernetes: k, JobName: k.Name, Command: append([]string{k.Work.Command}, k.Flags...), Parallel: k.Parallel,
		MaxFailed: k.Shards / 4, Pause: int(k.Pause / time.Second), Deadline: int(k.Deadline / time.Second),
	}
	if v.Parallel == 0 {
		v.Parallel = k.Shards
	}
	text, err := v.written()
	if err != nil {
		return nil, err
	}
	if !k.NoMerge {
		v.Merge, v.JobName, v.CPUs = true, k.Name+mergeName, min(k.CPUs, 2)
		v.Command = []string{"merge", "--save-path=" + k.Save, fmt.Sprintf("--threads=%d", v.CPUs)}
		merge, err := v.written()
		if err != nil {
			return nil, err
		}
		text += "---\n" + merge
	}
	line := []string{"kubectl", "apply", "--filename", "-"}
	if k.Namespace != "" {
		line = append(line, "--namespace", k.Namespace)
	}
	return []Script{{Name: "jobs", Submit: line, Text: text}}, nil
}

func (v jobValues) written() (string, error) {
	script, err := written("pod.sh", v)
	if err != nil {
		return "", err
	}
	v.Script = strings.TrimLeft(script, "\n")
	return written("kubernetes.yaml", v)
}

// Submit hands the jobs to kubectl.
func (k Kubernetes) Submit(ctx context.Context) ([]Job, error) {
	scripts, err := k.Scripts()
	if err != nil {
		return nil, err
	}
	printed, err := give(ctx, "", scripts[0].Submit, scripts[0].Text)
	if err != nil {
		return nil, err
	}
	var jobs []Job
	for line := range strings.Lines(printed) {
		// job.batch/NAME created
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		_, name, _ := strings.Cut(words[0], "/")
		if words[1] != "created" {
			err := fmt.Errorf("kubectl: %s: there is a job of this name already", strings.TrimSpace(line))
			return jobs, hint.With(err, fmt.Sprintf("remove it with \"kubectl delete job %s\", or give another {name}", name))
		}
		jobs = append(jobs, Job{map[bool]string{true: "merge", false: k.Work.Command}[strings.HasSuffix(name, mergeName)], name})
	}
	return jobs, nil
}
