package artefact

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/usage"
)

// Dense is an open file of contributions that are written out, [B,H,C,O] of pairs
// or [B,C,O] of neurons.
type Dense struct {
	Path     string
	Shape    []int
	Artefact *cache.Artefact // nil for a file without manifest

	file *npy.File
}

// IsDense reports whether a path names a file of one tensor, as the reference
// writes them, and not a folder.
func IsDense(path string) bool {
	ext := filepath.Ext(path)
	return ext == ".dat" || ext == ".npy"
}

// errNoShape is the error of another program's .dat, whose shape nothing says.
var errNoShape = usage.Errorf("no manifest beside it, want {shape}, such as 1000,48,3072,768")

// Dense opens a dense file. Its shape is its header's or manifest's, or, for a
// .dat of another program, the one given.
func (r Reader) Dense(path string, given []int, facts Facts) (*Dense, error) {
	d := &Dense{Path: path}
	var err error
	if d.Artefact, err = r.Open(path, facts, KindDense); err != nil {
		return nil, err
	}
	raw, shape := filepath.Ext(path) == ".dat", given
	switch {
	case d.Artefact != nil:
		shape = d.Artefact.Manifest.Shape
	case raw && shape == nil:
		return nil, fmt.Errorf("%s: %w", path, errNoShape)
	}
	if raw {
		d.file, err = npy.OpenRaw(path, shape)
	} else {
		d.file, err = npy.Open(path)
	}
	if err != nil {
		return nil, err
	}
	d.Shape = d.file.Header.Shape
	if err := d.Artefact.Unreplaced(); err != nil {
		d.file.Close()
		return nil, err
	}
	if err := d.check(given); err != nil {
		d.file.Close()
		return nil, err
	}
	return d, nil
}

func (d *Dense) check(given []int) error {
	if given != nil && !slices.Equal(d.Shape, given) {
		return usage.Errorf("%s: shape %s, but {shape} says %s", d.Path, npy.ShapeString(d.Shape), npy.ShapeString(given))
	}
	if n := len(d.Shape); n == 3 && filepath.Base(d.Path) == ScoresFile {
		folder := filepath.Dir(d.Path)
		if _, err := os.Stat(filepath.Join(folder, "manifest.json")); err == nil {
			return hint.With(fmt.Errorf("%s: scores, want the folder that they are in", d.Path), "give "+folder)
		}
	}
	if n := len(d.Shape); n != 3 && n != 4 || Product(d.Shape) == 0 {
		return fmt.Errorf("%s: shape %s, want [B,H,C,O] or [B,C,O]", d.Path, npy.ShapeString(d.Shape))
	}
	return nil
}

// Images is B.
func (d *Dense) Images() int { return d.Shape[0] }

// OutDim is O.
func (d *Dense) OutDim() int { return d.Shape[len(d.Shape)-1] }

// Units is [H,C] or [C].
func (d *Dense) Units() []int { return d.Shape[1 : len(d.Shape)-1] }

// Close closes the file.
func (d *Dense) Close() error { return d.file.Close() }

// Read fills dst with the elements from start on.
func (d *Dense) Read(dst []float32, start int64) error { return d.file.ReadFloat32(dst, start) }

// ReadImage fills row with the contributions to an image, which must be finite.
func (d *Dense) ReadImage(row []float32, image int) error {
	if err := d.Read(row, int64(image)*int64(len(row))); err != nil {
		return err
	}
	if e := FirstNonFinite(row); e >= 0 {
		return fmt.Errorf("%s: contribution at %s of image %d is %g, want a finite one", d.Path, Index(e, d.Shape[1:]), image, row[e])
	}
	return nil
}
