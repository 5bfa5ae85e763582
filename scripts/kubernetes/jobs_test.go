// Package kubernetes checks the jobs that "clipnh submit kubernetes" writes against the types
// of Kubernetes. It is a module of its own, so that these are not the program's.
package kubernetes

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// awkward is a value that a shell or Kubernetes could take for something else.
const awkward = `/data/it's $(HOSTNAME) $$ "quoted": {a} #b`

var line = []string{"collect", "--model", "/data/RN50.pt", "--dataset", "images", "--data-path", awkward, "--save-path", "/data/caches/val"}

// written is what the program writes.
func written(t *testing.T, flags ...string) []byte {
	t.Helper()
	program := os.Getenv("CLIPNH")
	if program == "" {
		t.Fatal("CLIPNH is not set: want the path of the program; \"make test-kubernetes\" sets it")
	}
	args := slices.Concat([]string{"submit", "kubernetes", "--dry-run", "--image", "registry/clipnh:1", "--volume", "photos:/data"}, flags, []string{"--"}, line)
	cmd := exec.Command(program, args...)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, said.String())
	}
	return out
}

// jobs decodes every document strictly: fields that there are not, or that are there twice,
// are errors.
func jobs(t *testing.T, text []byte) []*batch.Job {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := batch.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	decoder := json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme, scheme, json.SerializerOptions{Yaml: true, Strict: true})
	documents := yaml.NewDocumentDecoder(io.NopCloser(bytes.NewReader(text)))
	var all []*batch.Job
	buffer := make([]byte, len(text))
	for {
		n, err := documents.Read(buffer)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		object, _, err := decoder.Decode(buffer[:n], nil, nil)
		if err != nil {
			t.Fatalf("%v in\n%s", err, buffer[:n])
		}
		job, ok := object.(*batch.Job)
		if !ok {
			t.Fatalf("a %T, want a job", object)
		}
		all = append(all, job)
	}
}

// TestStrict checks that the decoder refuses what Kubernetes would.
func TestStrict(t *testing.T) {
	text := written(t)
	for old, wrong := range map[string]string{"backoffLimitPerIndex:": "backoffLimitPerIndices:", "completions: 16": "completions: sixteen", "memory: \"4Gi\"": "memory: \"4 GB\""} {
		scheme := runtime.NewScheme()
		if err := batch.AddToScheme(scheme); err != nil {
			t.Fatal(err)
		}
		decoder := json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme, scheme, json.SerializerOptions{Yaml: true, Strict: true})
		changed := bytes.Replace(bytes.Split(text, []byte("\n---\n"))[0], []byte(old), []byte(wrong), 1)
		if bytes.Equal(changed, bytes.Split(text, []byte("\n---\n"))[0]) {
			t.Errorf("there is no %s", old)
		}
		if _, _, err := decoder.Decode(changed, nil, nil); err == nil {
			t.Errorf("%s is taken", wrong)
		}
	}
}

func TestJobs(t *testing.T) {
	all := jobs(t, written(t, "--shards", "8", "--parallel", "3", "--retries", "2", "--cpus", "6", "--mem", "12Gi", "--queue", "gpu"))
	if len(all) != 2 {
		t.Fatalf("%d jobs, want 2", len(all))
	}
	for _, job := range all {
		common(t, job)
		if queue := job.Labels["kueue.x-k8s.io/queue-name"]; queue != "gpu" {
			t.Errorf("%s: queue %q, want gpu", job.Name, queue)
		}
	}
	array, merge := all[0].Spec, all[1].Spec
	switch {
	case array.CompletionMode == nil || *array.CompletionMode != batch.IndexedCompletion:
		t.Error("the first job is not indexed")
	case *array.Completions != 8 || *array.Parallelism != 3 || *array.BackoffLimitPerIndex != 2 || array.BackoffLimit != nil:
		t.Errorf("%d completions, %d at once, %d retries, want 8, 3, 2", *array.Completions, *array.Parallelism, *array.BackoffLimitPerIndex)
	case merge.CompletionMode != nil || merge.Completions != nil || merge.BackoffLimitPerIndex != nil:
		t.Error("the second job is indexed")
	}
	c := array.Template.Spec.Containers[0]
	if c.Resources.Requests.Cpu().Value() != 6 || c.Resources.Limits.Memory().Value() != 12<<30 {
		t.Errorf("resources %+v", c.Resources)
	}
	if cpu := merge.Template.Spec.Containers[0].Resources.Requests.Cpu().Value(); cpu != 2 {
		t.Errorf("the merge has %d processors, want 2", cpu)
	}
}

