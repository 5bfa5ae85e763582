package report

import (
	"math"

	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/par"
)

// Comparing all pairs with all others takes the square of their number, times the
// length of what is compared. For large models that is cut by projecting on random signs;
// what comes out on top is then compared exactly.
const (
	projectionBudget = 1e12 // products of all pairs with all others, multiplications
	leastDimensions  = 64
	mostDimensions   = 512
	rerankBudget     = 1e11 // products of scores, multiplications
	leastCandidates  = 16
	mostCandidates   = 64
)

// dimensions is how many dimensions vectors of U pairs are projected to; of vectors that
// have no more, all are kept.
func dimensions(pairs, length int) int {
	p := int(projectionBudget / (float64(pairs) * float64(pairs)))
	return min(max(p, leastDimensions), mostDimensions, length)
}

// candidates is how many neighbours of each pair are compared exactly.
func candidates(pairs, images int) int {
	return min(max(int(rerankBudget/(float64(pairs)*float64(images))), leastCandidates), mostCandidates, pairs)
}

// A sketch is the scores of pairs, with the images shared out among fewer dimensions: a
// dimension is the sum of every k-th image's scores, each with a random sign. Scalar products
// of sketches are those of scores in expectation. It takes one addition for each score, where
// projecting on dense random vectors takes one for each dimension; their products scatter
// alike.
type sketch struct {
	dims   int
	exact  bool // a dimension an image
	seed   uint64
	rows   []float32 // [P,U], and [U,P] once it is centred
	totals []float64 // of the signs, by dimension
}

func newSketch(pairs, images int, seed uint64) *sketch {
	p := dimensions(pairs, images)
	return &sketch{dims: p, exact: p == images, seed: seed, rows: kernel.Alloc(pairs * p), totals: make([]float64, p)}
}

// add adds the scores [n,U] of the images from number first on.
func (k *sketch) add(first, n int, scores []float32, team par.Team) {
	pairs, P := len(k.rows)/k.dims, k.dims
	signs := make([]float32, n)
	for i := range signs {
		signs[i] = k.sign(first + i)
		k.totals[(first+i)%P] += float64(signs[i])
	}
	const most = 16 // images of a dimension, of a block
	var own [most]float32
	for d := range min(P, n) { // the images d, d+P, ... of the block
		count := (n - d + P - 1) / P
		for from := 0; from < count; from += most {
			m := min(most, count-from)
			for j := range m {
				own[j] = signs[d+(from+j)*P]
			}
			at := (first + d) % P
			kernel.Sgemm(1, kernel.Dense(own[:], 1, m), kernel.Strided(scores[(d+from*P)*pairs:], m, pairs, P*pairs), 1, kernel.Dense(k.rows[at*pairs:], 1, pairs), team)
		}
	}
}

// sign is that of an image: random, or 1 in a dimension of its own.
func (k *sketch) sign(image int) float32 {
	if k.exact || mixed(mixed(k.seed+0x9e3779b97f4a7c15)^uint64(image))&1 != 0 {
		return 1
	}
	return -1
}

// signs fills dst with signs that depend on a seed and a number.
func signs(dst []float32, seed, number uint64) {
	bits := uint64(0)
	for i := range dst {
		if i%64 == 0 {
			bits = mixed(mixed(seed+0x9e3779b97f4a7c15) ^ number<<16 ^ uint64(i/64))
		}
		dst[i] = 1
		if bits&1 == 0 {
			dst[i] = -1
		}
		bits >>= 1
	}
}

// mixed is the finalizer of SplitMix64.
func mixed(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// centre takes the means away and makes a unit vector of each pair's row, [U,P]; one of
// scores that are all the same becomes zero.
func (k *sketch) centre(c *columns, team par.Team) {
	P := k.dims
	across := kernel.Alloc(len(k.rows))
	kernel.Transpose(across, k.rows, P, len(c.value))
	k.rows = across
	team.For(len(c.value), func(lo, hi, _ int) {
		for u := lo; u < hi; u++ {
			row, mean := k.rows[u*P:(u+1)*P], c.value[u].Mean
			for i := range row {
				row[i] = float32(float64(row[i]) - mean*k.totals[i])
			}
			if c.value[u].Deviation == 0 {
				clear(row)
			}
			normalize(row)
		}
	})
}

// normalize makes x a unit vector, unless it is zero.
func normalize(x []float32) {
	sum := dot(x, x)
	if sum == 0 {
		return
	}
	scale := 1 / math.Sqrt(sum)
	for i := range x {
		x[i] = float32(float64(x[i]) * scale)
	}
}
