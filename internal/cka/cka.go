// Package cka measures how alike the outputs of parts of two models are on the same images, by
// linear centred kernel alignment (Kornblith et al. 2019, Similarity of Neural Network
// Representations Revisited). Of outputs X [N,p] and Y [N,q], centred over N images,
//
//	CKA(X,Y) = HSIC(X,Y) / √(HSIC(X,X) HSIC(Y,Y)),   HSIC(X,Y) = |XᵀY|²
//
// No rotation and no scale of X or Y changes it, so p and q may differ. Of few images this is
// near 1 whatever the outputs: of independent ones it is p/(N+p) if p = q and all dimensions vary
// alike. Here HSIC is the estimate without bias (HSIC_1 of Song et al. 2012; Nguyen et al. 2021),
// of the matrices K = XXᵀ and L = YYᵀ with zeros in their diagonals:
//
//	N(N-3) HSIC(X,Y) = tr(KL) + 1ᵀK1·1ᵀL1/((N-1)(N-2)) - 2·1ᵀKL1/(N-2)
//
// whose mean is 0 where X and Y are independent. It is an inner product of X with Y, by which CKA
// is -1 to 1. Since X and Y are centred, with their squared lengths x and y of each image,
//
//	N(N-3) HSIC(X,Y) = |XᵀY|² - N/(N-2)·Σ x y + Σ x·Σ y/((N-1)(N-2))
//
// so that no matrix of N x N numbers is needed.
package cka

import (
	"math"

	"github.com/clipnh/clipnh/internal/double"
	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/par"
)

// LeastImages is how many images an estimate needs.
const LeastImages = 4

// A Layout says where in a row [Width] the outputs of each part are.
type Layout struct{ starts []int }

// NewLayout returns that of parts of some widths, one after the other.
func NewLayout(widths []int) Layout {
	starts := make([]int, len(widths)+1)
	for i, w := range widths {
		starts[i+1] = starts[i] + w
	}
	return Layout{starts}
}

// Parts is how many there are.
func (l Layout) Parts() int { return len(l.starts) - 1 }

// Width is that of a row.
func (l Layout) Width() int { return l.starts[l.Parts()] }

// Of returns where part i begins in a row, and its width.
func (l Layout) Of(i int) (start, width int) { return l.starts[i], l.starts[i+1] - l.starts[i] }

// Sums are what estimates follow from, of parts of one model and those of another, or of the same.
type Sums struct {
	a, b   Layout
	images int

	first   int // part of a
	of      []span
	within  []int     // of a part of a from first on, its span
	store   []float64 // memory for the products of All
	squares []float64 // Σ x y, of each pair
	totals  [2][]float64
	lengths [2][]float64 // x and y of some images, [parts,n]
	scratch [][]float32  // of each worker
}

// span is some parts of a, one after the other, and those of b that they have sums with.
type span struct {
	a, b     run
	pair     int       // the first one
	products []float64 // XᵀY, [p of all,q of all]
}

// run is some parts, one after the other.
type run struct{ first, count int }

func (l Layout) of(r run) (start, width int) {
	start = l.starts[r.first]
	return start, l.starts[r.first+r.count] - start
}

// spanWidth is how many columns of a, about, are multiplied with those of b at a time, which are packed
// for each.
const spanWidth = 256

// Each returns the sums of each part of a with that of the same number of b.
func Each(a, b Layout) *Sums {
	if a.Parts() != b.Parts() {
		panic("cka: parts do not match")
	}
	s := newSums(a, b, 0)
	for i := range a.Parts() {
		_, p := a.Of(i)
		_, q := b.Of(i)
		s.add(run{i, 1}, run{i, 1}, make([]float64, p*q))
	}
	return s
}

// All returns the sums of parts first to last of a, last left out, with all of b.
func All(a, b Layout, first, last int) *Sums {
	s := newSums(a, b, first)
	s.Turn(first, last)
	return s
}

// Turn makes the sums of All those of other parts of a, and of no images yet, in the memory that they
// have as far as it suffices.
func (s *Sums) Turn(first, last int) {
	if first < 0 || last > s.a.Parts() || first > last {
		panic("cka: no such parts")
	}
	s.first, s.images = first, 0
	s.of, s.within, s.squares = s.of[:0], s.within[:0], s.squares[:0]
	clear(s.totals[0])
	clear(s.totals[1])
	_, width := s.a.of(run{first, last - first})
	if need := width * s.b.Width(); len(s.store) < need {
		s.store = make([]float64, need)
	} else {
		clear(s.store)
	}
	for i := first; i < last; {
		r := run{i, 0}
		for width := 0; i < last && width < spanWidth; i++ {
			r.count++
			_, width = s.a.of(r)
		}
		start, width := s.a.of(r)
		from := (start - s.a.starts[first]) * s.b.Width()
		s.add(r, run{0, s.b.Parts()}, s.store[from:from+width*s.b.Width()])
	}
}

