package submit

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/usage"
)

// A Kubernetes is an Indexed Job, and a job that merges; where a list of the images is kept, or
// shards are merged in a tree, also jobs for these.
type Kubernetes struct {
	Work
	Image     string // of containers, which has the program and a shell
	Volumes   []Volume
	Queue     string        // of Kueue; empty is none
	Namespace string        // empty is kubectl's
	Deadline  time.Duration // for all of the work

	Env            []Variable // of containers
	Secrets        []string   // names of secrets, whose keys are variables of containers
	ServiceAccount string     // of pods; empty is the namespace's

	// PartPaths are where a part of the shards first to last lies, which a merge in a tree makes:
	// one path, or one for each of several layers.
	PartPaths func(first, last int) []string
}

// maxParts bounds the parts of a tree, which the command line of the last merge names.
const maxParts = 1024

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

// A Variable of the environment.
type Variable struct{ Name, Value string }

// ParseVariable reads NAME=VALUE.
func ParseVariable(text string) (Variable, error) {
	name, value, ok := strings.Cut(text, "=")
	switch {
	case !ok || !variableName.MatchString(name):
		return Variable{}, usage.Errorf("%s: want NAME=VALUE, such as AWS_REGION=eu-west-1", foreign.Quote(name))
	case name == "AWS_SECRET_ACCESS_KEY" || name == "AWS_SESSION_TOKEN" || name == "HF_TOKEN":
		return Variable{}, usage.Errorf("%s: anybody who may see the job could read it: want it in a secret, with {env-from-secret}", name)
	case name == "JOB_COMPLETION_INDEX" || name == "HOSTNAME":
		return Variable{}, usage.Errorf("%s: Kubernetes sets it, want another name", name)
	case !utf8.ValidString(value) || strings.ContainsFunc(value, unicode.IsControl):
		return Variable{}, usage.Errorf("%s: want a value of one line of UTF-8", name)
	}
	return Variable{name, value}, nil
}

var (
	variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

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
	for i, v := range k.Env {
		if slices.ContainsFunc(k.Env[:i], func(before Variable) bool { return before.Name == v.Name }) {
			return usage.Errorf("{env} %s: named twice, want each once", v.Name)
		}
	}
	for i, name := range k.Secrets {
		if !claimName.MatchString(name) {
			return usage.Errorf("{env-from-secret} %s: want the name of a secret: lower case letters, digits, dashes and dots", foreign.Quote(name))
		}
		if slices.Contains(k.Secrets[:i], name) {
			return usage.Errorf("{env-from-secret} %s: named twice, want each once", name)
		}
	}
	switch {
	case k.ServiceAccount != "" && !claimName.MatchString(k.ServiceAccount):
		return usage.Errorf("{service-account} %s: want its name: lower case letters, digits, dashes and dots", foreign.Quote(k.ServiceAccount))
	case k.Image == "":
		return usage.Errorf("{image} is missing: want an image of a container that has clipnh and a shell")
	case len(k.Volumes) == 0:
		return usage.Errorf("{volume} is missing: want CLAIM:PATH of a volume that all nodes can write")
	case !quantity.MatchString(k.Memory):
		return usage.Errorf("{mem} %s: want a quantity of bytes, with k, M, G, T, Ki, Mi, Gi or Ti, such as 4Gi", foreign.Quote(k.Memory))
	case k.Deadline < time.Minute:
		return usage.Errorf("{deadline} %v: want 1m or more", k.Deadline)
	case k.parts()*k.layers() > maxParts:
		return usage.Errorf("{fan-in} %d: %d parts of %d shards, want at most %d", k.FanIn, k.parts()*k.layers(), k.Shards*k.layers(), maxParts)
	case !k.mounted(k.Save):
		return usage.Errorf("{save-path} %s: want a path in one of the volumes, %s", k.Save, k.paths())
	}
	return nil
}

// layers is how many collections are merged.
func (k *Kubernetes) layers() int { return strings.Count(k.Layers, ",") + 1 }

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
	Role                      string // one of the roles
	JobName, Script           string
	Command                   []string
	Waits                     bool // until what others make is there
	Parts                     int  // to which shards are merged first
	Completions, MaxFailed    int
	Parallel, Pause, Deadline int
}

// Anonymous reports whether pods have nothing that could say who asks for objects.
func (k *Kubernetes) Anonymous() bool {
	return len(k.Secrets) == 0 && k.ServiceAccount == "" && !slices.ContainsFunc(k.Env, func(v Variable) bool {
		return slices.Contains([]string{"AWS_PROFILE", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_WEB_IDENTITY_TOKEN_FILE"}, v.Name)
	})
}

// Scripts returns one document for the jobs: that of the list of images, if one is to be kept,
// that of the shards, that which merges them to parts, if there are so many, and that of the last
// merge.
func (k Kubernetes) Scripts() ([]Script, error) {
	if err := k.check(); err != nil {
		return nil, err
	}
	all := jobValues{Kubernetes: k, Parts: k.parts(), Pause: int(k.Pause / time.Second), Deadline: int(k.Deadline / time.Second)}
	var documents []string
	add := func(role, ending string, cpus int, command []string, change func(*jobValues)) error {
		v := all
		v.Role, v.JobName, v.CPUs, v.Command = role, k.Name+ending, cpus, command
		if change != nil {
			change(&v)
		}
		text, err := v.written()
		documents = append(documents, text)
		return err
	}
	indexed := func(n, atOnce, mayFail int) func(*jobValues) {
		return func(v *jobValues) { v.Completions, v.Parallel, v.MaxFailed = n, cmp.Or(atOnce, n), mayFail }
	}
	few := min(k.CPUs, 2)
	if len(k.List) > 0 {
		if err := add(roleList, listName, few, k.List, nil); err != nil {
			return nil, err
		}
	}
	if err := add(roleShards, "", k.CPUs, append([]string{k.Work.Command}, k.Flags...), indexed(k.Shards, k.Parallel, k.Shards/4)); err != nil {
		return nil, err
	}
	merge := append([]string{"merge"}, k.mergeLine(few)...)
	if all.Parts > 0 && !k.NoMerge {
		err := add(roleParts, partsName, few, merge, func(v *jobValues) {
			indexed(v.Parts, k.Parallel, 0)(v)
			v.Waits, v.Retries = true, waits
		})
		if err != nil {
			return nil, err
		}
		merge = append(merge, k.partPaths(all.Parts)...)
	}
	if !k.NoMerge {
		if err := add(roleMerge, mergeName, few, merge, func(v *jobValues) { v.Waits = true }); err != nil {
			return nil, err
		}
	}
	text := strings.Join(documents, "---\n")
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

// waits is how often a pod is started again that waits by failing.
const waits = 100000

// partPaths are where the parts lie, as pod.sh and slurm.sh divide the shards.
func (k *Kubernetes) partPaths(parts int) []string {
	var paths []string
	for i := range parts {
		paths = append(paths, k.PartPaths(i*k.Shards/parts+1, (i+1)*k.Shards/parts)...)
	}
	return paths
}

// Submit hands the jobs to kubectl.
func (k Kubernetes) Submit(ctx context.Context) ([]Job, error) {
	if err := k.check(); err != nil { // and names the jobs
		return nil, err
	}
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
		jobs = append(jobs, Job{k.roleOf(name), name})
	}
	return jobs, nil
}

// roleOf is what the job of a name is for.
func (k *Kubernetes) roleOf(name string) string {
	switch strings.TrimPrefix(name, k.Name) {
	case listName:
		return roleList
	case partsName:
		return roleParts
	case mergeName:
		return roleMerge
	}
	return k.Work.Command
}
