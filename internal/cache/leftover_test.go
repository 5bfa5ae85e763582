package cache

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
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
	err := WriteFile(filepath.Join(dir, "live.npy"), func(w io.Writer) error {
		found, err := RemoveLeftovers(dir)
		if err != nil || len(found) != len(killed) {
			t.Errorf("found %v, %v, want %q", found, err, killed)
		}
		for i, l := range found {
			if l != (Leftover{filepath.Join(dir, killed[i]), 4}) {
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
		finished = writeFile(m, "/d/a.sum", text("sums")) == nil
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