// Bytes is how much memory the sums of part i of a with all of b take.
func Bytes(a, b Layout, i int) int {
	_, width := a.Of(i)
	return 8 * (width*b.Width() + b.Parts())
}

func newSums(a, b Layout, first int) *Sums {
	return &Sums{a: a, b: b, first: first, totals: [2][]float64{make([]float64, a.Parts()), make([]float64, b.Parts())}}
}

func (s *Sums) add(a, b run, products []float64) {
	for range a.count {
		s.within = append(s.within, len(s.of))
	}
	s.of = append(s.of, span{a: a, b: b, pair: len(s.squares), products: products})
	s.squares = append(s.squares, make([]float64, a.count*b.count)...)
}

// Add adds the outputs for n images, x and y, rows of the layouts. Both must have a mean of zero
// over all images that are added. Sums depend on how images are cut into calls, in the last bits,
// and not on the team.
func (s *Sums) Add(x, y []float32, n int, team par.Team) {
	if len(x) != n*s.a.Width() || len(y) != n*s.b.Width() {
		panic("cka: outputs of wrong size")
	}
	s.images += n
	s.addLengths(0, s.a, x, n, team)
	s.addLengths(1, s.b, y, n, team)
	for len(s.scratch) < team.Size() {
		s.scratch = append(s.scratch, nil)
	}
	team.Each(len(s.of), func(i, worker int) {
		of := s.of[i]
		start, p := s.a.of(of.a)
		from, q := s.b.of(of.b)
		if p*q > 0 {
			if len(s.scratch[worker]) < p*q {
				s.scratch[worker] = make([]float32, p*q)
			}
			product := s.scratch[worker][:p*q]
			kernel.Sgemm(1, kernel.Strided(x[start:], n, p, s.a.Width()).T(), kernel.Strided(y[from:], n, q, s.b.Width()), 0, kernel.Dense(product, p, q), par.Team{})
			double.Add(of.products, product)
		}
		for k := range of.a.count {
			own := s.lengths[0][(of.a.first+k)*n:][:n]
			for j := range of.b.count {
				sum := 0.0
				for b, l := range s.lengths[1][(of.b.first+j)*n:][:n] {
					sum += own[b] * l
				}
				s.squares[of.pair+k*of.b.count+j] += sum
			}
		}
	})
}

// addLengths sets the squared lengths of the outputs of n images, and adds them to the totals.
func (s *Sums) addLengths(side int, l Layout, rows []float32, n int, team par.Team) {
	if len(s.lengths[side]) < n*l.Parts() {
		s.lengths[side] = make([]float64, n*l.Parts())
	}
	team.For(l.Parts(), func(lo, hi, _ int) {
		for i := lo; i < hi; i++ {
			start, width := l.Of(i)
			lengths := s.lengths[side][i*n : (i+1)*n]
			for b := range lengths {
				lengths[b] = squared(rows[b*l.Width()+start:][:width])
				s.totals[side][i] += lengths[b]
			}
		}
	})
}

func squared(row []float32) float64 {
	sum := 0.0
	for _, v := range row {
		sum += float64(v) * float64(v)
	}
	return sum
}

// HSIC is the estimate of part i of a and part j of b, which the sums must have.
func (s *Sums) HSIC(i, j int) float64 {
	of := s.of[s.within[i-s.first]]
	if s.images < LeastImages {
		panic("cka: too few images")
	}
	if j < of.b.first || j >= of.b.first+of.b.count {
		panic("cka: no sums of these parts")
	}
	top, p := s.a.Of(i)
	start, q := s.b.Of(j)
	first, _ := s.a.of(of.a)
	from, width := s.b.of(of.b)
	product := 0.0
	for k := range p {
		for _, v := range of.products[(top-first+k)*width+start-from:][:q] {
			product += v * v
		}
	}
	N, square := float64(s.images), s.squares[of.pair+(i-of.a.first)*of.b.count+j-of.b.first]
	return (product - N/(N-2)*square + s.totals[0][i]*s.totals[1][j]/((N-1)*(N-2))) / (N * (N - 3))
}

// Of is the alignment of two parts by HSIC of both and of each with itself. Of parts that do not
// vary it is 1, of one that does and one that does not 0.
func Of(both, own, other float64) float64 {
	switch {
	case own > 0 && other > 0:
		return min(max(both/(math.Sqrt(own)*math.Sqrt(other)), -1), 1)
	case own <= 0 && other <= 0:
		return 1
	}
	return 0
}
