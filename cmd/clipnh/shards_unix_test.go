//go:build unix

package main

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/clipnh/clipnh/internal/submit"
)

// A shardJob is a command with shards. What it and merge write is at name, in a
// folder.
type shardJob struct {
	name, command string
	args          []string
	shards        int
}

// shardJobs are commands with shards, on the example; in the short form without that
// whose faults are tested most elsewhere.
func shardJobs(t *testing.T) []shardJob {
	t.Helper()
	faultInputs.once.Do(makeFaultInputs)
	if faultInputs.err != nil {
		t.Fatal(faultInputs.err)
	}
	pcs := filepath.Join(t.TempDir(), "pc0.npy")
	if code, _, said := clipnh("svd", "--collect-save-path", faultInputs.scores, "--top-k-pca", "12", "--out-save-path", pcs, "--quiet"); code != exitDone {
		t.Fatal(said)
	}
	assets := filepath.Join("..", "..", "internal", "demo", "assets")
	images := []string{"--model", filepath.Join(assets, "tiny-clip.pt"), "--dataset", "imagenet_test", "--data-path", filepath.Join(assets, "imagenet"), "--sample-stride", "3"}
	texts := []string{"--model", filepath.Join(assets, "tiny-clip.pt"), "--vocab", filepath.Join(assets, "bpe_demo_vocab.txt.gz"),
		"--templates", filepath.Join(assets, "templates.txt"), "--pcs-path", pcs}
	return []shardJob{
		{"scores", "collect", images, 4},
		{"statistics", "collect", append(slices.Clone(images), "--stats-only", "--top-k", "5"), 3},
		{"summary", "collect", append(slices.Clone(images), "--stats-only", "--no-features", "--top-k", "5"), 5},
		{"counts.json", "segment", append(slices.Clone(texts), "--config", "demo", "--data-path", filepath.Join(assets, "VOC2010"),
			"--limit", fmt.Sprint(thorough(8, 25)), "--method", "pairs,self-self"), 4},
		{"ratios.json", "shift", append(slices.Clone(texts), "--concepts", "yellow,convertible", "--dataset", "cars", "--data-path", filepath.Join(assets, "stanford_cars"),
			"--colours-csv", filepath.Join(assets, "refined_train.csv"), "--sample-stride", fmt.Sprint(thorough(10, 2))), 5},
	}[thorough(1, 0):]
}

// whole is the job without shards.
func (j shardJob) whole() faultJob {
	return faultJob{name: "all shards of " + j.name, args: func(dir string) []string {
		return slices.Concat([]string{j.command}, j.args, []string{"--save-path", filepath.Join(dir, j.name)})
	}}
}

// schedulers are the kinds of tasks that "clipnh submit" writes.
var schedulers = []string{"slurm", "kubernetes"}

// script is what submit writes for the tasks of the job, as a command line for a scheduler.
func (j shardJob) script(t *testing.T, dir string, threads int, scheduler string) []string {
	t.Helper()
	work := submit.Work{Program: os.Args[0], Command: j.command, Save: filepath.Join(dir, j.name), Shards: j.shards, CPUs: 1, Pause: time.Second, Memory: "4G"}
	for i := 0; i < len(j.args); i++ {
		flag := j.args[i]
		if i+1 < len(j.args) && !strings.HasPrefix(j.args[i+1], "-") {
			i++
			flag += "=" + j.args[i]
		}
		work.Flags = append(work.Flags, flag)
	}
	work.Flags = append(work.Flags, "--save-path="+work.Save, fmt.Sprintf("--threads=%d", threads), "--quiet")
	if scheduler == "slurm" {
		here, err := os.Getwd()
		if err != nil {
			t.Fatal(err)
		}
		scripts, err := submit.Slurm{Work: work, Folder: here, Time: "5"}.Scripts()
		if err != nil {
			t.Fatal(err)
		}
		return []string{"/bin/sh", "-c", scripts[0].Text}
	}
	scripts, err := submit.Kubernetes{Work: work, Image: "image", Volumes: []submit.Volume{{Claim: "claim", Path: filepath.Dir(dir)}}, Deadline: time.Hour}.Scripts()
	if err != nil {
		t.Fatal(err)
	}
	return kubeJobOf(t, scripts[0].Text).line()
}

// A kubeJob is what is needed of a job of Kubernetes to run its pods.
type kubeJob struct {
	Metadata struct{ Name string }
	Spec     struct {
		Completions *int
		Template    struct {
			Spec struct {
				Containers []struct{ Command, Args []string }
			}
		}
	}
}

// kubeJobOf reads the first document of a text.
func kubeJobOf(t *testing.T, text string) kubeJob {
	t.Helper()
	var job kubeJob
	if err := yaml.Unmarshal([]byte(text), &job); err != nil {
		t.Fatal(err)
	}
	return job
}

// line is the command and the arguments of the container, as a kubelet has them.
func (j kubeJob) line() []string {
	c := j.Spec.Template.Spec.Containers[0]
	line := slices.Concat(c.Command, c.Args)
	for i := range line {
		line[i] = strings.ReplaceAll(line[i], "$$", "$")
	}
	return line
}

