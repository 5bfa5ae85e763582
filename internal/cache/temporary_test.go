package cache

import (
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// fullDisk has files that cannot be written to.
type fullDisk struct{ osDisk }

type fullFile struct {
	diskFile
	path string
}

var errFull = errors.New("no space left on device")

func (d fullDisk) open(path string, how openMode) (diskFile, error) {
	f, err := d.osDisk.open(path, how)
	return fullFile{f, path}, err
}

func (f fullFile) WriteAt([]byte, int64) (int, error) {
	return 0, &fs.PathError{Op: "write", Path: f.path, Err: errFull}
}

// TestFullDisk: the error names the file that was to be written, once.
func TestFullDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.png")
	_, _, err := writeTemporary(fullDisk{}, path, func(w io.Writer) error { _, err := w.Write([]byte("x")); return err })
	var file *fs.PathError
	if !errors.As(err, &file) || file.Path != path || !errors.Is(err, errFull) || strings.Count(err.Error(), path) != 1 {
		t.Errorf("error %v, want one that names %s once", err, path)
	}
}
