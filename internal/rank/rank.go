// Package rank has the statistics of orders: ranks, Spearman's correlation, and the
// area under the curve of a ranking (AUC).
//
// A rank is the place of a value among all in ascending order, from 1; equal values
// share the mean of their places. Statistics of ranks do not depend on the unit of
// the values, and are exact: sums of ranks are whole numbers or halves.
//
// Source: Spearman (1904); Mann and Whitney (1947). Definitions agree with SciPy's
// rankdata, spearmanr and mannwhitneyu, and scikit-learn's roc_auc_score.
package rank

import (
	"math"
	"slices"
)

// A Ranker has the memory that ranking takes. It is not safe for concurrent use.
type Ranker struct {
	keys []uint64 // a value's bits so that they compare like the value, then its index
}

// Rank writes the ranks of finite values to dst, which has the same length.
func (r *Ranker) Rank(dst []float64, values []float32) {
	if len(dst) != len(values) {
		panic("rank: short dst")
	}
	r.sort(values)
	for lo := 0; lo < len(r.keys); {
		hi := lo + 1
		for hi < len(r.keys) && r.keys[hi]>>32 == r.keys[lo]>>32 {
			hi++
		}
		mean := float64(lo+1+hi) / 2 // of the places lo+1 to hi
		for _, key := range r.keys[lo:hi] {
			dst[uint32(key)] = mean
		}
		lo = hi
	}
}

// sort fills keys with those of the values, in ascending order; of equal values the
// earlier one comes first.
func (r *Ranker) sort(values []float32) {
	r.keys = r.keys[:0]
	for i, v := range values {
		r.keys = append(r.keys, uint64(orderedBits(v))<<32|uint64(uint32(i)))
	}
	slices.Sort(r.keys)
}

// orderedBits returns the bits of v so that, as whole numbers, they are in the
// order of the values. Both zeros have the same.
func orderedBits(v float32) uint32 {
	bits := math.Float32bits(v + 0) // -0 + 0 is 0
	if bits>>31 != 0 {
		return ^bits
	}
	return bits | 1<<31
}

// Top returns the places of the k largest values, the largest first; of equal
// values the earlier one comes first.
func (r *Ranker) Top(values []float32, k int) []int {
	r.keys = r.keys[:0]
	for i, v := range values {
		r.keys = append(r.keys, uint64(^orderedBits(v))<<32|uint64(uint32(i)))
	}
	slices.Sort(r.keys)
	top := make([]int, min(k, len(values)))
	for i := range top {
		top[i] = int(uint32(r.keys[i]))
	}
	return top
}

// Correlation returns the correlation of two lists of ranks, which is Spearman's of
// the values ranked. It is 0 where all values of one list are equal: they say
// nothing of the other.
func Correlation(x, y []float64) float64 {
	mean := float64(len(x)+1) / 2 // of any ranks
	var xx, yy, xy float64
	for i, a := range x {
		a, b := a-mean, y[i]-mean
		xx += a * a
		yy += b * b
		xy += a * b
	}
	if xx == 0 || yy == 0 {
		return 0
	}
	return max(-1, min(1, xy/math.Sqrt(xx*yy)))
}

// AUC returns the probability that a positive has a higher rank than one of the
// rest, equal ranks counting half:
//
//	(Σ rank of positives - k(k+1)/2) / (k·(n-k))
//
// for k positives, given by their places, among n. It is 0.5 where there are no
// positives or nothing else.
func AUC(ranks []float64, positives []int) float64 {
	k, rest := float64(len(positives)), float64(len(ranks)-len(positives))
	if k == 0 || rest <= 0 {
		return 0.5
	}
	sum := 0.0
	for _, i := range positives {
		sum += ranks[i]
	}
	return (sum - k*(k+1)/2) / (k * rest)
}

// Quantile returns the value at a share of sorted values, 0 to 1, between
// neighbours in proportion, as NumPy's linear method. It is NaN of no values.
func Quantile(sorted []float64, share float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	place := share * float64(len(sorted)-1)
	lo := int(place)
	a, b := sorted[lo], sorted[min(lo+1, len(sorted)-1)]
	return a + (b-a)*(place-float64(lo))
}
