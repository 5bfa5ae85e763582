package coding

import (
	"context"
	"fmt"
	"slices"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/omp"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/unit"
	"github.com/clipnh/clipnh/internal/usage"
)

// DescribeOptions says which units to describe, those of Units. With a
// decomposition their codes are read from it and embeddings are not needed; nor
// are principal directions, unless another program wrote the decomposition.
type DescribeOptions struct {
	Options
	DecompositionPath string
}

// Description is a unit's direction as a sum of words.
type Description struct {
	Unit     string          `json:"unit"`  // such as h12n624
	Index    int             `json:"index"` // h*C+n, or n
	Terms    []artefact.Term `json:"terms"` // by descending absolute coefficient
	Residual *float32        `json:"residual,omitempty"`
	Stop     string          `json:"stop,omitempty"` // why the code ended, see omp.Stop
}

// Describe returns the words and coefficients of units. Codes that are read have
// all the words that they were made with, of which the first Components are
// returned.
func Describe(ctx context.Context, o DescribeOptions) ([]Description, error) {
	d, err := OpenDescriber(o)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.Describe(ctx, d.Named)
}

// A Describer describes units that are chosen while it is open.
type Describer struct {
	DescribeOptions
	Shape unit.Layered // of all units
	Named []int        // those that the options name, without repetition

	codes    *artefact.Codes // that were read; nil: they are computed
	coding   *Coding
	prepared bool
}

// OpenDescriber reads a finished decomposition, or opens what codes are computed from.
func OpenDescriber(o DescribeOptions) (*Describer, error) {
	d := &Describer{DescribeOptions: o}
	var err error
	if o.DecompositionPath == "" {
		if d.coding, err = Open(o.Options); err != nil {
			return nil, err
		}
		d.Shape, d.Named = d.coding.PCs.Units, d.coding.Indices
		return d, nil
	}
	if d.codes, err = o.Artefacts.Codes(o.DecompositionPath, nil); err != nil {
		return nil, err
	}
	if d.Shape, err = o.shape(d.codes); err != nil {
		return nil, err
	}
	if err := d.codes.Want(d.Shape.Count(), len(o.Words)); err != nil {
		return nil, err
	}
	if d.Named, err = d.Shape.Find(o.Units); err != nil {
		return nil, fmt.Errorf("%s: %w", o.DecompositionPath, err)
	}
	return d, nil
}

// Close closes the files.
func (d *Describer) Close() error {
	if d.coding == nil {
		return nil
	}
	return d.coding.Close()
}

// Describe describes units, which are coded together where codes are computed. All of them
// must be in codes that are read.
func (d *Describer) Describe(ctx context.Context, units []int) ([]Description, error) {
	if d.codes != nil {
		for _, u := range units {
			if !d.codes.IsCoded(u) {
				return nil, fmt.Errorf("%s: %s is not among the units that were coded", d.DecompositionPath, d.Shape.Name(u))
			}
		}
		return d.describe(d.codes, d.Shape, units, units), nil
	}
	if !d.prepared {
		if err := d.coding.Prepare(ctx, len(units)); err != nil {
			return nil, err
		}
		d.prepared = true
	}
	all := make([]Description, 0, len(units))
	for batch := range slices.Chunk(units, BatchUnits) {
		codes, err := d.coding.Code(ctx, batch, nil)
		if err != nil {
			return nil, err
		}
		order := make([]int, len(batch)) // the codes' rows are the units of the batch
		for i := range order {
			order[i] = i
		}
		all = append(all, d.describe(artefact.NewCodes(codes, order, len(order)), d.Shape, batch, order)...)
	}
	return all, nil
}

// shape is what the rows of a decomposition are, after the principal directions
// where these are given. What is given must be what the decomposition was made
// from.
func (o DescribeOptions) shape(d *artefact.Codes) (unit.Layered, error) {
	var shape unit.Layered
	if d.Artefact != nil {
		if err := o.Artefacts.Check(d.Artefact, artefact.Facts{}.Texts(o.Words)); err != nil {
			return shape, err
		}
		shape = d.Units()
	}
	if o.PCsPath != "" {
		pcs, closePCs, err := o.components(nil)
		if err != nil {
			return shape, err
		}
		defer closePCs()
		if d.Artefact != nil && pcs.Artefact != nil {
			if err := o.Artefacts.Check(d.Artefact, artefact.Of(artefact.OriginOf(pcs.Artefact)).Parent("components", pcs.Artefact.Hash())); err != nil {
				return shape, err
			}
		}
		shape = pcs.Units
	}
	if shape.Shape == nil {
		return shape, usage.Errorf("%s: %s, and nothing says whether of neurons or of pairs: want {pcs-path} too", o.DecompositionPath, quantity.Of(d.Rows.Rows, "row"))
	}
	return shape, nil
}

// describe describes units, whose codes are the given rows.
func (o DescribeOptions) describe(d *artefact.Codes, shape unit.Layered, units, rows []int) []Description {
	all := make([]Description, len(units))
	for i, u := range units {
		terms := d.Terms(rows[i], o.Words)
		all[i] = Description{Unit: shape.Name(u), Index: u, Terms: terms[:min(len(terms), o.Components)]}
		// A residual is that of the whole code.
		if d.Stops != nil && len(all[i].Terms) == len(terms) {
			all[i].Residual, all[i].Stop = &d.Residuals[rows[i]], omp.Stop(d.Stops[rows[i]]).String()
		}
	}
	return all
}
