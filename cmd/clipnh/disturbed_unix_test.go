//go:build unix

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/clipnh/clipnh/internal/cache"
)

// lastImage is the last one of a folder that a stride takes.
func lastImage(t *testing.T, dir string, stride int) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) == 0 {
		t.Fatalf("%s: %d entries (%v)", dir, len(entries), err)
	}
	return filepath.Join(dir, entries[(len(entries)-1)/stride*stride].Name())
}

// TestImagesChange removes or overwrites an image while a collection runs, or between
// two runs: the command stops, and resumes when the image is restored.
func TestImagesChange(t *testing.T) {
	assets := filepath.Join("..", "..", "internal", "demo", "assets")
	base := t.TempDir()
	data := filepath.Join(base, "pictures")
	if err := os.CopyFS(data, os.DirFS(filepath.Join(assets, "imagenet", "test"))); err != nil {
		t.Fatal(err)
	}
	last := lastImage(t, data, 4)
	first := filepath.Join(data, filepath.Base(lastImage(t, data, 1<<20)))
	good := map[string][]byte{}
	for _, path := range []string{first, last} {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		good[path] = content
	}
	same := bytes.Clone(good[first]) // in length
	same[len(same)-10] ^= 1
	for _, job := range []struct {
		name, progress string // a file that says how far a run is
		more           []string
	}{
		{"scores", "scores/journal", nil},
		{"statistics", "statistics/journal", []string{"--stats-only", "--top-k", "5"}},
		{"mean", "mean.sum", []string{"--mean"}},
	} {
		collect := faultJob{name: "images " + job.name, args: func(dir string) []string {
			return append([]string{"collect", "--model", filepath.Join(assets, "tiny-clip.pt"), "--dataset", "images", "--data-path", data,
				"--sample-stride", "4", "--save-path", filepath.Join(dir, job.name)}, job.more...)
		}}
		want := collect.undisturbed(t)
		for _, fault := range []struct {
			name, wanted string
			code         int
			do           func() error // while the run is at work
			then         func() error // before the next, which is refused if it changes something; nil
		}{
			{"vanishes", "it could be read when the run began", exitFailed, func() error { return os.Remove(last) }, nil},
			{"is replaced", "changed while the run was under way", exitFailed, func() error { return os.WriteFile(last, good[first], 0o666) }, nil},
			{"is cut short", "changed while the run was under way", exitFailed, func() error { return os.Truncate(last, 100) }, nil},
			{"has been changed since", "collected with CRC-32C ", exitStale, func() error { return os.Remove(last) }, func() error {
				return errors.Join(os.WriteFile(last, good[last], 0o666), os.WriteFile(first, same, 0o666))
			}},
		} {
			t.Run(job.name+" of an image that "+fault.name, func(t *testing.T) {
				for range thorough(1, 2) {
					for attempt := 0; ; attempt++ {
						if attempt == 30 {
							t.Fatal("30 runs were done before the image was changed")
						}
						dir := collect.begin(t)
						p := collect.start(t, dir, 1)
						begun := p.waitFor(t, filepath.Join(dir, job.progress), 0)
						if err := fault.do(); err != nil {
							t.Fatal(err)
						}
						end := p.wait(t)
						ours := begun && end.code != exitDone
						if ours && fault.then != nil {
							if err := fault.then(); err != nil {
								t.Fatal(err)
							}
							if end = collect.start(t, dir, 2).wait(t); end.code == exitDone {
								ours = false // nothing had been collected
							}
						}
						for path, content := range good {
							if err := os.WriteFile(path, content, 0o666); err != nil {
								t.Fatal(err)
							}
						}
						if !ours {
							continue
						}
						if end.code != fault.code || !strings.Contains(end.said, fault.wanted) {
							t.Fatalf("exit code %d, want %d and %q: %s", end.code, fault.code, fault.wanted, end.said)
						}
						count("pictures", 1)
						collect.resume(t, dir, want, "an image that "+fault.name)
						break
					}
				}
			})
		}
	}
}

// TestTwoWriters starts a command while the same one is at work: it says so and
// leaves, or finds all done; and whoever reads sees the whole artefact or none.
func TestTwoWriters(t *testing.T) {
	for _, job := range faultJobs(t, 1) {
		t.Run(job.name, func(t *testing.T) {
			want := job.undisturbed(t)
			locked := 0
			for range thorough(1, 4) {
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
					t.Fatal("neither of two writers was done")
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
		t.Run(job.name, func(t *testing.T) {
			dir := job.begin(t)
			before := fmt.Sprint(lasting(t, dir))
			var held []func()
			for name := range job.undisturbed(t).files {
				path := filepath.Join(dir, name)
				if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
					t.Fatal(err)
				}
				if filepath.Base(name) == "manifest.json" {
					path = filepath.Join(filepath.Dir(path), "") + string(filepath.Separator)
				}
				release, err := cache.LockArtefact(path)
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
			if job.name != "sparse" && fmt.Sprint(after) != before {
				t.Errorf("files have changed: %d are there", len(after))
			}
		})
	}
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
