package report

import (
	"cmp"
	"math"
	"slices"

	"github.com/clipnh/clipnh/internal/attribution"
	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/report"
)

// effectImages is on how many images the effect of ablating each pair is measured, at
// most: every k-th of more.
const effectImages = 1000

func (b *builder) newEffects() *effects {
	if b.labels == nil || b.logits == nil {
		return nil
	}
	K, O := b.classes.Texts, b.scores.OV.OutDim
	e := &effects{counts: make([]float64, K)}
	for _, i := range b.labelled(effectImages) {
		label := b.labels[i]
		f := b.features[i*O : (i+1)*O]
		products, order := make([]float64, K), make([]int32, K)
		attribution.Logits(products, f, b.classes.Rows, 1)
		for k := range order {
			order[k] = int32(k)
		}
		slices.SortStableFunc(order, func(x, y int32) int { return cmp.Compare(products[y], products[x]) })
		hit := 0.0
		if int(order[0]) == label {
			hit = 1
		}
		e.images, e.features = append(e.images, i), append(e.features, f...)
		e.squares, e.products, e.order = append(e.squares, b.lengths[i]*b.lengths[i]), append(e.products, products), append(e.order, order)
		e.before, e.hit = append(e.before, attribution.Scale*products[label]/b.lengths[i]), append(e.hit, hit)
		e.counts[label]++
	}
	classes := 0
	for _, n := range e.counts {
		if n > 0 {
			classes++
		}
	}
	if classes == 0 {
		return nil
	}
	e.each = min(report.Effects, classes)
	e.changed, e.right, e.largest = newHits(b.pairs(), e.each), make([]float32, b.pairs()*e.each), make([]float32, b.pairs())
	return e
}

// stripProducts are what the pairs of a strip have to do with images and classes.
type stripProducts struct {
	images  []float32 // f·v, [n,E]
	classes []float32 // v·t, [n,K]
}

// of computes what effects need of directions v [n,O].
func (e *effects) of(b *builder, v []float32, n int) stripProducts {
	O, E, K := b.scores.OV.OutDim, len(e.images), b.classes.Texts
	s := stripProducts{make([]float32, n*E), make([]float32, n*K)}
	kernel.Sgemm(1, kernel.Dense(v, n, O), kernel.Dense(e.features, E, O).T(), 0, kernel.Dense(s.images, n, E), b.team())
	kernel.Sgemm(1, kernel.Dense(v, n, O), kernel.Dense(b.classes.Rows, K, O).T(), 0, kernel.Dense(s.classes, n, K), b.team())
	return s
}

// add measures the effect of pair u, the i-th of a strip, with scores values [B].
// logits and right are scratch, a number for each class.
func (e *effects) add(b *builder, u, i int, s stripProducts, values []float32, logits, right []float64) {
	E, K := len(e.images), b.classes.Texts
	along, toward := s.images[i*E:(i+1)*E], s.classes[i*K:(i+1)*K]
	most := 0.0
	for _, x := range toward {
		most = math.Max(most, math.Abs(float64(x)))
	}
	mean, square := b.pairsOf.value[u].Mean, float64(b.pairsOf.square[u])
	clear(logits)
	clear(right)
	for at, image := range e.images {
		d, label := float64(values[image])-mean, b.labels[image]
		left := e.squares[at] - 2*d*float64(along[at]) + d*d*square
		if left <= 1e-10*e.squares[at] { // the feature is the pair's alone: no direction is left
			left = e.squares[at]
		}
		products := e.products[at]
		logits[label] += attribution.Scale*(products[label]-d*float64(toward[label]))/math.Sqrt(left) - e.before[at]
		right[label] += e.wins(at, label, d, toward, math.Abs(d)*most) - e.hit[at]
	}
	order := make([]int, 0, K)
	for k, n := range e.counts {
		if n > 0 {
			logits[k], right[k] = logits[k]/n, right[k]/n
			order = append(order, k)
		}
	}
	slices.SortStableFunc(order, func(x, y int) int { return cmp.Compare(math.Abs(logits[y]), math.Abs(logits[x])) })
	classes, changes := e.changed.of(u)
	for j := range classes {
		classes[j], changes[j] = int32(order[j]), float32(logits[order[j]])
		e.right[u*e.each+j] = float32(right[order[j]])
	}
	e.largest[u] = changes[0]
}

// wins returns 1 if the label has the largest product once the pair is away. Classes
// come by descending product before, and no product changes by more than most.
func (e *effects) wins(at, label int, d float64, toward []float32, most float64) float64 {
	winner, best := -1, math.Inf(-1)
	for _, k := range e.order[at] {
		p := e.products[at][k]
		if p+most < best {
			break
		}
		if p -= d * float64(toward[k]); p > best || p == best && int(k) < winner {
			winner, best = int(k), p
		}
	}
	if winner == label {
		return 1
	}
	return 0
}
