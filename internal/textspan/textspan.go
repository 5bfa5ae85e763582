// Package textspan finds, for one part of a model, the texts that span its outputs.
//
// The outputs are rows x [B,O], what the part adds to the feature of each image; a text is
// a vector of the same space. TextSpan (Gandelsman, Efros and Steinhardt, arXiv:2310.05916,
// algorithm 1) projects the texts onto the span of the outputs' first right singular
// vectors, centres the outputs, and then takes one text after the other: the one along
// which the outputs vary most. What lies along it is removed from the outputs and from all
// texts. The outputs are rebuilt as their mean plus their parts along the texts taken.
//
// All of this depends on the outputs through their mean and second moments only, Moments,
// so that memory does not grow with the number of images. With the moments C around the
// mean, the variance along a text t is t·C·t; the singular vectors are the eigenvectors of
// C + B·mean·meanᵀ.
//
// Picks are decided in float64: of texts with equal variance the first is taken.
//
// Axis letters: B images, O dimensions, M texts, R rank, K texts taken. Functions panic with
// a constant string on wrong lengths.
package textspan

import (
	"errors"
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"
)

// Options say how many texts are taken, and from which span.
type Options struct {
	Texts int // K, at most
	Rank  int // R, of the span that texts are projected onto, at most

	// Rounding is the size of what rounding may have added to the outputs, of their own
	// size: singular values below it, of the largest, and deviations along a text below it
	// are taken for none. Zero is Float32.
	//
	// A head of ViT-B or L is 64 wide, and has a lower rank than the published 80; the
	// published script then also projects onto what rounding has left in further
	// directions.
	Rounding float64
}

// The Rounding of outputs that were kept as float32, and as float16.
const (
	Float32 = 1.0 / (1 << 20)
	Float16 = 1.0 / (1 << 14)
)

// Span is the texts that were found for the outputs of one part.
type Span struct {
	Texts []int // K, numbers of texts, in the order in which they were taken

	// Explained is the share of the outputs' variance, 0 to 1, that the texts up to this
	// one explain; [K].
	Explained []float64

	// Basis [K,O] is orthonormal: what the texts taken added to the span, in their order.
	Basis []float64

	// Rank of the span that the texts were projected onto: Options.Rank, or less where the
	// outputs have a lower one.
	Rank int
}

var errEigen = errors.New("textspan: the eigenvalue problem has no solution")

// Find returns the span of outputs with moments m. texts are [M,O], finite; their lengths
// count. Fewer than o.Texts texts are taken where the outputs do not vary along any other.
func Find(m *Moments, texts []float32, o Options) (*Span, error) {
	O := m.dims
	if len(texts) == 0 || len(texts)%O != 0 {
		panic("textspan: texts are not [M,O]")
	}
	span, epsilon := &Span{}, o.Rounding
	if epsilon == 0 {
		epsilon = Float32
	}
	total := m.variance()
	least := epsilon * epsilon * (total + float64(m.images)*blas64.Dot(vector(m.mean), vector(m.mean)))
	if total <= least {
		return span, nil // they do not vary
	}
	vectors, err := m.singular(o.Rank, epsilon)
	if err != nil {
		return nil, err
	}
	span.Rank = vectors.Rows
	s := newSearch(m, vectors, texts)
	explained := 0.0
	for len(span.Texts) < o.Texts {
		best, variance := s.best()
		if variance <= least*s.squaredNorm(best) {
			break
		}
		q, along := s.take(best)
		explained += along
		span.Texts = append(span.Texts, best)
		span.Explained = append(span.Explained, math.Min(1, explained/total))
		row := make([]float64, O)
		blas64.Gemv(blas.Trans, 1, vectors, vector(q), 0, vector(row))
		span.Basis = append(span.Basis, row...)
	}
	return span, nil
}

// Rebuild writes an output with all but its mean and its parts along the texts removed to
// dst [O]:
//
//	dst = mean + Σ_k ((row - mean)·q[k]) q[k]
//
// Shapes: row [O], mean [O]; centred [O] is scratch. dst may be row.
func (s *Span) Rebuild(dst, row []float32, mean, centred []float64) {
	O := len(mean)
	if len(dst) != O || len(row) != O || len(centred) != O {
		panic("textspan: wrong number of dimensions")
	}
	for o, x := range row {
		centred[o] = float64(x) - mean[o]
	}
	rebuilt := make([]float64, O)
	copy(rebuilt, mean)
	for k := range s.Texts {
		q := s.Basis[k*O : (k+1)*O]
		along := 0.0
		for o, x := range centred {
			along += x * q[o]
		}
		for o, x := range q {
			rebuilt[o] += along * x
		}
	}
	for o, x := range rebuilt {
		dst[o] = float32(x)
	}
}