// TestEnvironment checks what pods are told of credentials, in the jobs of all roles.
func TestEnvironment(t *testing.T) {
	all := jobs(t, written(t, "--shards", "10", "--fan-in", "4", "--list", "--env", "AWS_REGION=eu-west-1", "--env", "AWS_ENDPOINT_URL="+awkward,
		"--env-from-secret", "bucket", "--env-from-secret", "more.keys", "--service-account", "reader"))
	if len(all) != 4 {
		t.Fatalf("%d jobs, want 4", len(all))
	}
	for _, job := range all {
		common(t, job)
		pod := job.Spec.Template.Spec
		if pod.ServiceAccountName != "reader" {
			t.Errorf("%s: service account %q", job.Name, pod.ServiceAccountName)
		}
		env, from := pod.Containers[0].Env, pod.Containers[0].EnvFrom
		if len(env) != 2 || env[0] != (core.EnvVar{Name: "AWS_REGION", Value: "eu-west-1"}) || env[1].Name != "AWS_ENDPOINT_URL" || expanded(env[1].Value) != awkward {
			t.Errorf("%s: environment %+v", job.Name, env)
		}
		if len(from) != 2 || from[0].SecretRef.Name != "bucket" || from[1].SecretRef.Name != "more.keys" {
			t.Errorf("%s: environment from %+v", job.Name, from)
		}
	}
	for _, job := range jobs(t, written(t)) {
		if pod := job.Spec.Template.Spec; pod.ServiceAccountName != "" || pod.Containers[0].Env != nil || pod.Containers[0].EnvFrom != nil {
			t.Errorf("%s: an environment of which nothing was said", job.Name)
		}
	}
}

// TestTree checks the jobs of a list of images and of a merge in a tree.
func TestTree(t *testing.T) {
	all := jobs(t, written(t, "--shards", "10", "--parallel", "3", "--fan-in", "4", "--list"))
	if len(all) != 4 {
		t.Fatalf("%d jobs, want 4", len(all))
	}
	for i, ending := range []string{"-list", "", "-parts", "-merge"} {
		common(t, all[i])
		if want := "clipnh-val" + ending; all[i].Name != want {
			t.Errorf("job %s, want %s", all[i].Name, want)
		}
	}
	list, parts, merge := all[0].Spec, all[2].Spec, all[3].Spec
	switch {
	case list.CompletionMode != nil || *list.BackoffLimit != 5:
		t.Error("the job of the list is indexed, or has other retries")
	case *parts.CompletionMode != batch.IndexedCompletion || *parts.Completions != 3 || *parts.Parallelism != 3 || *parts.BackoffLimitPerIndex < 1000:
		t.Errorf("%d parts, %d at once, %d retries, want 3, 3, many", *parts.Completions, *parts.Parallelism, *parts.BackoffLimitPerIndex)
	}
	for i, want := range map[int]map[int32]batch.PodFailurePolicyAction{
		0: {1: "", 2: "FailJob", 10: "FailJob", 11: "FailJob", 70: "FailJob", 127: "FailJob", 137: ""},
		2: {1: "FailJob", 2: "FailJob", 10: "", 11: "FailJob", 70: "FailJob", 127: "FailJob", 137: ""},
	} {
		for status, action := range want {
			if got := actionOn(t, all[i].Spec.PodFailurePolicy, status); got != action {
				t.Errorf("%s: status %d: %q, want %q", all[i].Name, status, got, action)
			}
		}
	}
	const last = "merge --save-path=/data/caches/val --threads=2 /data/caches/val.1-3-of-10 /data/caches/val.4-6-of-10 /data/caches/val.7-10-of-10"
	if got := strings.Join(merge.Template.Spec.Containers[0].Args, " "); got != last {
		t.Errorf("the last merge has the arguments %s, want %s", got, last)
	}
}

// common checks what all jobs must have, some of it what the server would refuse.
func common(t *testing.T, job *batch.Job) {
	t.Helper()
	pod := job.Spec.Template.Spec
	if problems := validation.IsDNS1123Label(job.Name); len(problems) > 0 || len(job.Name) > 57 {
		t.Errorf("name %q: %v", job.Name, problems)
	}
	if pod.RestartPolicy != core.RestartPolicyNever {
		t.Errorf("restart policy %q: a pod failure policy needs Never", pod.RestartPolicy)
	}
	if job.Spec.ActiveDeadlineSeconds == nil || *job.Spec.ActiveDeadlineSeconds <= 0 {
		t.Error("no deadline: it may wait for ever")
	}
	if len(pod.Containers) != 1 || pod.Containers[0].Name != "clipnh" {
		t.Fatalf("containers %+v", pod.Containers)
	}
	mounted := pod.Containers[0].VolumeMounts
	if len(pod.Volumes) != 1 || len(mounted) != 1 || mounted[0].Name != pod.Volumes[0].Name || mounted[0].MountPath != "/data" || pod.Volumes[0].PersistentVolumeClaim.ClaimName != "photos" {
		t.Errorf("volumes %+v mounted as %+v", pod.Volumes, mounted)
	}
	if job.Spec.Selector != nil || len(job.Spec.Template.Labels) == 0 {
		t.Error("labels of pods, or a selector that the server gives itself")
	}
}

