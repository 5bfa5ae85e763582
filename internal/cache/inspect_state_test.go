package cache

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

// TestInspectState reads how far a state says that it is, without its body.
func TestInspectState(t *testing.T) {
	at := State{Artefact: filepath.Join(t.TempDir(), "sums"), Kind: "summary", Inputs: 9, Store: new(Store)}
	if _, err := InspectState(at.Artefact); !errors.Is(err, ErrMissing) {
		t.Errorf("without a state: error %v", err)
	}
	progress := map[string]any{"done": 5, "images": 4, "skipped": []Skipped{{Name: "a", Reason: "empty"}}, "rate": 1.5}
	if err := at.Save(progress, func(w io.Writer) error { _, err := w.Write(make([]byte, 100)); return err }); err != nil {
		t.Fatal(err)
	}
	u, err := InspectState(at.Artefact)
	if err != nil || u.Kind != "summary" || u.Inputs != 9 || u.Done != 5 || u.Skipped != 1 || u.Rate != 1.5 || u.At.IsZero() {
		t.Errorf("%+v, %v", u, err)
	}
	whole, err := os.ReadFile(at.Path())
	if err != nil {
		t.Fatal(err)
	}
	for was, is := range map[string]string{`"done":5`: `"done":10`, `"rate":1.5`: `"rate":-1`, `"images":4`: `"done":-1`} {
		if _, err := inspectState(bytes.NewReader(bytes.Replace(whole, []byte(was), []byte(is), 1))); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: error %v, want ErrDamaged", is, err)
		}
	}
}

// FuzzInspectState reads states of any bytes: what it finds is consistent.
func FuzzInspectState(f *testing.F) {
	var whole bytes.Buffer
	at := State{Artefact: "sums", Kind: "summary", Inputs: 9}
	if err := at.Write(&whole, map[string]any{"done": 5, "skipped": []Skipped{}, "rate": 2}, func(io.Writer) error { return nil }); err != nil {
		f.Fatal(err)
	}
	f.Add(whole.Bytes())
	f.Add(whole.Bytes()[:20])
	f.Add([]byte("{}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		const factor = 256 // of lists of empty objects
		var u *UnfinishedState
		if testutil.Parsed(t, testutil.Multiple(len(data), factor), func() (err error) {
			u, err = inspectState(bytes.NewReader(data))
			return err
		}) && (u.Done < 0 || u.Done > u.Inputs || u.Skipped > u.Done || !(u.Rate >= 0)) {
			t.Errorf("accepted %+v", u)
		}
	})
}
