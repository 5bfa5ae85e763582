//go:build unix

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestKubernetesTree does as a cluster does with the jobs of "submit kubernetes --list --fan-in":
// it starts all pods, the last merge first and the list last, and starts those again that end with
// status 10. What there is in the end has the bytes of one run.
func TestKubernetesTree(t *testing.T) {
	assets, err := filepath.Abs(filepath.Join("..", "..", "internal", "demo", "assets"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	collect := func(save string) []string {
		return []string{"collect", "--model", filepath.Join(assets, "tiny-clip.pt"), "--dataset", "imagenet_test", "--data-path", filepath.Join(assets, "imagenet"),
			"--sample-stride", "10", "--stats-only", "--no-features", "--top-k", "3", "--save-path", filepath.Join(dir, save), "--threads", "1"}
	}
	if code, _, said := clipnh(append(collect("whole"), "--quiet")...); code != exitDone {
		t.Fatal(said)
	}
	// 5 shards in parts of at most 2: the first part is of one shard alone.
	code, out, said := clipnh(slices.Concat([]string{"submit", "kubernetes", "--dry-run", "--json", "--image", "image", "--volume", "claim:" + filepath.Dir(dir),
		"--program", os.Args[0], "--shards", "5", "--fan-in", "2", "--list", "--retry-after", "1s", "--"}, collect("scores"))...)
	if code != exitDone {
		t.Fatal(said)
	}
	var r submitted
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatal(err)
	}
	var jobs []kubeJob
	var names []string
	for text := range strings.SplitSeq(r.Scripts[0].Text, "\n---\n") {
		job := kubeJobOf(t, text)
		jobs, names = append(jobs, job), append(names, job.Metadata.Name)
	}
	if got, want := strings.Join(names, " "), "clipnh-scores-list clipnh-scores clipnh-scores-parts clipnh-scores-merge"; got != want {
		t.Fatalf("jobs %s, want %s", got, want)
	}
	var all sync.WaitGroup
	for _, job := range slices.Backward(jobs) {
		pods := 1
		if job.Spec.Completions != nil {
			pods = *job.Spec.Completions
		}
		for index := range pods {
			all.Go(func() { job.run(t, index) })
		}
		time.Sleep(50 * time.Millisecond)
	}
	all.Wait()
	whole, merged := lasting(t, filepath.Join(dir, "whole")), lasting(t, filepath.Join(dir, "scores"))
	if len(whole) == 0 {
		t.Fatal("one run left no files")
	}
	for name, sum := range whole {
		if merged[name] != sum {
			t.Errorf("%s differs from that of one run", name)
		}
	}
	for _, part := range []string{"scores.2-3-of-5", "scores.4-5-of-5"} {
		if _, err := os.Stat(filepath.Join(dir, part)); err != nil {
			t.Error(err)
		}
	}
}

// run starts a pod of the job, again and again while it waits for what others make.
func (j kubeJob) run(t *testing.T, index int) {
	line := j.line()
	for attempt := 0; ; attempt++ {
		cmd := exec.Command(line[0], line[1:]...)
		cmd.Env = append(os.Environ(), programEnv+"=1", fmt.Sprintf("JOB_COMPLETION_INDEX=%d", index))
		said, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		switch {
		case err == nil:
			return
		case errors.As(err, &exit) && exit.ExitCode() == exitMissing && attempt < 600:
			time.Sleep(100 * time.Millisecond)
		default:
			t.Errorf("%s, pod %d: %v: %s", j.Metadata.Name, index, err, said)
			return
		}
	}
}
