package artefact

import (
	"fmt"
	"io"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/par"
)

// IsFactored reports whether heads or tokens of a vision transformer are kept as factors, rows
// [F] of which stand for [O]; see decomp.Factors.
func IsFactored(m cache.Manifest) bool {
	return (WholeKind(m.Kind) == KindHeads || WholeKind(m.Kind) == KindTokens) && len(m.Axes) > 0 && m.Axes[len(m.Axes)-1] == FactorAxis
}

// FactorAxis is the axis of a factor's numbers.
const FactorAxis = "F"

// AddMatrices adds what the factors of the heads of a number of layers are multiplied by.
func AddMatrices(w FileAdder, f *decomp.Factors, layers int) error {
	return w.AddFile(MatricesFile, func(to io.Writer) error {
		return npy.WriteFloat32(to, []int{layers, f.Heads / layers, f.Width, f.OutDim}, f.Matrices)
	})
}

// readMatrices reads what the factors of an artefact, of a shape [B,L,...,H,F], are multiplied
// by.
func readMatrices(a *cache.Artefact, factors []int) (*decomp.Factors, error) {
	path, err := a.Payload(MatricesFile)
	if err != nil {
		return nil, err
	}
	data, shape, err := readFinite(path)
	if err != nil {
		return nil, err
	}
	n := len(factors)
	if len(shape) != 4 || Product(shape) == 0 || n < 4 || shape[0] != factors[1] || shape[1] != factors[n-2] || shape[2] != factors[n-1] {
		return nil, fmt.Errorf("%s: shape %s, want matrices [L,H,F,O] of factors of shape %s", path, npy.ShapeString(shape), npy.ShapeString(factors))
	}
	return &decomp.Factors{Heads: shape[0] * shape[1], Width: shape[2], OutDim: shape[3], Matrices: data}, nil
}

// factored reads heads that are kept as factors.
type factored struct {
	*decomp.Factors
	rows []float32 // factors of some images
}

// newFactored returns what reads factors of a shape, and the shape of the parts.
func newFactored(a *cache.Artefact, shape []int) (*factored, []int, error) {
	m, err := readMatrices(a, shape)
	if err != nil {
		return nil, nil, err
	}
	if len(shape) != 4 {
		return nil, nil, fmt.Errorf("%s: shape %s, want factors of heads, [B,L,H,F]", a.Path(), npy.ShapeString(shape))
	}
	return &factored{Factors: m}, []int{shape[0], shape[1], shape[2], m.OutDim}, nil
}

// read fills dst [n,hi-lo] with numbers lo to hi of the parts of each of n images from first on.
func (f *factored) read(p *Parts, dst []float32, first, n, lo, hi int) error {
	O, F := f.OutDim, f.Width
	from, to := lo/O, (hi+O-1)/O // heads
	if need := n * (to - from) * F; len(f.rows) < need {
		f.rows = make([]float32, need)
	}
	factors := f.rows[:n*(to-from)*F]
	for b := range n {
		row := factors[b*(to-from)*F:][:(to-from)*F]
		start := ((first+b)*f.Heads + from) * F
		if err := p.file.ReadFloat32(row, int64(start)); err != nil {
			return err
		}
		if i := FirstNonFinite(row); i >= 0 {
			return NotFinite(p.Path, start+i, p.file.Header.Shape, row[i])
		}
	}
	whole := dst
	if lo%O != 0 || hi%O != 0 {
		whole = make([]float32, n*(to-from)*O)
	}
	f.Expand(whole, factors, n, from, to-from, par.Team{})
	if lo%O != 0 || hi%O != 0 {
		for b := range n {
			copy(dst[b*(hi-lo):(b+1)*(hi-lo)], whole[b*(to-from)*O+lo-from*O:])
		}
	}
	return nil
}