// taskNumber is how a scheduler says which task of several a task is, from 0.
func taskNumber(scheduler string, number, of int) []string {
	if scheduler == "kubernetes" {
		return []string{fmt.Sprintf("JOB_COMPLETION_INDEX=%d", number)}
	}
	return []string{
		fmt.Sprintf("SLURM_ARRAY_TASK_ID=%d", number+1), "SLURM_ARRAY_TASK_MIN=1", fmt.Sprintf("SLURM_ARRAY_TASK_MAX=%d", of),
		"SLURM_ARRAY_TASK_STEP=1", fmt.Sprintf("SLURM_ARRAY_TASK_COUNT=%d", of),
	}
}

// task starts the job's shard, from 0, as a scheduler would, in a process group of
// its own.
func (j shardJob) task(t *testing.T, dir string, number, threads int, scheduler string) *process {
	t.Helper()
	line := j.script(t, dir, threads, scheduler)
	p := &process{Cmd: exec.Command(line[0], line[1:]...)}
	p.Env = slices.Concat(os.Environ(), []string{programEnv + "=1"}, taskNumber(scheduler, number, j.shards))
	p.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.Stderr = &p.said
	if err := p.Start(); err != nil {
		t.Error(err)
	}
	return p
}

// TestShards does as a scheduler does: it starts all shards of a job at once through the
// scripts of submit, kills some at random moments, and starts them again until all are
// done. What merge makes of them has the bytes of a run that was not cut.
func TestShards(t *testing.T) {
	for i, job := range shardJobs(t) {
		t.Run(job.name, func(t *testing.T) {
			want := job.whole().undisturbed(t)
			for round := range thorough(1, 16) {
				shards, merged := t.TempDir(), t.TempDir()
				kills := job.untilDone(t, shards, want.took, uint64(i), uint64(round))
				if t.Failed() {
					return
				}
				job.merge(t, shards, merged)
				want.compare(t, merged, fmt.Sprintf("round %d, of %d shards killed %d times", round, job.shards, kills))
			}
		})
	}
}

// untilDone runs all shards side by side, some of them killed, each until it is done.
// It returns how many were.
func (j shardJob) untilDone(t *testing.T, dir string, took time.Duration, seeds ...uint64) int {
	t.Helper()
	var all sync.WaitGroup
	var mu sync.Mutex
	kills := 0
	for number := range j.shards {
		random := rand.New(rand.NewPCG(seeds[0]*100+uint64(number), seeds[1]))
		all.Go(func() {
			for attempt := 0; ; attempt++ {
				if attempt == 40 {
					t.Errorf("shard %d: 40 runs did not finish what one does", number)
					return
				}
				threads := []int{64, 1, 2, 3}[(number+attempt)%4]
				p := j.task(t, dir, number, threads, schedulers[(int(seeds[1])+number)%len(schedulers)])
				if kill := attempt < 3 && (number+attempt)%3 < 2; kill {
					after := time.Duration(random.Float64() * float64(took))
					if random.IntN(4) > 0 {
						// All of the group, as a node that is gone.
						time.AfterFunc(after, func() { syscall.Kill(-p.Process.Pid, syscall.SIGKILL) })
					} else {
						time.AfterFunc(after, func() { p.Process.Signal(syscall.SIGTERM) })
					}
				}
				err := p.Wait()
				var exit *exec.ExitError
				switch {
				case err == nil:
					return
				case !errors.As(err, &exit):
					t.Error(err)
					return
				case bytes.Contains(p.said.Bytes(), []byte("another clipnh is writing it")):
					// The one that was killed holds its lock until it is gone.
					continue
				case exit.ExitCode() != exitInterrupted && !exit.Sys().(syscall.WaitStatus).Signaled() && exit.ExitCode() != 128+int(syscall.SIGTERM):
					t.Errorf("shard %d: %v: %s", number, err, p.said.String())
					return
				}
				count("kills", 1)
				count("resumes", 1)
				mu.Lock()
				kills++
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return kills
}

// merge merges the shards in a folder, which must hold no unfinished files.
func (j shardJob) merge(t *testing.T, shards, merged string) {
	t.Helper()
	entries, err := os.ReadDir(shards)
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"merge", "--save-path", filepath.Join(merged, j.name), "--quiet"}
	for _, e := range entries {
		switch name := e.Name(); {
		case strings.HasSuffix(name, ".sum") || strings.HasSuffix(name, ".journal") || strings.HasSuffix(name, ".tmp") && !strings.HasPrefix(name, "."):
			t.Errorf("%s is left", name)
		case e.IsDir() || strings.HasSuffix(name, ".json") && !strings.HasSuffix(name, ".json.json"):
			args = append(args, filepath.Join(shards, name))
		}
	}
	if code, _, said := clipnh(args...); code != exitDone {
		t.Fatalf("merge: exit code %d: %s", code, said)
	}
}
