package cache

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestForeignFilesStay has other programs' files at every name that an artefact
// needs, and expects them to be there, to the byte, when a writer has ended.
func TestForeignFilesStay(t *testing.T) {
	plan := testPlan("scores.npy")
	file := testPlan("")
	for _, tt := range []struct {
		name    string
		write   func(dir string) error
		foreign map[string]string // by name; what is there before
		refused bool
	}{
		{"manifest", saveIn("a.npy"), map[string]string{"a.npy.json": `{"my":"notes"}`}, true},
		{"manifest that is no JSON", saveIn("a.npy"), map[string]string{"a.npy.json": "notes"}, true},
		{"pending manifest", saveIn("a.npy"), map[string]string{"a.npy.json.pending": "to do"}, true},
		{"temporary files", saveIn("a.npy"), map[string]string{"a.npy.tmp": "mine", "a.npy.json.tmp": "mine", "a.npy.clipnh-1.tmp": "mine", "a.npy.clipnh-0123456789abcdeg.tmp": "mine"}, false},
		{"lock", saveIn("a.npy"), map[string]string{"a.npy.lock": "my lock"}, true},
		{"lock of a file", func(dir string) error { return new(Store).WriteFile(filepath.Join(dir, "a.txt"), text("x")) }, map[string]string{"a.txt.lock": "my lock"}, true},
		{"temporary file of a file", func(dir string) error { return new(Store).WriteFile(filepath.Join(dir, "a.txt"), text("x")) }, map[string]string{"a.txt.tmp": "mine"}, false},
		{"folder", collectIn("", plan, false), map[string]string{"manifest.json": `{"name":"my extension"}`, "images.txt": "notes"}, true},
		{"folder, restart", collectIn("", plan, true), map[string]string{"manifest.json": `{"name":"my extension"}`, "images.txt": "notes"}, true},
		{"journal, restart", collectIn("", plan, true), map[string]string{"journal": "dear diary"}, true},
		{"lock of a folder", collectIn("", plan, true), map[string]string{".lock": "mine"}, true},
		{"manifest of a collection", collectIn("a.npy", file, true), map[string]string{"a.npy.json": `{"my":"notes"}`}, true},
		{"journal of a collection", collectIn("a.npy", file, true), map[string]string{"a.npy.journal": "dear diary"}, true},
		{"partial", collectIn("a.npy", file, true), map[string]string{"a.npy.partial": "half"}, true},
		{"temporary files of a collection", collectIn("a.npy", file, true), map[string]string{"a.npy.tmp": "mine", "a.npy.journal.tmp": "mine", "a.npy.json.tmp": "mine"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, content := range tt.foreign {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			err := tt.write(dir)
			if tt.refused && (!errors.Is(err, ErrExists) || adviceOf(err) == "" || strings.Contains(adviceOf(err), "{restart}")) || !tt.refused && err != nil {
				t.Errorf("error %v (%s)", err, adviceOf(err))
			}
			after := files(t, dir)
			for name, content := range tt.foreign {
				if after[name] != content {
					t.Errorf("%s: %q, want %q", name, after[name], content)
				}
			}
			if tt.refused && len(after) != len(tt.foreign) {
				t.Errorf("files %q, want those that were there", after)
			}
		})
	}
}

func saveIn(name string) func(dir string) error {
	return func(dir string) error { return saveKind(filepath.Join(dir, name), "means", "x") }
}

func saveKind(path, kind, content string) error {
	_, err := new(Store).Save(path, Manifest{Kind: kind, Shape: []int{}}, text(content))
	return err
}

func collectIn(name string, plan Plan, restart bool) func(dir string) error {
	return func(dir string) error {
		return job{path: filepath.Join(dir, name), plan: plan, restart: restart}.run(osDisk{})
	}
}

// TestDamagedOfAnotherKindStays holds that an artefact of another kind is not
// replaced because it is damaged, gone, or of a newer version.
func TestDamagedOfAnotherKindStays(t *testing.T) {
	for name, spoil := range map[string]func(path string) error{
		"a byte short": func(path string) error { return os.Truncate(path, 3) },
		"gone":         os.Remove,
		"newer":        func(path string) error { return edit(path+".json", `"version": 4`, `"version": 5`) },
		"manifest":     func(path string) error { return edit(path+".json", `"bytes": 4`, `"bytes": 5`) },
	} {
		path := filepath.Join(t.TempDir(), "words.npy")
		if err := errors.Join(saveKind(path, "embeddings", "four"), spoil(path)); err != nil {
			t.Fatal(err)
		}
		before := files(t, filepath.Dir(path))
		if err := saveKind(path, "means", "other"); !errors.Is(err, ErrExists) || !strings.Contains(err.Error(), "embeddings") {
			t.Errorf("%s: %v, want %v", name, err, ErrExists)
		}
		if err := new(Store).CanSave(path, "means"); !errors.Is(err, ErrExists) {
			t.Errorf("%s: CanSave %v, want %v", name, err, ErrExists)
		}
		sameFiles(t, files(t, filepath.Dir(path)), before)
		if err := saveKind(path, "embeddings", "other"); err != nil {
			t.Errorf("%s: the same kind: %v", name, err)
		}
		if a, err := Open(path); err != nil || a.Manifest.Payloads[0].Bytes != 5 {
			t.Errorf("%s: made again: %v", name, err)
		}
	}
}

// edit replaces a text in a file.
func edit(path, old, new string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return os.WriteFile(path, []byte(strings.Replace(string(data), old, new, 1)), 0o666)
}

// TestRemoved removes files of finished artefacts: the same run makes them again.
func TestRemoved(t *testing.T) {
	for _, j := range jobs {
		want, _ := j.undisturbed(t)
		for gone := range want {
			if strings.HasSuffix(gone, ".json") {
				continue
			}
			for _, crashes := range []bool{false, true} {
				for at, finished := 1, false; !finished; at++ {
					m := newMemDisk(uint64(at))
					m.now["/d"], m.durable["/d"] = nil, nil
					if err := j.run(m); err != nil {
						t.Fatal(err)
					}
					if err := errors.Join(m.remove(gone), m.syncDir("/d"), m.syncDir("/d/scores")); err != nil {
						t.Fatal(err)
					}
					if _, err := openArtefact(m, j.path); !errors.Is(err, ErrRemoved) || !errors.Is(err, ErrDamaged) {
						t.Fatalf("%s is gone: %v", gone, err)
					}
					other := j
					other.plan.Origin.Model = "RN101"
					var mismatch *MismatchError
					if err := other.run(m); !errors.As(err, &mismatch) {
						t.Fatalf("another plan: %v, want a mismatch", err)
					}
					if w, err := openChunks(m, j.path, j.plan, false); !crashes && (err != nil || w.Removed() != gone || gone == "/d/scores/images.txt" && w.Done() != w.Chunks() || w.Damaged() > 0) {
						t.Fatalf("%s is gone: %+v, %v", gone, w, err)
					} else if err == nil {
						w.Close()
					}
					m.ops, m.failAt, m.crashes = 0, at, true
					finished = !crashes || j.run(m) == nil
					if crashes {
						m.reboot()
						m.failAt = 0
					} else {
						m.failAt = 0
					}
					if err := j.run(m); err != nil {
						t.Fatalf("%s is gone, crash at %d: then %v", gone, at, err)
					}
					sameFiles(t, m.snapshot(), want)
					if t.Failed() {
						t.FailNow()
					}
				}
			}
		}
	}
}

// TestTemporaryOf tells our temporary files by name.
func TestTemporaryOf(t *testing.T) {
	for name, want := range map[string]string{
		"a.npy.clipnh-0123456789abcdef.tmp": "a.npy",
		"a.npy.tmp":                         "",
		"a.npy.clipnh-0123456789abcde.tmp":  "",
		".clipnh-0123456789abcdef.tmp":      "",
		"a.clipnh-0123456789abcdef.tmp.bak": "",
	} {
		if of, ok := TemporaryOf(name); of != want || ok != (want != "") {
			t.Errorf("%s: %q, %v, want %q", name, of, ok, want)
		}
	}
}

// TestStore writes without locks, and sees that no lock file comes.
func TestStore(t *testing.T) {
	dir := t.TempDir()
	s := &Store{NoLock: true}
	path := filepath.Join(dir, "a.npy")
	if err := os.WriteFile(path+".lock", []byte("mine"), 0o666); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := s.Save(path, Manifest{Kind: "means", Shape: []int{}}, text("x")); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.WriteFile(filepath.Join(dir, "b.txt"), text("x")); err != nil {
		t.Fatal(err)
	}
	w, err := s.OpenChunks(filepath.Join(dir, "scores"), testPlan("scores.npy"), false)
	if err != nil {
		t.Fatal(err)
	}
	again, err := s.OpenChunks(filepath.Join(dir, "scores"), testPlan("scores.npy"), false)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Close(), again.Close()); err != nil {
		t.Fatal(err)
	}
	got := files(t, dir)
	if _, there := got["a.npy.lock"]; !there || len(got) < 4 {
		t.Errorf("files %q", got)
	}
	var m Manifest
	if err := json.Unmarshal([]byte(got["a.npy.json"]), &m); err != nil || m.Kind != "means" {
		t.Errorf("%v, kind %q", err, m.Kind)
	}
}
