package coding

import (
	"context"
	"fmt"

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
	if o.DecompositionPath != "" {
		return o.read()
	}
	c, err := Open(o.Options)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if err := c.Prepare(ctx, len(c.Indices)); err != nil {
		return nil, err
	}
	codes, err := c.Code(ctx, c.Indices, nil)
	if err != nil {
		return nil, err
	}
	order := make([]int, len(c.Indices)) // the codes' rows are the units asked for
	for i := range order {
		order[i] = i
	}
	d := artefact.NewCodes(codes, order, len(order))
	return o.describe(d, c.PCs.Units, c.Indices, order), nil
}

// read describes units by a finished decomposition.
func (o DescribeOptions) read() ([]Description, error) {
	d, err := o.Artefacts.Codes(o.DecompositionPath, nil)
	if err != nil {
		return nil, err
	}
	shape, err := o.shape(d)
	if err != nil {
		return nil, err
	}
	if err := d.Want(shape.Count(), len(o.Words)); err != nil {
		return nil, err
	}
	units, err := shape.Find(o.Units)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.DecompositionPath, err)
	}
	for _, u := range units {
		if !d.IsCoded(u) {
			return nil, fmt.Errorf("%s: %s is not among the units that were coded", o.DecompositionPath, shape.Name(u))
		}
	}
	return o.describe(d, shape, units, units), nil
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
		pcs, err := o.Artefacts.Components(o.PCsPath, nil)
		if err != nil {
			return shape, err
		}
		defer pcs.Close()
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
