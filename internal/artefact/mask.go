package artefact

import (
	"fmt"
	"io"
	"slices"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/unit"
)

// Mask reads which units are kept.
func (r Reader) Mask(path string, facts Facts, units unit.Shape) ([]bool, error) {
	if _, err := r.Open(path, facts, KindMask); err != nil {
		return nil, err
	}
	a, err := npy.ReadFile(path)
	if err != nil {
		return nil, err
	}
	keep, err := a.Bool()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if !slices.Equal(a.Shape, units) {
		return nil, fmt.Errorf("%s: shape %s, want %s", path, npy.ShapeString(a.Shape), npy.ShapeString(units))
	}
	return keep, nil
}

// SaveMask writes which units are kept.
func SaveMask(path string, units unit.Shape, keep []bool, o origin.Origin) error {
	m := cache.Manifest{Kind: KindMask, Axes: units.Axes(), Shape: units, DType: npy.Bool.String(), Origin: o}
	_, err := cache.Save(path, m, func(w io.Writer) error { return npy.Write(w, units, keep) })
	return err
}
