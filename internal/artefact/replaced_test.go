package artefact

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/origin"
)

// TestReplacedBetween replaces a file after its bytes were compared with its checksum,
// and before it is opened to be read: it is not used.
func TestReplacedBetween(t *testing.T) {
	path := filepath.Join(t.TempDir(), "means.npy")
	write := func(value float32) {
		if err := (Writer{}).SaveFloat32(KindMeans, path, []string{"C"}, []int{1}, []float32{value}, origin.Origin{}); err != nil {
			t.Fatal(err)
		}
	}
	write(2)
	foreign, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write(1)
	for name, change := range map[string]func() error{
		"renamed over": func() error {
			other := path + ".other"
			return errors.Join(os.WriteFile(other, foreign, 0o666), os.Rename(other, path))
		},
		"written to": func() error { return os.WriteFile(path, foreign, 0o666) },
		"removed":    func() error { return os.Remove(path) },
	} {
		a, err := (Reader{}).Open(path, nil, KindMeans)
		if err != nil {
			t.Fatal(name, err)
		}
		if err := a.Unreplaced(); err != nil {
			t.Errorf("%s: before anything is: %v", name, err)
		}
		if err := change(); err != nil {
			t.Fatal(err)
		}
		if err := a.Unreplaced(); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error %v", name, err)
		}
		write(1)
	}
	if err := (*cache.Artefact)(nil).Unreplaced(); err != nil {
		t.Errorf("another program's file: %v", err)
	}
}
