package omp

import (
	"cmp"
	"math"
	"slices"
)

// Codes holds the codes of a batch of signals, one per row.
type Codes struct {
	Count, Atoms, Words int

	Sizes        []int32   // number of atoms in each code, [Count]
	Support      []int32   // words of the atoms, in the order chosen, [Count, Atoms]; 0 beyond Sizes
	Coefficients []float32 // [Count, Atoms]; 0 beyond Sizes
	Residuals    []float32 // norms of the residuals, [Count]
	Stops        []Stop    // [Count]
}

func newCodes(count, atoms, words int) *Codes {
	return &Codes{
		Count: count, Atoms: atoms, Words: words,
		Sizes: make([]int32, count), Support: make([]int32, count*atoms), Coefficients: make([]float32, count*atoms),
		Residuals: make([]float32, count), Stops: make([]Stop, count),
	}
}

// set stores a finished pursuit as code i.
func (c *Codes) set(i int, p *pursuit) {
	c.Sizes[i], c.Residuals[i], c.Stops[i] = int32(p.size), float32(p.length), p.stop
	copy(c.Support[i*c.Atoms:], p.support[:p.size])
	for j, v := range p.coefs[:p.size] {
		c.Coefficients[i*c.Atoms+j] = float32(v)
	}
}

// Code returns code i: the words in the order chosen, and their coefficients.
func (c *Codes) Code(i int) (support []int32, coefficients []float32) {
	n := int(c.Sizes[i])
	return c.Support[i*c.Atoms:][:n], c.Coefficients[i*c.Atoms:][:n]
}

// Sparse is a matrix [signals, words] compressed by rows, in the layout of SciPy's
// csr_matrix.
type Sparse struct {
	Data    []float32
	Indices []int32 // words, ascending within each row
	Starts  []int32 // offsets of the rows, and the end of the last one
}

// CSR stacks the codes of batches into one matrix compressed by rows, one row per
// signal.
func CSR(batches ...*Codes) Sparse {
	rows := 0
	for _, c := range batches {
		rows += c.Count
	}
	m := newSparse(batches, rows)
	at, row := 0, 0
	for _, c := range batches {
		for i := range c.Count {
			support, values := c.Code(i)
			order := make([]int, len(support))
			for j := range order {
				order[j] = j
			}
			slices.SortFunc(order, func(a, b int) int { return cmp.Compare(support[a], support[b]) })
			for _, j := range order {
				m.Indices[at], m.Data[at] = support[j], values[j]
				at++
			}
			row++
			m.Starts[row] = int32(at)
		}
	}
	return m
}

// newSparse allocates a matrix for the codes of batches.
func newSparse(batches []*Codes, rows int) Sparse {
	n := 0
	for _, c := range batches {
		if c.Words != batches[0].Words {
			panic("omp: codes over different dictionaries")
		}
		for _, size := range c.Sizes {
			n += int(size)
		}
	}
	if n > math.MaxInt32 {
		panic("omp: too many coefficients for 32-bit indices")
	}
	return Sparse{make([]float32, n), make([]int32, n), make([]int32, rows+1)}
}
