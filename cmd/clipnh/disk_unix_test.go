//go:build unix

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestFileSizeLimit lets files grow to a limit and no further, anywhere between
// none and the largest file of a run: the command says so, and resumes once there
// is none.
func TestFileSizeLimit(t *testing.T) {
	for i, job := range faultJobs(t, 1) {
		t.Run(job.name, func(t *testing.T) {
			random := chance(2, i)
			want := job.undisturbed(t)
			largest := 0
			for _, content := range want.files {
				largest = max(largest, len(content))
			}
			for range job.times(thorough(1, 10)) {
				dir, limit := job.begin(t), random.IntN(largest)
				when := fmt.Sprintf("files of %d bytes at most", limit)
				end := job.start(t, dir, 1+random.IntN(3), fmt.Sprintf("%s=%d", limitEnv, limit)).wait(t)
				// A repair writes what is damaged only, which may lie below the limit.
				if end.code != exitDone {
					end.failed(t, when, "file too large")
					count("limits", 1)
				}
				job.resume(t, dir, want, when)
			}
		})
	}
}

// mount mounts a file system in memory, or skips the test.
func mount(t *testing.T, dir string, bytes int) {
	t.Helper()
	if err := mountTmpfs(dir, bytes, false); err != nil {
		t.Skipf("no file system may be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := unmount(dir); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
}

// TestFullDisk writes to a disk that is full before the run is done, and resumes
// when there is room.
func TestFullDisk(t *testing.T) {
	for i, job := range faultJobs(t, 2) {
		t.Run(job.name, func(t *testing.T) {
			random := chance(3, i)
			want := job.undisturbed(t)
			total := 0
			for _, content := range want.files {
				total += len(content) + os.Getpagesize()
			}
			for range job.times(thorough(1, 6)) {
				t.Run("", func(t *testing.T) {
					dir := t.TempDir()
					// The size is in pages, of which the folder takes one.
					size := (2 + random.IntN(max(1, total/os.Getpagesize()))) * os.Getpagesize()
					if job.prepare != nil {
						size += total
					}
					mount(t, dir, size)
					if job.prepare != nil {
						job.prepare(t, dir)
					}
					when := fmt.Sprintf("a disk of %d bytes", size)
					end := job.start(t, dir, 1+random.IntN(3)).wait(t)
					if end.code != exitDone {
						end.failed(t, when, "no space left", "the disk has room for")
						count("full disks", 1)
					}
					if err := mountTmpfs(dir, 256<<20, true); err != nil {
						t.Fatal(err)
					}
					job.resume(t, dir, want, when)
				})
			}
		})
	}
}

// nobody returns how the program is started as a user who may not do all, with a
// copy of it that this user may execute, or skips the test.
func nobody(t *testing.T) (copyOf string, as *syscall.SysProcAttr) {
	t.Helper()
	dir, err := os.MkdirTemp("", "clipnh-nobody")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	content, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	copyOf = filepath.Join(dir, "program")
	if err := errors.Join(os.WriteFile(copyOf, content, 0o755), os.Chmod(dir, 0o755), os.Chmod(copyOf, 0o755)); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() != 0 {
		return copyOf, nil
	}
	const id = 65534
	return copyOf, &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: id, Gid: id}}
}

