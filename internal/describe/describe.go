// Package describe writes directions as short weighted lists of words, by several
// methods.
//
// A direction is the principal component of a unit, a word an atom of a dictionary:
// its embedding, perhaps centred and normalised (omp.Normalize). A code is a few
// words with coefficients (omp.Codes). The methods differ in which words they choose
// and how they weigh them:
//
//   - OMP, the paper's: each step takes the word with the largest absolute
//     correlation with what is left, and refits all coefficients by least squares.
//     Coefficients have any sign. See package omp.
//   - Nearest: the words whose atoms have the largest cosine with the direction; the
//     coefficients are the cosines. Words of no positive cosine are left out.
//   - NonNegative: matching pursuit in which no coefficient is negative. Each step
//     takes the word with the largest correlation and refits by non-negative least
//     squares; a word whose coefficient becomes zero is dropped. Bhalla et al.,
//     Interpreting CLIP with Sparse Linear Concept Embeddings (SpLiCE,
//     arXiv:2402.10376), solve the same problem with an L1 penalty instead of a
//     number of words.
//   - TextSpan: each step takes the word that explains most of the variance of the
//     unit's contributions, which is then removed from them. The coefficients are the
//     least squares fit of the direction. Gandelsman, Efros and Steinhardt,
//     arXiv:2310.05916, algorithm 1; but atoms are not projected onto the span of the
//     contributions first, which would leave a pair, of rank one, with a single
//     word. Of rank one it is OMP.
//
// Correlations with all words are computed in float32 and serve for screening: words
// that could be the best within the error are compared in float64, and of equal ones
// the first is taken. So codes have the same bytes for any number of workers and any
// split into batches.
//
// Axis letters: O dimensions, M words, K words of a code, R rank. Functions panic
// with a constant string on wrong lengths.
package describe

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/internal/omp"
	"github.com/clipnh/clipnh/internal/par"
)

// A Method is a way to choose and weigh words.
type Method int

// The methods.
const (
	OMP Method = iota
	Nearest
	NonNegative
	TextSpan
)

var methods = [...]string{OMP: "omp", Nearest: "nearest", NonNegative: "nonneg", TextSpan: "textspan"}

// String returns the name that ParseMethod reads.
func (m Method) String() string { return methods[m] }

// Methods returns the names of all methods.
func Methods() []string { return slices.Clone(methods[:]) }

// ParseMethod reads the name of a method.
func ParseMethod(name string) (Method, error) {
	if i := slices.Index(methods[:], name); i >= 0 {
		return Method(i), nil
	}
	return 0, fmt.Errorf("method %q, want %s", name, strings.Join(methods[:], ", "))
}

// Normalization returns how the atoms are prepared unless someone asks otherwise: with
// OMP as the paper's code does, with the others as it scores best on the demo
// (docs/descriptions.md).
func (m Method) Normalization() omp.Normalization {
	switch m {
	case OMP:
		return omp.Columns
	case Nearest:
		return omp.Rows
	default:
		return omp.None
	}
}

// The way to describe units that predicts their scores best on the demo
// (docs/descriptions.md), by which people are shown words unless they ask otherwise.
const (
	Best              = OMP
	BestNormalization = omp.None
)

// Batch is a number of directions to describe.
type Batch struct {
	Count int
	Rows  []float32 // [Count,O], finite

	// Factors, for TextSpan, returns those of n units from first on, [n,R,O], which have
	// the covariance of each unit's contributions as factorᵀ·factor. Nil: rank one,
	// along the direction.
	Factors func(first, n int) []float32
	Rank    int // R
}

// Coder codes directions over one dictionary by one method. It is not safe for
// concurrent use.
type Coder struct {
	method Method
	atoms  []float32 // [M,O]
	norms  []float64 // [M]
	words  int
	dims   int
	most   int // K
	team   par.Team
	search search

	omp *omp.Coder // of OMP, and of TextSpan with rank one
}

