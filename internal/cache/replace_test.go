package cache

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// TestSaveKeeps checks that Save replaces nothing but an artefact of the same kind, and
// that only once the new one is complete.
func TestSaveKeeps(t *testing.T) {
	save := func(path, kind, content string, failure error) error {
		_, err := new(Store).Save(path, Manifest{Kind: kind, Shape: []int{}}, func(w io.Writer) error {
			_, err := io.WriteString(w, content)
			return errors.Join(err, failure)
		})
		return err
	}
	path := filepath.Join(t.TempDir(), "pcs.npy")
	if err := save(path, "directions", "one", nil); err != nil {
		t.Fatal(err)
	}
	before := files(t, filepath.Dir(path))
	failure := errors.New("the sum did not converge")
	if err := save(path, "directions", "half of tw", failure); !errors.Is(err, failure) || err.Error() != failure.Error() {
		t.Errorf("error %v, want that of the writer as it is", err)
	}
	if err := save(path, "means", "two", nil); !errors.Is(err, ErrExists) {
		t.Errorf("another kind: error %v", err)
	}
	if after := files(t, filepath.Dir(path)); len(after) != len(before) || after["pcs.npy"] != "one" || after["pcs.npy.json"] != before["pcs.npy.json"] {
		t.Errorf("files %q, want them as before", after)
	}
	if err := save(path, "directions", "two", nil); err != nil {
		t.Error(err)
	}
	if a, err := Open(path); err != nil || files(t, filepath.Dir(path))["pcs.npy"] != "two" || a.Manifest.Payloads[0].Bytes != 3 {
		t.Errorf("not replaced: %v", err)
	}

	foreign := filepath.Join(t.TempDir(), "thesis.npy")
	if err := os.WriteFile(foreign, []byte("years of work"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := save(foreign, "directions", "one", nil); !errors.Is(err, ErrExists) {
		t.Errorf("a file of another program: error %v", err)
	}
	if files(t, filepath.Dir(foreign))["thesis.npy"] != "years of work" {
		t.Error("a file of another program was replaced")
	}
}
