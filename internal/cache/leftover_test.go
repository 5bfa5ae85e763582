package cache

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestLeftovers lists and removes the temporary files of killed runs, and neither
// those of one at work nor other programs'.
func TestLeftovers(t *testing.T) {
	dir := t.TempDir()
	killed := []string{"a.npy.clipnh-0123456789abcdef.tmp", "b.npy.journal.clipnh-0123456789abcdef.tmp"}
	for _, name := range append([]string{"a.npy.tmp", "c.tmp"}, killed...) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("half"), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	before := files(t, dir)
	err := new(Store).WriteFile(filepath.Join(dir, "live.npy"), func(w io.Writer) error {
		found, err := RemoveLeftovers(dir)
		if err != nil || len(found) != len(killed) {
			t.Errorf("found %v, %v, want %q", found, err, killed)
		}
		for i, l := range found {
			if l != (Leftover{filepath.Join(dir, killed[i]), 4, false}) {
				t.Errorf("found %v, want %s", l, killed[i])
			}
		}
		_, err = io.WriteString(w, "whole")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	after := files(t, dir)
	for _, name := range killed {
		delete(before, name)
	}
	before["live.npy"] = "whole"
	sameFiles(t, after, before)
}

// TestLeftoversOfEachKind tells what a killed run left from what is in use, and from
// what others made.
func TestLeftoversOfEachKind(t *testing.T) {
	dir := t.TempDir()
	if err := saveKind(filepath.Join(dir, "a.npy"), "means", "x"); err != nil {
		t.Fatal(err)
	}
	manifest := files(t, dir)["a.npy.json"]
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	dead := fmt.Sprintf("%s\nprocess 999999999\nmachine %s\n", lockMark, host)
	const stays, goes, unmarked = 0, 1, 2
	all := map[string]struct {
		text string
		is   int
	}{
		"a.npy.clipnh-0123456789abcdef.tmp": {"half", goes},
		".clipnh-123456.tmp":                {"", goes},
		".clipnh-77.tmp":                    {"not empty", stays},
		".clipnh-x.tmp":                     {"", stays},
		"a.npy.json.tmp":                    {manifest, goes},
		"a.npy.tmp":                         {"half", unmarked},
		"other.npy.tmp":                     {"half", stays},
		"a.npy.lock":                        {"", goes},
		"mean.npy.sum.run.lock":             {"", goes},
		"other.lock":                        {"", stays},
		"dead.npy.lock":                     {dead, goes},
		"away.npy.lock":                     {strings.Replace(dead, host, host+"x", 1), stays},
		"alive.npy.lock":                    {strings.Replace(dead, "999999999", fmt.Sprint(os.Getpid()), 1), stays},
		"yarn.lock":                         {"# of another program", stays},
	}
	hourAgo := time.Now().Add(-time.Hour)
	for name, f := range all {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(path, []byte(f.text), 0o666), os.Chtimes(path, hourAgo, hourAgo)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, ".clipnh-5.tmp"), nil, 0o666); err != nil { // in use, perhaps
		t.Fatal(err)
	}
	before := files(t, dir)
	found, err := RemoveLeftovers(dir)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for _, l := range found {
		if got[filepath.Base(l.Path)] = goes; l.Unmarked {
			got[filepath.Base(l.Path)] = unmarked
		}
	}
	for name, f := range all {
		if got[name] != f.is {
			t.Errorf("%s: %d, want %d", name, got[name], f.is)
		}
		if f.is == goes {
			delete(before, name)
		}
	}
	sameFiles(t, files(t, dir), before)

	// A lock that somebody holds stays, however old.
	release, err := new(Store).LockArtefact(filepath.Join(dir, "a.npy"))
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if err := os.Chtimes(filepath.Join(dir, "a.npy.lock"), hourAgo, hourAgo); err != nil {
		t.Fatal(err)
	}
	if found, err := RemoveLeftovers(dir); err != nil || len(found) != 0 {
		t.Errorf("while the lock is held: %v, %v", found, err)
	}
}

// TestWriteFileRemovesLeftovers holds that what killed writers of a file left goes when
// it is written again, and nothing else.
func TestWriteFileRemovesLeftovers(t *testing.T) {
	for name, store := range map[string]*Store{"no store": nil, "a store": {}} {
		dir := t.TempDir()
		for _, f := range []string{"a.png.clipnh-0123456789abcdef.tmp", "b.png.clipnh-0123456789abcdef.tmp", "a.png.tmp"} {
			if err := os.WriteFile(filepath.Join(dir, f), []byte("half"), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			if err := store.WriteFile(filepath.Join(dir, "a.png"), text("whole")); err != nil {
				t.Fatal(err)
			}
		}
		sameFiles(t, files(t, dir), map[string]string{"a.png": "whole", "b.png.clipnh-0123456789abcdef.tmp": "half", "a.png.tmp": "half"})
		if err := store.WriteFile(filepath.Join(dir, "b.png"), text("whole")); err != nil {
			t.Fatal(err)
		}
		if _, there := files(t, dir)["b.png.clipnh-0123456789abcdef.tmp"]; there {
			t.Errorf("%s: a second file's temporary file is left", name)
		}
	}
}

// TestRemoveFile removes a state and what a killed run left of it, and nothing
// where nothing is, so that it needs no leave to write there.
func TestRemoveFile(t *testing.T) {
	m := newMemDisk(0)
	m.now["/d"], m.durable["/d"] = nil, nil
	if err := removeFile(m, "/d/a.sum"); err != nil || m.ops != 1 {
		t.Errorf("nothing there: %v, %d changes", err, m.ops)
	}
	for at, finished := 1, false; !finished; at++ {
		m.failAt, m.ops, m.crashes = at, 0, true
		finished = writeFile(m, "/d/a.sum", nil, text("sums")) == nil
		m.reboot()
		if err := removeFile(m, "/d/a.sum"); err != nil && !errors.Is(err, ErrLocked) {
			t.Fatal(err)
		}
		for path := range m.snapshot() {
			if filepath.Ext(path) != lockSuffix {
				t.Errorf("crash at %d: %s is left", at, path)
			}
		}
	}
}