// TestReadOnlyFolder writes where nothing may be written, and an image becomes
// unreadable: each is an error of one line, and when it is put right the command
// resumes.
func TestReadOnlyFolder(t *testing.T) {
	copyOf, as := nobody(t)
	base := filepath.Dir(copyOf)
	assets := filepath.Join(base, "assets")
	if err := os.CopyFS(assets, os.DirFS(filepath.Join("..", "..", "internal", "demo", "assets"))); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(base, "out")
	if err := errors.Join(os.Mkdir(out, 0o777), os.Chmod(out, 0o777)); err != nil {
		t.Fatal(err)
	}
	begin := func(threads int, args ...string) *process {
		p := &process{Cmd: program(append(args, "--quiet", "--threads", fmt.Sprint(threads))...)}
		p.Path, p.Stderr, p.SysProcAttr = copyOf, &p.said, as
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		return p
	}
	model := filepath.Join(assets, "tiny-clip.pt")
	data := filepath.Join(assets, "imagenet", "test")
	collect := func(path string, more ...string) []string {
		return append([]string{"collect", "--model", model, "--dataset", "images", "--data-path", data, "--sample-stride", "4", "--save-path", path}, more...)
	}
	whole := filepath.Join(out, "whole")
	if end := begin(2, collect(whole)...).wait(t); end.code != exitDone {
		t.Fatalf("exit code %d: %s", end.code, end.said)
	}
	want := &undisturbed{files: lasting(t, whole)}

	shut := filepath.Join(out, "shut")
	if err := errors.Join(os.Mkdir(shut, 0o555), os.Chmod(shut, 0o555)); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		collect(filepath.Join(shut, "scores")), collect(filepath.Join(shut, "mean"), "--mean"), collect(filepath.Join(shut, "dense.npy"), "--mode", "neurons"),
		{"svd", "--collect-save-path", whole, "--top-k-pca", "12", "--out-save-path", filepath.Join(shut, "pc0.npy")},
		{"embed", "--model", model, "--vocab", filepath.Join(assets, "bpe_demo_vocab.txt.gz"), "--lines", filepath.Join(assets, "words.txt"),
			"--embeddings-save-path", filepath.Join(shut, "words.npy")},
		{"registers", "--model", model, "--dataset", "images", "--data-path", data, "--diff-save-path", filepath.Join(shut, "drops.npy")},
		// Before there is anything to write: the table of labels is not there.
		{"audit", "--scores", whole, "--labels-csv", "none.csv", "--imagenet-zeroshot-path", "none.npy", "--classes", "dog,cat", "--out", filepath.Join(shut, "new", "audit")},
		{"audit", "--scores", whole, "--labels-csv", "none.csv", "--imagenet-zeroshot-path", "none.npy", "--classes", "dog,cat", "--out", shut},
		{"polysemanticity", "--scores", whole, "--plot", filepath.Join(shut, "figure.png")},
		{"explain", filepath.Join(assets, "imagenet", "test"), "--model", model, "--vocab", filepath.Join(assets, "bpe_demo_vocab.txt.gz"), "--classes", "dog,cat",
			"--save-dir", filepath.Join(shut, "explained")},
		{"search", "--scores", whole, "--units", "n1", "--data-path", data, "--save-dir", filepath.Join(shut, "found")},
	} {
		begin(2, args...).wait(t).failed(t, strings.Join(args[:1], " ")+" to a folder that is read-only", "permission denied", "cannot be written")
		if left := filesBelow(t, shut); len(left) > 0 {
			t.Errorf("%s left %d files in a folder that is read-only", args[0], len(left))
		}
	}
	// What is finished can be read, and is not begun again.
	if err := os.Chmod(whole, 0o555); err != nil {
		t.Fatal(err)
	}
	if end := begin(1, "verify", whole).wait(t); end.code != exitDone {
		t.Errorf("verify a folder that is read-only: exit code %d: %s", end.code, end.said)
	}
	if end := begin(1, collect(whole)...).wait(t); end.code != exitDone {
		t.Errorf("collect what is there already, in a folder that is read-only: exit code %d: %s", end.code, end.said)
	}
	if err := errors.Join(os.Chmod(whole, 0o777), os.Chmod(shut, 0o777)); err != nil {
		t.Fatal(err)
	}
	if end := begin(1, collect(filepath.Join(shut, "scores"))...).wait(t); end.code != exitDone {
		t.Errorf("a folder that can be written again: exit code %d: %s", end.code, end.said)
	}
	want.compare(t, filepath.Join(shut, "scores"), "a folder that can be written again")

	// An image that cannot be read from the beginning is skipped; one that could
	// be when the run began is not.
	last := lastImage(t, data, 4)
	for range 20 {
		path := filepath.Join(out, "unreadable")
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
		p := begin(1, collect(path)...)
		begun := p.waitFor(t, filepath.Join(path, "journal"), 0)
		if err := os.Chmod(last, 0); err != nil {
			t.Fatal(err)
		}
		end := p.wait(t)
		if err := os.Chmod(last, 0o644); err != nil {
			t.Fatal(err)
		}
		if !begun || end.code == exitDone {
			continue // it was faster
		}
		end.failed(t, "an image that becomes unreadable", "it could be read when the run began")
		count("pictures", 1)
		count("resumes", 1)
		if end := begin(2, collect(path)...).wait(t); end.code != exitDone {
			t.Fatalf("exit code %d: %s", end.code, end.said)
		}
		want.compare(t, path, "an image that was unreadable for a while")
		return
	}
	t.Error("20 runs were done before the image became unreadable")
}
