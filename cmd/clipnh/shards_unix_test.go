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

// schedulers are how scripts/shard.sh is told the number of a shard, from 0.
var schedulers = []func(number int) string{
	func(number int) string { return fmt.Sprintf("SLURM_ARRAY_TASK_ID=%d", number+1) },
	func(number int) string { return fmt.Sprintf("JOB_COMPLETION_INDEX=%d", number) },
	func(number int) string { return fmt.Sprintf("SHARD_INDEX=%d", number+1) },
}

// task starts the job's shard, from 0, as a scheduler would, in a process group of
// its own.
func (j shardJob) task(t *testing.T, dir string, number, threads int, scheduler func(int) string) *process {
	t.Helper()
	script := filepath.Join("..", "..", "scripts", "shard.sh")
	p := &process{Cmd: exec.Command(script, slices.Concat([]string{j.command}, j.args,
		[]string{"--save-path", filepath.Join(dir, j.name), "--threads", fmt.Sprint(threads), "--quiet"})...)}
	p.Env = append(os.Environ(), programEnv+"=1", "CLIPNH="+os.Args[0], fmt.Sprintf("SHARDS=%d", j.shards), scheduler(number))
	p.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.Stderr = &p.said
	if err := p.Start(); err != nil {
		t.Error(err)
	}
	return p
}

// TestShards does as a scheduler does: it starts all shards of a job at once through
// scripts/shard.sh, kills some at random moments, and starts them again until all are
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

// TestShardScript checks that shard numbers that are not numbers, or are out of range,
// are refused before anything is run.
func TestShardScript(t *testing.T) {
	script := filepath.Join("..", "..", "scripts", "shard.sh")
	for _, tt := range []struct {
		env    []string
		args   []string
		code   int
		stdout string
		stderr string
	}{
		{[]string{"SHARDS=16", "SLURM_ARRAY_TASK_ID=08"}, []string{"segment", "--classes", "a b"}, 0, "segment --shard 8/16 --classes a b\n", ""},
		{[]string{"SHARDS=16", "SLURM_ARRAY_TASK_ID=0", "SHARD_FIRST=0"}, []string{"shift"}, 0, "shift --shard 1/16\n", ""},
		{[]string{"SHARDS=4", "JOB_COMPLETION_INDEX=3"}, []string{"collect"}, 0, "collect --shard 4/4\n", ""},
		{[]string{"SHARDS=4", "SHARD_INDEX=2", "JOB_COMPLETION_INDEX=3"}, []string{"collect"}, 0, "collect --shard 2/4\n", ""},
		{[]string{"SHARDS=4", "JOB_COMPLETION_INDEX=4"}, []string{"collect"}, 2, "", "is shard 5 of 4"},
		{[]string{"SHARDS=4", "SLURM_ARRAY_TASK_ID=0"}, []string{"collect"}, 2, "", "is shard 0 of 4"},
		{[]string{"SHARDS=4", "SHARD_INDEX=1/4"}, []string{"collect"}, 2, "", "want a number"},
		{[]string{"SHARD_INDEX=1"}, []string{"collect"}, 2, "", "SHARDS is not set"},
		{[]string{"SHARDS=4"}, []string{"collect"}, 2, "", "no number of a scheduler"},
		{[]string{"SHARDS=4", "SHARD_INDEX=1"}, []string{"merge"}, 2, "", "merge has no shards"},
		{[]string{"SHARDS=4", "SHARD_INDEX=1"}, nil, 2, "", "want a command"},
	} {
		cmd := exec.Command(script, tt.args...)
		cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "CLIPNH=echo"}, tt.env...)
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		cmd.Run()
		if code := cmd.ProcessState.ExitCode(); code != tt.code || stdout.String() != tt.stdout || !strings.Contains(stderr.String(), tt.stderr) {
			t.Errorf("%v %v: exit status %d, %q, %q, want %d, %q, %q", tt.env, tt.args, code, stdout.String(), stderr.String(), tt.code, tt.stdout, tt.stderr)
		}
	}
}
