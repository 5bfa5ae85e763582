package artefact

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/origin"
)

// A Tensor is a .npy file of finite numbers that is read piece by piece, an
// artefact or another program's.
type Tensor struct {
	Path     string
	Shape    []int
	Artefact *cache.Artefact // nil for a file without manifest

	file *npy.File
	data []float32 // instead of file, of what cannot be read in pieces
}

// Tensor opens a .npy file of one of some kinds; see Reader.Open. Mean activations may also be a
// folder that collect wrote, or the file in it; [1,C,T] of a folder are [C,T].
func (r Reader) Tensor(path string, facts Facts, kinds ...string) (*Tensor, error) {
	t := &Tensor{Path: path}
	folder := ""
	if slices.Contains(kinds, KindMeanActivations) {
		folder = activationsFolder(path)
	}
	var err error
	if t.Artefact, err = r.Open(cmp.Or(folder, path), facts, kinds...); err != nil {
		return nil, err
	}
	if folder == "" {
		return t, t.open(path)
	}
	if path, err = t.Artefact.Payload(ActivationsFile); err == nil {
		err = t.open(path)
	}
	if err == nil && len(t.Shape) == 3 && t.Shape[0] == 1 {
		t.Shape = t.Shape[1:]
	}
	return t, err
}

// activationsFolder returns the folder of mean activations that path is, or that it is the file
// of; empty if there is none.
func activationsFolder(path string) string {
	for _, folder := range []string{path, filepath.Dir(path)} {
		if folder != path && filepath.Base(path) != ActivationsFile {
			continue
		}
		info, err := os.Stat(folder)
		if err != nil || !info.IsDir() {
			continue
		}
		if a, err := cache.Open(folder); err == nil && a.Manifest.Kind == KindMeanActivations {
			return folder
		}
	}
	return ""
}

// open opens the file of the tensor.
func (t *Tensor) open(path string) error {
	if f, err := npy.Open(path); err == nil {
		if err := t.Artefact.Unreplaced(); err != nil {
			f.Close()
			return err
		}
		t.file, t.Shape = f, f.Shape
		return nil
	}
	var err error
	// Integers, or axes in Fortran order; or broken, which this finds too.
	if t.data, t.Shape, err = npy.ReadFloat32(path); err == nil {
		err = t.Artefact.Unreplaced()
	}
	return err
}

// Origin is the artefact's, and zero for a file without manifest.
func (t *Tensor) Origin() origin.Origin {
	if t.Artefact == nil {
		return origin.Origin{}
	}
	return t.Artefact.Manifest.Origin
}

// Close closes the file.
func (t *Tensor) Close() error {
	if t.file == nil {
		return nil
	}
	return t.file.Close()
}

// Read fills dst with the elements from number start on.
func (t *Tensor) Read(dst []float32, start int) error {
	if t.file == nil {
		copy(dst, t.data[start:])
	} else if err := t.file.ReadFloat32(dst, int64(start)); err != nil {
		return err
	}
	if i := FirstNonFinite(dst); i >= 0 {
		return NotFinite(t.Path, start+i, t.Shape, dst[i])
	}
	return nil
}

// blockElements is how many elements are in memory at a time: 4 MiB. New memory costs more
// than what is read into it, and a block of this size stays in the processor's cache.
const blockElements = 1 << 20

// ReadRows hands over the rows [U,O] of a tensor [...,O] in groups, in order.
func (t *Tensor) ReadRows(do func(first int, rows []float32) error) error {
	O := t.Shape[len(t.Shape)-1]
	units := Product(t.Shape) / O
	group := max(1, min(units, blockElements/O))
	buf := make([]float32, group*O)
	for lo := 0; lo < units; lo += group {
		rows := buf[:min(group, units-lo)*O]
		if err := t.Read(rows, lo*O); err != nil {
			return err
		}
		if err := do(lo, rows); err != nil {
			return err
		}
	}
	return nil
}

// WantShape returns an error unless the tensor has a shape, which why explains.
func (t *Tensor) WantShape(shape []int, why string) error {
	if slices.Equal(t.Shape, shape) {
		return nil
	}
	if err := t.otherUnits(len(shape)); err != nil {
		return err
	}
	return t.WrongShape(npy.ShapeString(shape) + why)
}

// WantRank is WantShape for a tensor of units of which only the number of axes is known: 3 of
// pairs, 2 of neurons.
func (t *Tensor) WantRank(rank int, want string) error {
	if len(t.Shape) == rank {
		return nil
	}
	if err := t.otherUnits(rank); err != nil {
		return err
	}
	return t.WrongShape(want)
}

// otherUnits is the error of an artefact that is of neurons where one of pairs is wanted, or
// the other way round; nil of others. It is ErrStale: the file is what it says.
func (t *Tensor) otherUnits(rank int) error {
	if t.Artefact == nil || len(t.Shape) == rank || min(len(t.Shape), rank) < 2 || max(len(t.Shape), rank) > 3 {
		return nil
	}
	switch kind := t.Artefact.Manifest.Kind; kind {
	case KindComponents, KindMeans, KindNorms:
		return otherUnits(t.Path, inWords(kind), len(t.Shape) == 3)
	}
	return nil
}

// OtherUnits is the error of what is of pairs, or of neurons, where that of the others is
// wanted. It is cache.ErrStale, as WrongKind is.
type OtherUnits struct {
	wrongKind
	Pairs bool // that it is of pairs
}

// Path is that of the file.
func (e OtherUnits) Path() string { return e.path }

func otherUnits(path, what string, pairs bool) error {
	is, want := "neurons", "pairs"
	if pairs {
		is, want = want, is
	}
	return OtherUnits{wrongKind{path, what + " of " + is, "those of " + want}, pairs}
}

// WrongShape is the error of a tensor that has not the shape wanted.
func (t *Tensor) WrongShape(want string) error {
	return fmt.Errorf("%s: shape %s, want %s", t.Path, npy.ShapeString(t.Shape), want)
}

// SameParent returns an error unless what was read in a role for an artefact is what
// was read for another, at a path, as far as that is known of the other. Either is nil
// for another program's file.
func (r Reader) SameParent(a, other *cache.Artefact, path, role string) error {
	parent := OriginOf(other).Parents[role]
	if a == nil || parent == "" {
		return nil
	}
	if err := r.Check(a, Facts{}.Parent(role, parent)); err != nil {
		return fmt.Errorf("%w, those of %s", err, path)
	}
	return nil
}
