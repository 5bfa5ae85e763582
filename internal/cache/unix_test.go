//go:build unix

package cache

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/clipnh/clipnh/internal/foreign"
)

func TestWriteFileKeepsPermissionsAndLinks(t *testing.T) {
	dir := t.TempDir()
	old := unix.Umask(0o027)
	defer unix.Umask(old)
	real, link := filepath.Join(dir, "real"), filepath.Join(dir, "link")
	if err := new(Store).WriteFile(real, text("one")); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(real)
	if err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, want that of the umask, 0640 (%v)", info.Mode(), err)
	}
	if err := os.Symlink("real", link); err != nil {
		t.Fatal(err)
	}
	if err := new(Store).WriteFile(link, text("two")); err != nil {
		t.Fatal(err)
	}
	if got := files(t, dir); got["real"] != "two" {
		t.Errorf("files %q, want the link's target changed", got)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode().IsRegular() {
		t.Errorf("the link became a file (%v)", err)
	}
	if _, err := new(Store).Save(link, Manifest{Shape: []int{}}, text("three")); !errors.Is(err, ErrExists) {
		t.Errorf("error %v, want the file behind the link kept", err)
	}
	if err := os.Remove(link); err != nil {
		t.Fatal(err)
	}
	if _, err := new(Store).Save(filepath.Join(dir, "saved"), Manifest{Shape: []int{}}, text("three")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("saved", link); err != nil {
		t.Fatal(err)
	}
	hash, err := new(Store).Save(link, Manifest{Shape: []int{}}, text("four"))
	if err != nil {
		t.Fatal(err)
	}
	if a, err := Open(link); err != nil || a.Hash() != hash {
		t.Errorf("an artefact behind a link: %v", err)
	}
	if err := os.Symlink("nowhere", filepath.Join(dir, "dangling")); err != nil {
		t.Fatal(err)
	}
	if err := new(Store).WriteFile(filepath.Join(dir, "dangling"), text("x")); err == nil {
		t.Error("wrote through a link that leads nowhere")
	}
	pipe := filepath.Join(dir, "pipe")
	if err := unix.Mkfifo(pipe, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := new(Store).WriteFile(pipe, text("x")); err == nil {
		t.Error("replaced a pipe")
	}
}

// A pipe in the place of a manifest or a journal is refused at once, not waited for.
func TestPipes(t *testing.T) {
	dir := t.TempDir()
	pipe := func(elements ...string) {
		path := filepath.Join(append([]string{dir}, elements...)...)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := unix.Mkfifo(path, 0o600); err != nil {
			t.Skip(err)
		}
	}
	pipe("folder", "manifest.json")
	pipe("unfinished", "journal")
	pipe("a.npy.json")
	if err := os.WriteFile(filepath.Join(dir, "a.npy"), []byte("payload"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, open := range map[string]func(path string) error{
		"folder":     func(path string) error { _, err := Open(path); return err },
		"a.npy":      func(path string) error { _, err := Open(path); return err },
		"unfinished": func(path string) error { _, err := InspectUnfinished(path); return err },
	} {
		done := make(chan error, 1)
		go func() { done <- open(filepath.Join(dir, name)) }()
		select {
		case err := <-done:
			if !errors.Is(err, foreign.ErrKind) {
				t.Errorf("%s: %v, want %v", name, err, foreign.ErrKind)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%s: still waiting after 10 s", name)
		}
	}
}
