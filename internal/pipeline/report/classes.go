package report

import (
	"cmp"
	"math"
	"slices"

	"github.com/clipnh/clipnh/internal/attribution"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/kernel"
)

// ranked are the first classes of images, by descending logit, [B,each]; of equal ones the
// first of the list comes first.
type ranked struct {
	each          int
	classes       []int32
	logits        []float64
	probabilities []float64 // among all classes
}

// winner is the class of largest logit of an image.
func (r *ranked) winner(image int) int { return int(r.classes[image*r.each]) }

// classBlock is how many images' products with the classes are in memory.
const classBlock = 256

// rank finds the first classes of all images.
func (b *builder) rank(each int) *ranked {
	B, K, O := b.scores.Images, b.classes.Texts, b.scores.OV.OutDim
	r := &ranked{each: min(each, K)}
	r.classes, r.logits, r.probabilities = make([]int32, B*r.each), make([]float64, B*r.each), make([]float64, B*r.each)
	team := b.team()
	products := make([]float32, min(classBlock, B)*K)
	for lo := 0; lo < B; lo += classBlock {
		n := min(classBlock, B-lo)
		features := b.features[lo*O : (lo+n)*O]
		b.classProducts(products, features, n)
		team.For(n, func(first, last, _ int) {
			var candidates []candidate
			for i := first; i < last; i++ {
				row, factor := products[i*K:(i+1)*K], attribution.Scale/b.lengths[lo+i]
				candidates = b.firstClasses(candidates, row, features[i*O:(i+1)*O], r.each)
				most, total := factor*candidates[0].product, 0.0
				for _, p := range row {
					total += math.Exp(factor*float64(p) - most)
				}
				for at, c := range candidates {
					l := factor * c.product
					to := (lo+i)*r.each + at
					r.classes[to], r.logits[to], r.probabilities[to] = int32(c.class), l, math.Exp(l-most)/total
				}
			}
		})
	}
	return r
}

// classProducts writes the products of n features [n,O] and the classes to dst [n,K].
func (b *builder) classProducts(dst, features []float32, n int) {
	K, O := b.classes.Texts, b.scores.OV.OutDim
	kernel.Sgemm(1, kernel.Dense(features, n, O), kernel.Dense(b.classes.Rows, K, O).T(), 0, kernel.Dense(dst[:n*K], n, K), b.team())
}

type candidate struct {
	class   int
	product float64
}

// productSlack bounds the rounding of a product in float32 of a feature and a unit vector,
// relative to the length of the feature: sums of 1024 numbers are off by less.
const productSlack = 1e-4

// firstClasses returns the first classes of an image, in the memory of to. Its products with
// all classes in float32 say which are looked at; those are compared in float64.
func (b *builder) firstClasses(to []candidate, products, feature []float32, each int) []candidate {
	near := largest(len(products), each, func(k int) float64 { return float64(products[k]) })
	least := float64(products[near[len(near)-1]]) - 2*productSlack*decomp.Norm(feature)
	to = to[:0]
	for k, p := range products {
		if float64(p) >= least {
			one := [1]float64{}
			attribution.Logits(one[:], feature, b.classes.Rows[k*len(feature):(k+1)*len(feature)], 1)
			to = append(to, candidate{k, one[0]})
		}
	}
	slices.SortStableFunc(to, func(x, y candidate) int { return cmp.Compare(y.product, x.product) })
	return to[:each]
}
