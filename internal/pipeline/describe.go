package pipeline

import (
	"context"
	"fmt"

	"github.com/clipnh/clipnh/internal/omp"
)

// DescribeOptions says which units to describe, those of Units. With a
// decomposition their codes are read from it and embeddings are not needed; nor
// are principal directions, unless another program wrote the decomposition.
type DescribeOptions struct {
	CodingOptions
	DecompositionPath string
}

// Description is a unit's direction as a sum of words.
type Description struct {
	Unit     string   `json:"unit"`  // such as h12n624
	Index    int      `json:"index"` // h*C+n, or n
	Terms    []Term   `json:"terms"` // by descending absolute coefficient
	Residual *float32 `json:"residual,omitempty"`
	Stop     string   `json:"stop,omitempty"` // why the code ended, see omp.Stop
}

// Describe returns the words and coefficients of units. Codes that are read have
// all the words that they were made with, of which the first Components are
// returned.
func Describe(ctx context.Context, o DescribeOptions) ([]Description, error) {
	if o.DecompositionPath != "" {
		return o.read()
	}
	c, err := openCoding(o.CodingOptions)
	if err != nil {
		return nil, err
	}
	defer c.close()
	rows, err := c.pcs.read(c.units)
	if err != nil {
		return nil, err
	}
	coder, err := c.coder(len(c.units))
	if err != nil {
		return nil, err
	}
	codes, err := coder.Code(ctx, &omp.Signals{Count: len(c.units), Rows: rows}, nil)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("%s: %w", o.PCsPath, err)
	}
	order := make([]int, len(c.units)) // the codes' rows are the units asked for
	for i := range order {
		order[i] = i
	}
	d := newDecomposition(codes, order, len(order))
	return d.describe(c.pcs.units, c.units, order, o), nil
}

// read describes units by a finished decomposition.
func (o DescribeOptions) read() ([]Description, error) {
	d, err := readDecomposition(o.DecompositionPath)
	if err != nil {
		return nil, err
	}
	shape, err := o.shape(d)
	if err != nil {
		return nil, err
	}
	if err := d.fits(o.DecompositionPath, product(shape), len(o.Words)); err != nil {
		return nil, err
	}
	units, err := shape.find(o.Units)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.DecompositionPath, err)
	}
	for _, u := range units {
		if d.stops != nil && d.stops[u] == uncoded {
			return nil, fmt.Errorf("%s: %s is not among the units that were coded", o.DecompositionPath, shape.name(u))
		}
	}
	return d.describe(shape, units, units, o), nil
}

// shape is what the rows of a decomposition are, after the principal directions
// where these are given. What is given must be what the decomposition was made
// from.
func (o DescribeOptions) shape(d *decomposition) (unitShape, error) {
	var shape unitShape
	if d.artefact != nil {
		if err := madeFromWords(d.artefact, o.Words); err != nil {
			return nil, err
		}
		shape = shapeOf(d.artefact.Manifest)
	}
	if o.PCsPath != "" {
		pcs, err := openDirections(o.PCsPath)
		if err != nil {
			return nil, err
		}
		defer pcs.close()
		if d.artefact != nil && pcs.artefact != nil {
			if err := d.artefact.RequireParent("directions", pcs.artefact); err != nil {
				return nil, err
			}
		}
		shape = pcs.units
	}
	if shape == nil {
		return nil, fmt.Errorf("%s: nothing says whether its %d rows are neurons or pairs, want --pcs-path too", o.DecompositionPath, d.rows.Rows)
	}
	return shape, nil
}

// fits returns an error unless the decomposition has a row for each unit and a
// column for each word.
func (d *decomposition) fits(path string, units, words int) error {
	if d.rows.Rows != units || d.rows.Cols != words {
		return fmt.Errorf("%s: %d units over %d words, want %d over %d, as the directions and the word list have", path, d.rows.Rows, d.rows.Cols, units, words)
	}
	return nil
}

// describe describes units, whose codes are the given rows.
func (d *decomposition) describe(shape unitShape, units, rows []int, o DescribeOptions) []Description {
	all := make([]Description, len(units))
	for i, u := range units {
		terms := d.terms(rows[i], o.Words)
		all[i] = Description{Unit: shape.name(u), Index: u, Terms: terms[:min(len(terms), o.Components)]}
		// A residual is that of the whole code.
		if d.stops != nil && len(all[i].Terms) == len(terms) {
			all[i].Residual, all[i].Stop = &d.residuals[rows[i]], omp.Stop(d.stops[rows[i]]).String()
		}
	}
	return all
}