// New returns a Coder. atoms [words,dims] must be prepared already (omp.Normalize);
// they are retained. It returns an error if o.Atoms is not between 1 and the number
// of words, or for atoms that omp.NewDictionary refuses.
func New(method Method, atoms []float32, words, dims int, o omp.Options) (*Coder, error) {
	d, err := omp.NewDictionary(atoms, words, dims)
	if err != nil {
		return nil, err
	}
	c := &Coder{method: method, atoms: atoms, words: words, dims: dims, most: o.Atoms, team: o.Team}
	if c.omp, err = omp.NewCoder(d, o); err != nil {
		return nil, err
	}
	c.norms = make([]float64, words)
	longest := 0.0
	for w := range words {
		c.norms[w] = math.Sqrt(dot(c.atom(w), c.atom(w)))
		longest = max(longest, c.norms[w])
	}
	c.search = search{atoms: atoms, words: words, dims: dims, longest: longest, team: o.Team}
	return c, nil
}

func (c *Coder) atom(word int) []float32 { return c.atoms[word*c.dims:][:c.dims:c.dims] }

// maxNorm bounds directions, as in package omp, so that no product overflows.
const maxNorm = 1 << 30

// Code codes a batch. It returns an error if a direction's norm is above 2^30, or if
// ctx is done. progress, unless nil, is called with the number of the batch's
// Count·K steps that are done.
func (c *Coder) Code(ctx context.Context, b Batch, progress func(done int)) (*omp.Codes, error) {
	if len(b.Rows) != b.Count*c.dims {
		panic("describe: wrong number of elements")
	}
	if c.method == OMP || c.method == TextSpan && b.Factors == nil {
		return c.omp.Code(ctx, &omp.Signals{Count: b.Count, Rows: b.Rows}, progress)
	}
	for i := range b.Count {
		row := b.Rows[i*c.dims:][:c.dims]
		if norm := math.Sqrt(dot(row, row)); !(norm <= maxNorm) {
			return nil, fmt.Errorf("signal %d: norm %.3g, want at most 2^30", i, norm)
		}
	}
	codes := &omp.Codes{
		Count: b.Count, Atoms: c.most, Words: c.words,
		Sizes: make([]int32, b.Count), Support: make([]int32, b.Count*c.most), Coefficients: make([]float32, b.Count*c.most),
		Residuals: make([]float32, b.Count), Stops: make([]omp.Stop, b.Count),
	}
	rank := max(1, b.Rank)
	group := max(1, c.search.most()/rank)
	for lo := 0; lo < b.Count; lo += group {
		n := min(group, b.Count-lo)
		step := func(done int) {
			if progress != nil {
				progress(lo*c.most + n*min(done, c.most))
			}
		}
		var err error
		switch rows := b.Rows[lo*c.dims:][:n*c.dims]; c.method {
		case Nearest:
			err = c.nearest(ctx, codes, lo, rows)
		case NonNegative:
			err = c.nonNegative(ctx, codes, lo, rows, step)
		case TextSpan:
			err = c.textSpan(ctx, codes, lo, rows, b.Factors(lo, n), b.Rank, step)
		}
		if err != nil {
			return nil, err
		}
		step(c.most)
	}
	return codes, nil
}

// set stores a code.
func set(codes *omp.Codes, i int, support []int32, coefficients []float64, residual float64, stop omp.Stop) {
	codes.Sizes[i], codes.Residuals[i], codes.Stops[i] = int32(len(support)), float32(residual), stop
	copy(codes.Support[i*codes.Atoms:], support)
	for j, x := range coefficients {
		codes.Coefficients[i*codes.Atoms+j] = float32(x)
	}
}

// epsilon is float32's, with which package omp compares when a pursuit ends.
const epsilon = 1.0 / (1 << 23)

// dot returns Σ x·y in float64; the order of the sum depends only on the length.
func dot[T float32 | float64](x []float32, y []T) float64 {
	var a, b, c, d float64
	y = y[:len(x)]
	i := 0
	for ; i+4 <= len(x); i += 4 {
		a += float64(x[i]) * float64(y[i])
		b += float64(x[i+1]) * float64(y[i+1])
		c += float64(x[i+2]) * float64(y[i+2])
		d += float64(x[i+3]) * float64(y[i+3])
	}
	for ; i < len(x); i++ {
		a += float64(x[i]) * float64(y[i])
	}
	return (a + b) + (c + d)
}

// length returns the norm of x.
func length(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v * v
	}
	return math.Sqrt(sum)
}
