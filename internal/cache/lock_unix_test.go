//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package cache

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestLinksAreNotFollowed has a link at every name that a writer could write to:
// what it leads to stays.
func TestLinksAreNotFollowed(t *testing.T) {
	for _, at := range []string{"a.npy.tmp", "a.npy.json.tmp", "a.npy.lock", "a.npy.json.pending"} {
		dir := t.TempDir()
		precious := filepath.Join(dir, "precious")
		if err := os.WriteFile(precious, []byte("years of work"), 0o666); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("precious", filepath.Join(dir, at)); err != nil {
			t.Fatal(err)
		}
		err := saveKind(filepath.Join(dir, "a.npy"), "means", "x")
		if refused := !strings.HasSuffix(at, tmpSuffix); refused != errors.Is(err, ErrExists) || !refused && err != nil {
			t.Errorf("%s: %v", at, err)
		}
		if files(t, dir)["precious"] != "years of work" {
			t.Errorf("%s: the file behind the link was written to", at)
		}
	}
	// Nor is one that leads nowhere yet.
	dir := t.TempDir()
	if err := os.Symlink("made", filepath.Join(dir, "a.npy.lock")); err != nil {
		t.Fatal(err)
	}
	if err := saveKind(filepath.Join(dir, "a.npy"), "means", "x"); !errors.Is(err, ErrExists) {
		t.Errorf("a lock that is a link to nowhere: %v", err)
	}
	if _, err := os.Lstat(filepath.Join(dir, "made")); !errors.Is(err, os.ErrNotExist) {
		t.Error("a file was made through a link")
	}
}

// TestResumesThroughNoLink has a link in the place of a collection's unfinished files.
func TestResumesThroughNoLink(t *testing.T) {
	for _, name := range []string{"scores.npy.partial", "journal"} {
		dir := t.TempDir()
		j := job{path: filepath.Join(dir, "scores"), plan: testPlan("scores.npy")}
		w, err := new(Store).OpenChunks(j.path, j.plan, false)
		if err != nil {
			t.Fatal(err)
		}
		appendSome(t, w, j, 1)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		path, precious := filepath.Join(j.path, name), filepath.Join(dir, "precious")
		if err := errors.Join(os.Rename(path, precious), os.Symlink("../precious", path)); err != nil {
			t.Fatal(err)
		}
		before, err := os.ReadFile(precious)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := new(Store).OpenChunks(j.path, j.plan, false); !errors.Is(err, unix.ELOOP) {
			t.Errorf("%s is a link: %v", name, err)
		}
		if after, err := os.ReadFile(precious); err != nil || string(after) != string(before) {
			t.Errorf("%s is a link: what it leads to was changed (%v)", name, err)
		}
	}
}

// TestLockFileOfAnotherKind refuses a folder and a pipe, without waiting.
func TestLockFileOfAnotherKind(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.lock")
	for name, make := range map[string]func() error{
		"folder": func() error { return os.Mkdir(path, 0o777) },
		"pipe":   func() error { return unix.Mkfifo(path, 0o666) },
	} {
		if err := make(); err != nil {
			t.Fatal(err)
		}
		done := time.AfterFunc(10*time.Second, func() { panic("the lock waits") })
		if _, err := lockFile(path); !errors.Is(err, ErrExists) || adviceOf(err) == "" {
			t.Errorf("%s: %v, want %v", name, err, ErrExists)
		}
		done.Stop()
		if err := os.Remove(path); err != nil {
			t.Errorf("%s is gone: %v", name, err)
		}
	}
}

// TestNoFlock has file systems that refuse flock: the lock file itself is the lock.
func TestNoFlock(t *testing.T) {
	for _, errno := range []unix.Errno{unix.ENOSYS, unix.ENOLCK, unix.EOPNOTSUPP} {
		path := filepath.Join(t.TempDir(), "a.lock")
		none := func(int, int) error { return errno }
		first, err := lockFileWith(path, none)
		if err != nil {
			t.Fatalf("%v: %v", errno, err)
		}
		if !strings.Contains(first.note, "no flock on this file system") {
			t.Errorf("%v: note %q", errno, first.note)
		}
		// Those who have flock on the same file heed it as well.
		for _, flock := range []flock{none, unix.Flock} {
			_, err := lockFileWith(path, flock)
			if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), fmt.Sprint(os.Getpid())) || !strings.Contains(adviceOf(err), path) {
				t.Errorf("%v: a second one: %v (%s)", errno, err, adviceOf(err))
			}
		}
		first.release()
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("released, and still there: %v", err)
		}
		if err := os.WriteFile(path, fmt.Appendf(nil, "%s\nprocess 999999999\nmachine %s\n", lockMark, hostname(t)), 0o666); err != nil {
			t.Fatal(err)
		}
		if _, err := lockFileWith(path, none); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), "no longer running") || !strings.Contains(adviceOf(err), "remove "+path) {
			t.Errorf("that of an older build, which was killed: %v (%s)", err, adviceOf(err))
		}
	}
	// Another error is one.
	if _, err := lockFileWith(filepath.Join(t.TempDir(), "a.lock"), func(int, int) error { return unix.EIO }); !errors.Is(err, unix.EIO) {
		t.Errorf("error %v, want %v", err, unix.EIO)
	}
}

// TestNoteOnce tells of a file system without flock once.
func TestNoteOnce(t *testing.T) {
	said := 0
	s := &Store{Note: func(string) { said++ }}
	d := noting{noFlockDisk{}, s}
	for range 3 {
		if err := writeFile(d, filepath.Join(t.TempDir(), "a"), nil, text("x")); err != nil {
			t.Fatal(err)
		}
	}
	if said != 1 {
		t.Errorf("said %d times, want once", said)
	}
	w, err := openChunks(noting{noFlockDisk{}, &Store{Note: func(string) { said++ }}}, filepath.Join(t.TempDir(), "scores"), testPlan("scores.npy"), false)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil || said != 2 {
		t.Errorf("a collection: said %d times in all, want twice (%v)", said, err)
	}
}

// noFlockDisk is the real disk, with another file system's flock.
type noFlockDisk struct{ osDisk }

func (noFlockDisk) lock(path string) (*held, error) {
	return lockFileWith(path, func(int, int) error { return unix.ENOLCK })
}

func hostname(t *testing.T) string {
	t.Helper()
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	return name
}
