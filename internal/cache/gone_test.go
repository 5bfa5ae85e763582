package cache

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/clipnh/clipnh/internal/npy"
)

// TestWriterGone: who writes an artefact is there until it ends, and what a killed writer leaves
// does not count.
func TestWriterGone(t *testing.T) {
	for _, payload := range []string{"", "scores.npy"} {
		path := filepath.Join(t.TempDir(), "scores")
		w, err := (&Store{Now: time.Now}).OpenChunks(path, Plan{
			Kind: "scores", Axes: []string{"B", "H"}, Row: []int{3}, DType: npy.Float32, Payload: payload, Inputs: 4, ChunkInputs: 4,
		}, false)
		if err != nil {
			t.Fatal(err)
		}
		if WriterGone(path) {
			t.Errorf("%q: a writer at work is gone", payload)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if !WriterGone(path) {
			t.Errorf("%q: a writer that ended is at work", payload)
		}
		lock := fileLayout(path).lock
		if payload != "" {
			lock = folderLayout(path, "").lock
		}
		if err := os.WriteFile(lock, nil, 0o666); err != nil {
			t.Fatal(err)
		}
		if own := ownFileSystem(lock); WriterGone(path) != own {
			t.Errorf("%q: a lock file that nobody holds: gone %v, want %v", payload, !own, own)
		}
		if err := os.WriteFile(lock, []byte("another program's\n"), 0o666); err != nil {
			t.Fatal(err)
		}
		if WriterGone(path) {
			t.Errorf("%q: nobody holds a lock of others", payload)
		}
	}
	at := State{Artefact: filepath.Join(t.TempDir(), "sums"), Store: new(Store)}
	release, err := at.Lock()
	if err != nil {
		t.Fatal(err)
	}
	if WriterGone(at.Artefact) {
		t.Error("the writer of a state is gone")
	}
	if release(); !WriterGone(at.Artefact) {
		t.Error("the writer of a state that ended is at work")
	}
}
