//go:build unix

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/demo"
)

// TestTwoWriters starts a command while the same one is at work: it says so and
// leaves, or finds all done; and whoever reads sees the whole artefact or none.
func TestTwoWriters(t *testing.T) {
	for _, job := range faultJobs(t, 1) {
		t.Run(job.name, func(t *testing.T) {
			want := job.undisturbed(t)
			locked := 0
			for range job.times(thorough(1, 4)) {
				dir := job.begin(t)
				first := job.start(t, dir, 1)
				done := make(chan bool)
				var stop atomic.Bool
				go func() {
					defer close(done)
					for !stop.Load() {
						want.noneIsPartial(t, dir)
					}
				}()
				first.waitUntil(t, func() bool { return len(lasting(t, dir)) < len(filesBelow(t, dir)) }) // it holds a lock
				second := job.start(t, dir, 1)
				ends := []ending{first.wait(t), second.wait(t)}
				stop.Store(true)
				<-done
				finished := false
				for _, end := range ends {
					switch {
					case end.code == exitDone:
						finished = true
					case strings.Contains(end.said, cache.ErrLocked.Error()):
						end.failed(t, "a second writer", "wait until it is done")
						locked++
					default:
						t.Fatalf("exit code %d: %s", end.code, end.said)
					}
				}
				if !finished {
					t.Fatalf("neither of two writers was done: %q", []string{ends[0].said, ends[1].said})
				}
				want.compareFiles(t, job.lasting(t, dir), "two writers")
			}
			t.Logf("%d were told to wait", locked)
		})
	}
}

// TestLockedOut holds the locks that commands take: each leaves with a message, and
// what is there stays.
func TestLockedOut(t *testing.T) {
	for _, job := range faultJobs(t, 2) {
		if job.waits || job.name == "data subset" { // which takes a lock file for a file of others
			continue
		}
		t.Run(job.name, func(t *testing.T) {
			dir := job.begin(t)
			paths := job.locks(t, dir)
			before := fmt.Sprint(lasting(t, dir))
			var held []func()
			for _, path := range paths {
				if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
					t.Fatal(err)
				}
				release, err := new(cache.Store).LockArtefact(path)
				if err != nil {
					t.Fatal(err)
				}
				held = append(held, release)
			}
			job.start(t, dir, 1).wait(t).failed(t, "while the locks are held", cache.ErrLocked.Error())
			for _, release := range held {
				release()
			}
			after := lasting(t, dir)
			for name := range after {
				if strings.HasSuffix(name, ".sum") {
					delete(after, name) // how far a mean is, for the next run
				}
			}
			// sparse does what it can before the first lock.
			if job.name != "sparse" && fmt.Sprint(after) != before {
				t.Errorf("files have changed: %d are there", len(after))
			}
		})
	}
}

// locks are the paths that a job's writers lock: one for a whole folder, or all that it
// writes.
func (j faultJob) locks(t *testing.T, dir string) []string {
	switch j.name {
	case "demo": // once the files are laid out
		if code, _, said := clipnh("demo", "--files-only", "--quiet", "--dir", filepath.Join(dir, "demo")); code != exitDone {
			t.Fatal(said)
		}
		return []string{filepath.Join(dir, "demo", demo.Log)}
	case "paper", "report":
		return []string{filepath.Join(dir, j.name, "report.json.run")}
	}
	var paths []string
	for name := range j.undisturbed(t).files {
		path := filepath.Join(dir, name)
		if filepath.Base(name) == "manifest.json" {
			path = filepath.Dir(path) + string(filepath.Separator)
		}
		paths = append(paths, path)
	}
	return paths
}

// TestThreads runs every command with one thread, two, and more than there are
// processors: the bytes are the same.
func TestThreads(t *testing.T) {
	for _, job := range faultJobs(t, 0) {
		t.Run(job.name, func(t *testing.T) {
			want := job.undisturbed(t)
			for _, threads := range []int{64, 1}[:thorough(1, 2)] {
				dir := job.begin(t)
				if end := job.start(t, dir, threads).wait(t); end.code != exitDone {
					t.Fatalf("exit code %d: %s", end.code, end.said)
				}
				want.compareFiles(t, job.lasting(t, dir), fmt.Sprint(threads, " threads"))
			}
		})
	}
}