// search holds the texts and the outputs' moments in the coordinates of the span.
type search struct {
	texts      blas64.General // [M,R], what is left of them
	covariance blas64.General // [R,R], what is left of the outputs' moments
	products   blas64.General // [M,R], texts · covariance
	taken      [][]float64    // orthonormal, [R] each
}

// textBlock is how many texts are converted to float64 at a time.
const textBlock = 256

func newSearch(m *Moments, vectors blas64.General, texts []float32) *search {
	O, R := m.dims, vectors.Rows
	M := len(texts) / O
	s := &search{texts: general(M, R), covariance: general(R, R), products: general(M, R)}
	block := general(min(textBlock, M), O)
	for lo := 0; lo < M; lo += textBlock {
		part := block
		part.Rows = min(textBlock, M-lo)
		for i, x := range texts[lo*O : (lo+part.Rows)*O] {
			part.Data[i] = float64(x)
		}
		to := blas64.General{Rows: part.Rows, Cols: R, Stride: R, Data: s.texts.Data[lo*R:]}
		blas64.Gemm(blas.NoTrans, blas.Trans, 1, part, vectors, 0, to)
	}
	half := general(R, O)
	blas64.Symm(blas.Right, 1, m.around, vectors, 0, half)
	blas64.Gemm(blas.NoTrans, blas.Trans, 1, half, vectors, 0, s.covariance)
	return s
}

// best returns the text along which the outputs vary most, the first of equal ones, and
// the variance.
func (s *search) best() (text int, variance float64) {
	R := s.texts.Cols
	blas64.Gemm(blas.NoTrans, blas.NoTrans, 1, s.texts, s.covariance, 0, s.products)
	text, variance = -1, math.Inf(-1)
	for i := range s.texts.Rows {
		along := 0.0
		for r, x := range s.texts.Data[i*R : (i+1)*R] {
			along += x * s.products.Data[i*R+r]
		}
		if along > variance {
			text, variance = i, along
		}
	}
	return text, variance
}

// squaredNorm is that of what is left of a text.
func (s *search) squaredNorm(text int) float64 {
	row := s.texts.Data[text*s.texts.Cols:][:s.texts.Cols]
	return blas64.Dot(vector(row), vector(row))
}

// take removes what lies along a text from the outputs and all texts. It returns the
// text's unit vector [R], and the outputs' variance along that.
func (s *search) take(text int) (q []float64, variance float64) {
	R := s.texts.Cols
	q = append([]float64(nil), s.texts.Data[text*R:(text+1)*R]...)
	for _, earlier := range s.taken { // removed already, up to rounding
		blas64.Axpy(-blas64.Dot(vector(earlier), vector(q)), vector(earlier), vector(q))
	}
	blas64.Scal(1/blas64.Nrm2(vector(q)), vector(q))
	s.taken = append(s.taken, q)

	along := make([]float64, s.texts.Rows)
	blas64.Gemv(blas.NoTrans, 1, s.texts, vector(q), 0, vector(along))
	blas64.Ger(-1, vector(along), vector(q), s.texts)

	c := make([]float64, R)
	blas64.Gemv(blas.NoTrans, 1, s.covariance, vector(q), 0, vector(c))
	variance = blas64.Dot(vector(c), vector(q))
	blas64.Ger(-1, vector(c), vector(q), s.covariance)
	blas64.Ger(-1, vector(q), vector(c), s.covariance)
	blas64.Ger(variance, vector(q), vector(q), s.covariance)
	return q, variance
}

// singular returns the first right singular vectors of the outputs, at most rank, as rows
// [R,O]: those with singular values above epsilon of the largest.
func (m *Moments) singular(rank int, epsilon float64) (blas64.General, error) {
	O := m.dims
	whole := mat.NewSymDense(O, append([]float64(nil), m.around.Data...))
	blas64.Syr(float64(m.images), vector(m.mean), whole.RawSymmetric())
	var eigen mat.EigenSym
	if !eigen.Factorize(whole, true) {
		return blas64.General{}, errEigen
	}
	values := eigen.Values(nil) // ascending
	var columns mat.Dense
	eigen.VectorsTo(&columns)
	R := 0
	for R < min(rank, O) && values[O-1-R] > epsilon*epsilon*values[O-1] {
		R++
	}
	vectors := general(R, O)
	for r := range R {
		mat.Col(vectors.Data[r*O:(r+1)*O], O-1-r, &columns)
	}
	return vectors, nil
}

func general(rows, cols int) blas64.General {
	return blas64.General{Rows: rows, Cols: cols, Stride: max(1, cols), Data: make([]float64, rows*cols)}
}

func vector(x []float64) blas64.Vector { return blas64.Vector{N: len(x), Inc: 1, Data: x} }
