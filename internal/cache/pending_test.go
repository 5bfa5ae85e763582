package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/origin"
)

const savedPath = "/d/pcs.npy"

// saveText saves an artefact whose manifest names its text.
func saveText(d disk, text string) error {
	m := Manifest{Kind: "text", Shape: []int{len(text)}, Origin: origin.Origin{Mode: text}}
	_, err := save(d, savedPath, m, func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	})
	return err
}

// readText opens the artefact as a reader would at that moment, and returns its
// text. It must be whole, and have its own manifest.
func readText(m *memDisk) (string, error) {
	a, err := openArtefact(m, savedPath)
	if err != nil {
		return "", err
	}
	if damage, err := a.Verify(context.Background(), nil); err != nil || damage != nil {
		return "", fmt.Errorf("%w: %v", errors.Join(err, ErrDamaged), damage)
	}
	text := m.snapshot()[savedPath]
	if text != a.Manifest.Origin.Mode {
		return text, fmt.Errorf("manifest of %q beside %q", a.Manifest.Origin.Mode, text)
	}
	return text, nil
}

// TestCrashInSave makes and replaces an artefact, with a reader before every
// change, and crashes or fails at each. A reader sees the old one or the new one,
// or nothing where there was none; a payload never stands there as a file of
// another program. The text that replaces may have the old one's length or bytes.
func TestCrashInSave(t *testing.T) {
	for _, old := range []string{"", "old text", "new", "older"} {
		for _, crashes := range []bool{false, true} {
			for at, finished := 1, false; !finished; at++ {
				for seed := range seeds(8, 20) {
					m := newMemDisk(seed)
					m.now["/d"], m.durable["/d"] = nil, nil
					if old != "" {
						if err := saveText(m, old); err != nil {
							t.Fatal(err)
						}
					}
					look := func(when string) {
						t.Helper()
						text, err := readText(m)
						if old == "" && errors.Is(err, ErrMissing) || err == nil && (text == old || text == "new") {
							return
						}
						t.Fatalf("old %q, %s change %d, crash %v, seed %d: a reader finds %q, %v\nfiles %q", old, when, at, crashes, seed, text, err, m.snapshot())
					}
					m.ops, m.failAt, m.crashes = 0, at, crashes
					m.watch = func() { look("before") }
					err := saveText(m, "new")
					m.watch = nil
					finished = err == nil
					if crashes {
						m.reboot()
					}
					look("after")
					m.failAt = 0
					if !crashes && err != nil {
						for path := range m.snapshot() {
							if strings.HasSuffix(path, tmpSuffix) {
								t.Errorf("fault at %d: %s is left", at, path)
							}
						}
					}
					if err := saveText(m, "new"); err != nil {
						t.Fatalf("crash at %d, seed %d: then %v", at, seed, err)
					}
					if files := m.snapshot(); len(files) != 2 || files[savedPath] != "new" {
						t.Errorf("crash at %d, seed %d: then files %q", at, seed, files)
					}
				}
			}
		}
	}
}

// TestCrashTwiceInSave crashes, replaces again and crashes again.
func TestCrashTwiceInSave(t *testing.T) {
	for first, finished := 1, false; !finished; first++ {
		for second, ended := 1, false; !ended; second++ {
			for seed := range seeds(4, 20) {
				m := newMemDisk(seed)
				m.now["/d"], m.durable["/d"] = nil, nil
				if err := saveText(m, "one"); err != nil {
					t.Fatal(err)
				}
				m.ops, m.failAt, m.crashes = 0, first, true
				finished = saveText(m, "two") == nil
				m.reboot()
				m.failAt = second
				ended = saveText(m, "333") == nil
				m.reboot()
				if text, err := readText(m); err != nil {
					t.Fatalf("crashes at %d and %d, seed %d: a reader finds %q, %v\nfiles %q", first, second, seed, text, err, m.snapshot())
				}
			}
		}
	}
}

