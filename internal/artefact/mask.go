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

// What the units of a mask are, by the reference's names for what can be ablated.
const (
	MaskOfPairs   = "neur_head_reprs"
	MaskOfNeurons = "neur_reprs"
)

// Mask reads which units are kept. The artefact is nil for another program's file.
func (r Reader) Mask(path string, facts Facts, units unit.Shape) ([]bool, *cache.Artefact, error) {
	mask, err := r.Open(path, facts, KindMask)
	if err != nil {
		return nil, nil, err
	}
	a, err := npy.ReadFile(path)
	if err == nil {
		err = mask.Unreplaced()
	}
	if err != nil {
		return nil, nil, err
	}
	keep, err := a.Bool()
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	if mask != nil && len(a.Shape) != len(units) && len(a.Shape) <= 2 {
		return nil, nil, otherUnits(path, KindMask, len(a.Shape) == 2)
	}
	if !slices.Equal(a.Shape, units) {
		return nil, nil, fmt.Errorf("%s: shape %s, want %s", path, npy.ShapeString(a.Shape), npy.ShapeString(units))
	}
	return keep, mask, nil
}

// SaveMask writes which units are kept.
func (w Writer) SaveMask(path string, units unit.Shape, keep []bool, o origin.Origin) error {
	m := cache.Manifest{Kind: KindMask, Axes: units.Axes(), Shape: units, DType: npy.Bool.String(), Origin: o}
	_, err := w.Store.Save(path, m, func(to io.Writer) error { return npy.Write(to, units, keep) })
	return err
}
