package describe

import (
	"math"

	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/par"
)

// search finds the words that could have the largest products with vectors. Products
// are in float32: a sum of O products, in any order, has an error of at most about
// O·u times the norms (u = 2⁻²⁴).
type search struct {
	atoms       []float32 // [M,O]
	words, dims int
	longest     float64 // norm of the longest atom
	team        par.Team

	products []float32 // [rows,M]
}

// searchElements bounds the products in memory: 64 MiB.
const searchElements = 16 << 20

// most returns how many rows may be searched for at a time.
func (s *search) most() int { return max(1, min(searchElements/s.words, 2016)) }

// multiply computes the products of rows [n,O] with all atoms.
func (s *search) multiply(rows []float32, n int) {
	if len(s.products) < n*s.words {
		s.products = make([]float32, n*s.words)
	}
	kernel.Sgemm(1, kernel.Dense(rows, n, s.dims), kernel.Dense(s.atoms, s.words, s.dims).T(), 0, kernel.Dense(s.products, n, s.words), s.team)
}

// row returns the products of a row, [M].
func (s *search) row(i int) []float32 { return s.products[i*s.words:][:s.words] }

// margin bounds the error of a product of a row that has norm 1.
func (s *search) margin() float64 {
	const unit = 1.0 / (1 << 24)
	return float64(s.dims+16) * unit * 1.01 * s.longest
}

// atLeast appends the words of values not below a bound.
func atLeast(words []int32, values []float32, bound float64) []int32 {
	least := float32(bound)
	if float64(least) > bound { // a bound rounded up must not lose a word
		least = math.Nextafter32(least, float32(math.Inf(-1)))
	}
	for w, v := range values {
		if v >= least {
			words = append(words, int32(w))
		}
	}
	return words
}

// largest returns the k-th largest of values, k at most their number. heap is scratch
// memory.
func largest(values []float32, k int, heap []float32) (float32, []float32) {
	heap = append(heap[:0], values[:k]...)
	for i := k/2 - 1; i >= 0; i-- {
		sift(heap, i)
	}
	for _, v := range values[k:] {
		if v > heap[0] {
			heap[0] = v
			sift(heap, 0)
		}
	}
	return heap[0], heap
}

// sift restores a heap whose root is the smallest, below i.
func sift(heap []float32, i int) {
	for {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(heap); child++ {
			if heap[child] < heap[least] {
				least = child
			}
		}
		if least == i {
			return
		}
		heap[i], heap[least] = heap[least], heap[i]
		i = least
	}
}