// TestLeftByOlder has what builds before the pending name left when they died:
// the new manifest as X.json.tmp beside the old or the new payload.
func TestLeftByOlder(t *testing.T) {
	left := func(payload, manifestOf string) *memDisk {
		m := newMemDisk(0)
		m.now["/d"] = nil
		if err := saveText(m, manifestOf); err != nil {
			t.Fatal(err)
		}
		manifest := m.now[savedPath+".json"]
		delete(m.now, savedPath+".json")
		m.now[savedPath+".json.tmp"] = manifest
		m.now[savedPath] = &memInode{[]byte(payload), []byte(payload)}
		return m
	}
	m := left("new", "new")
	if text, err := readText(m); err != nil || text != "new" {
		t.Errorf("the new payload: %q, %v", text, err)
	}
	m = left("old", "new")
	if _, err := readText(m); !errors.Is(err, ErrMissing) || !strings.Contains(err.Error(), "it is being replaced") || adviceOf(err) == "" {
		t.Errorf("the old payload: %v, want it refused", err)
	}
	for _, payload := range []string{"old", "new"} {
		m := left(payload, "new")
		if err := saveText(m, "next"); err != nil {
			t.Fatal(err)
		}
		if text, err := readText(m); err != nil || text != "next" || len(m.snapshot()) != 2 {
			t.Errorf("over the %s payload: %q, %v, files %q", payload, text, err, m.snapshot())
		}
		for at, finished := 1, false; !finished; at++ {
			m := left(payload, "new")
			m.durable = maps.Clone(m.now)
			m.ops, m.failAt, m.crashes = 0, at, true
			finished = saveText(m, "next") == nil
			m.reboot()
			if _, err := readText(m); err != nil && !(payload == "old" && errors.Is(err, ErrMissing)) {
				t.Errorf("over the %s payload, crash at %d: %v", payload, at, err)
			}
		}
	}
	// A temporary name is nobody's mark.
	m = left("mine", "new")
	m.now[savedPath+".json.tmp"].data = []byte(`{"my": "notes"}`)
	if _, err := readText(m); !errors.Is(err, ErrNoManifest) {
		t.Errorf("beside another program's file: %v, want %v", err, ErrNoManifest)
	}
	if err := saveText(m, "next"); !errors.Is(err, ErrExists) || m.snapshot()[savedPath] != "mine" {
		t.Errorf("over another program's file: %v", err)
	}
}

// TestCanSaveSettles crashes while an artefact is replaced: what CanSave leaves is a
// pair under its own names.
func TestCanSaveSettles(t *testing.T) {
	for at, finished := 1, false; !finished; at++ {
		for seed := range seeds(4, 20) {
			m := newMemDisk(seed)
			m.now["/d"], m.durable["/d"] = nil, nil
			if err := saveText(m, "old"); err != nil {
				t.Fatal(err)
			}
			m.ops, m.failAt, m.crashes = 0, at, true
			finished = saveText(m, "new") == nil
			m.reboot()
			before, err := readText(m)
			if err != nil {
				t.Fatal(err)
			}
			if err := canSave(m, savedPath, "text"); err != nil {
				t.Fatal(err)
			}
			if text, err := readText(m); err != nil || text != before {
				t.Errorf("crash at %d: %q and then %q, %v", at, before, text, err)
			}
			if _, pending := m.now[savedPath+".json.pending"]; pending {
				t.Errorf("crash at %d: the pending manifest is left", at)
			}
		}
	}
}

// lateFolder is a disk on which a path comes into being after it was first asked for.
type lateFolder struct {
	disk
	path  string
	asked bool
}

func (l *lateFolder) stat(path string) (fs.FileInfo, error) {
	if path == l.path && !l.asked {
		l.asked = true
		return nil, &fs.PathError{Op: "stat", Path: path, Err: fs.ErrNotExist}
	}
	return l.disk.stat(path)
}

// TestOpenWhileFolderIsMade opens a path at which a writer makes its folder meanwhile:
// nothing finished is there, which is not a file without a manifest.
func TestOpenWhileFolderIsMade(t *testing.T) {
	dir := t.TempDir()
	if _, err := readArtefact(&lateFolder{disk: osDisk{}, path: dir}, dir); !errors.Is(err, ErrMissing) {
		t.Errorf("%v, want %v", err, ErrMissing)
	}
}