// TestExitStatuses checks what the failure policies make of the statuses of
// docs/exit-status.md. Rules are in order, and the first that matches counts.
func TestExitStatuses(t *testing.T) {
	all := jobs(t, written(t))
	for i, want := range []map[int32]batch.PodFailurePolicyAction{
		// The shards: a retry of the index counts as one, where no rule matches.
		{1: "", 2: "FailJob", 10: "FailJob", 11: "FailJob", 70: "FailIndex", 126: "FailJob", 127: "FailJob", 130: "", 137: "", 143: ""},
		// The merge: shards may be missing for long.
		{1: "FailJob", 2: "FailJob", 10: "", 11: "FailJob", 70: "FailJob", 126: "FailJob", 127: "FailJob", 130: "", 137: "", 143: ""},
	} {
		policy := all[i].Spec.PodFailurePolicy
		if policy == nil || policy.Rules[0].Action != batch.PodFailurePolicyActionIgnore || policy.Rules[0].OnPodConditions[0].Type != core.DisruptionTarget {
			t.Fatalf("%s: disruptions count as failures", all[i].Name)
		}
		for status, action := range want {
			if got := actionOn(t, policy, status); got != action {
				t.Errorf("%s: status %d: %q, want %q", all[i].Name, status, got, action)
			}
		}
	}
}

func actionOn(t *testing.T, policy *batch.PodFailurePolicy, status int32) batch.PodFailurePolicyAction {
	t.Helper()
	for _, rule := range policy.Rules {
		codes := rule.OnExitCodes
		if codes == nil {
			continue
		}
		if codes.Operator != batch.PodFailurePolicyOnExitCodesOpIn || *codes.ContainerName != "clipnh" || !slices.IsSorted(codes.Values) || slices.Contains(codes.Values, 0) {
			t.Errorf("rule %+v", codes) // the server wants them ascending, and no 0
		}
		if slices.Contains(codes.Values, status) {
			return rule.Action
		}
	}
	return ""
}

// TestContainer runs what the container would run, with a program that prints its
// arguments.
func TestContainer(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "clipnh")
	if err := os.WriteFile(program, []byte("#!/bin/sh\nprintf '%s\\n' \"$@\"\nexit \"$STATUS\"\n"), 0o777); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{
		"collect\n--shard\n4/16\n--model=/data/RN50.pt\n--dataset=images\n--data-path=" + awkward + "\n--save-path=/data/caches/val\n--threads=8\n",
		"merge\n--save-path=/data/caches/val\n--threads=2\n",
	} {
		c := jobs(t, written(t))[i].Spec.Template.Spec.Containers[0]
		var words []string
		for _, word := range slices.Concat(c.Command, c.Args) {
			words = append(words, expanded(word))
		}
		for status, ends := range map[string]int{"0": 0, "3": 0, "10": 10} {
			cmd := exec.Command(words[0], words[1:]...)
			cmd.Env = []string{"PATH=" + dir + ":/usr/bin:/bin", "JOB_COMPLETION_INDEX=3", "HOSTNAME=pod", "STATUS=" + status}
			out, _ := cmd.Output()
			if string(out) != want || cmd.ProcessState.ExitCode() != ends {
				t.Errorf("status %s: ends with %d and runs\n%s, want %d and\n%s", status, cmd.ProcessState.ExitCode(), out, ends, want)
			}
		}
	}
}

// expanded is a word of a command as a kubelet has it: $(NAME) is replaced where there is
// a variable of that name, and $$ stands for $.
func expanded(word string) string {
	var b strings.Builder
	for i := 0; i < len(word); i++ {
		switch {
		case strings.HasPrefix(word[i:], "$$"):
			b.WriteByte('$')
			i++
		case strings.HasPrefix(word[i:], "$(HOSTNAME)"):
			b.WriteString("pod")
			i += len("$(HOSTNAME)") - 1
		default:
			b.WriteByte(word[i])
		}
	}
	return b.String()
}
