package pipeline

import (
	"errors"
	"fmt"
	"slices"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/npy"
)

// tensorFile is a .npy file of numbers that a stage reads piece by piece, ours
// or another program's.
type tensorFile struct {
	path  string
	shape []int
	hash  string          // of the artefact; empty for a file without manifest
	made  cache.Manifest  // the artefact's; zero for a file without manifest
	from  *cache.Artefact // nil for a file without manifest

	file *npy.File
	data []float32 // instead of file, of what cannot be read in pieces
}

// openTensor opens a .npy file. Where a manifest lies beside it, the fields of
// want that are not zero must be the manifest's; see requireOf; and its bytes are
// compared with its checksums. flag is that of the command that makes such files,
// for advice where there is none.
func openTensor(path, flag string, want cache.Manifest) (*tensorFile, error) {
	return openTensorOf(path, flag, want)
}

// openTensorOf is openTensor for files of one of several kinds.
func openTensorOf(path, flag string, want cache.Manifest, kinds ...string) (*tensorFile, error) {
	t := &tensorFile{path: path}
	a, err := cache.Open(path)
	switch {
	case errors.Is(err, cache.ErrNoManifest):
	case err != nil:
		return nil, unmade(err, path, flag)
	default:
		if want.Kind == "" && len(kinds) > 0 && !slices.Contains(kinds, a.Manifest.Kind) {
			want.Kind = kinds[0] // which it is not
		}
		if err := requireOf(a, want); err != nil {
			return nil, err
		}
		if err := sound(a); err != nil {
			return nil, err
		}
		t.hash, t.made, t.from = a.Hash(), a.Manifest, a
	}
	if f, err := npy.Open(path); err == nil {
		t.file, t.shape = f, f.Shape
		return t, nil
	}
	// Integers, or axes in Fortran order; or broken, which this finds too.
	t.data, t.shape, err = npy.ReadFloat32(path)
	return t, err
}

// unmade adds to the error of an artefact that is missing the command that makes
// it, if there is a flag to make it with, unless the error knows better.
func unmade(err error, path, flag string) error {
	var hint interface{ Hint() string }
	if flag == "" || !errors.Is(err, cache.ErrMissing) || errors.As(err, &hint) {
		return err
	}
	return hinted{err, fmt.Sprintf("run \"clipnh %s %s\" first", flag, path)}
}

// requireOf is a.Require, but that an artefact made from files of another
// program, which does not know its model, is taken to be of any.
func requireOf(a *cache.Artefact, want cache.Manifest) error {
	if a.Manifest.Origin.Weights == "" {
		want.Origin.Weights = ""
	}
	return a.Require(want)
}

// requireModel fails where a file's manifest says that it is of another model or
// kind, or its bytes are not those that the manifest has the checksums of. It
// returns the artefact, nil for a file without manifest.
func requireModel(path, flag, kind, weights string) (*cache.Artefact, error) {
	a, err := cache.Open(path)
	if errors.Is(err, cache.ErrNoManifest) {
		return nil, nil
	}
	if err != nil {
		return nil, unmade(err, path, flag)
	}
	if err := requireOf(a, cache.Manifest{Kind: kind, Origin: cache.Origin{Weights: weights}}); err != nil {
		return nil, err
	}
	return a, sound(a)
}

func (t *tensorFile) close() error {
	if t.file == nil {
		return nil
	}
	return t.file.Close()
}

// read fills dst with the elements from number start on, and checks that they
// are finite.
func (t *tensorFile) read(dst []float32, start int) error {
	if t.file == nil {
		copy(dst, t.data[start:])
	} else if err := t.file.ReadFloat32(dst, int64(start)); err != nil {
		return err
	}
	if i := notFinite(dst); i >= 0 {
		return notFiniteAt(t.path, start+i, t.shape, dst[i])
	}
	return nil
}

// readRows hands over the rows [U,O] of a tensor [...,O] in groups, in order.
func (t *tensorFile) readRows(do func(first int, rows []float32) error) error {
	const most = 16 << 20 // elements
	O := t.shape[len(t.shape)-1]
	units := product(t.shape) / O
	group := max(1, min(units, most/O))
	buf := make([]float32, group*O)
	for lo := 0; lo < units; lo += group {
		rows := buf[:min(group, units-lo)*O]
		if err := t.read(rows, lo*O); err != nil {
			return err
		}
		if err := do(lo, rows); err != nil {
			return err
		}
	}
	return nil
}

func (t *tensorFile) wrongShape(want string) error {
	return fmt.Errorf("%s: shape %s, want %s", t.path, npy.ShapeString(t.shape), want)
}
