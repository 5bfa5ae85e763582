package report

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"

	"github.com/clipnh/clipnh/internal/attribution"
	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/report"
	"github.com/clipnh/clipnh/internal/ui"
)

// effectImages is on how many images the effect of ablating each pair is measured, at
// most: every k-th of more.
const effectImages = 1000

func (b *builder) newEffects() *effects {
	if b.labels == nil || b.ranked == nil {
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
		margin := products[order[0]] - products[label] // by which the label loses, or wins
		if hit == 1 && K > 1 {
			margin = products[label] - products[order[1]]
		}
		e.margin = append(e.margin, margin)
		e.labels, e.own = append(e.labels, label), append(e.own, products[label])
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

func (b *builder) effectValues() []any {
	e := b.effects
	if e == nil {
		return nil
	}
	return []any{&e.changed.images, &e.changed.values, &e.right, &e.largest}
}

// measureEffects measures what ablating each pair does to classes.
func (b *builder) measureEffects(ctx context.Context) error {
	e := b.effects
	if e == nil {
		return nil
	}
	ov, team := b.scores.OV, b.team()
	C, O, E, K := ov.Neurons, ov.OutDim, len(e.images), b.classes.Texts
	progress := b.say.Progress()
	progress.Start(int64(b.pairs()), ui.Pairs, "report: effects")
	defer progress.Done()
	width := min(C, effectPairs)
	read, strip := make([]float32, width*E), make([]float32, width*E) // scores, [E,n] and [n,E]
	v, along, toward := make([]float32, width*O), make([]float32, width*E), make([]float32, width*K)
	for first := 0; first < b.pairs(); {
		if err := ctx.Err(); err != nil {
			return err
		}
		h, neuron := first/C, first%C
		n := min(width, C-neuron)
		if err := b.readSome(read, e.images, first, n); err != nil {
			return err
		}
		kernel.Transpose(strip[:n*E], read[:n*E], E, n)
		ov.Directions(v[:n*O], h, neuron, neuron+n, team)
		rows := kernel.Dense(v, n, O)
		kernel.Sgemm(1, rows, kernel.Dense(e.features, E, O).T(), 0, kernel.Dense(along, n, E), team)
		kernel.Sgemm(1, rows, kernel.Dense(b.classes.Rows, K, O).T(), 0, kernel.Dense(toward, n, K), team)
		team.For(n, func(lo, hi, _ int) {
			logits, right := make([]float64, K), make([]float64, K)
			for i := lo; i < hi; i++ {
				e.add(b, first+i, strip[i*E:(i+1)*E], along[i*E:(i+1)*E], toward[i*K:(i+1)*K], logits, right)
			}
		})
		progress.Add(int64(n))
		first += n
	}
	return nil
}

// effectPairs is how many pairs' effects are measured at a time.
const effectPairs = 1024

// readSome fills columns [len(images),n] with scores of the pairs from number first on.
func (b *builder) readSome(columns []float32, images []int, first, n int) error {
	team := b.team()
	failed := make([]error, team.Size())
	team.For(len(images), func(lo, hi, w int) {
		failed[w] = b.scores.ReadColumns(columns[lo*n:hi*n], images[lo:hi], first, n)
	})
	return errors.Join(failed...)
}

// add measures the effect of pair u, with scores values, products f·v of its direction and
// the features along, of the E images; and v·t of the classes toward, [K]. logits and right
// are scratch, a number for each class.
func (e *effects) add(b *builder, u int, values, along, toward []float32, logits, right []float64) {
	most := float64(0)
	for _, x := range toward {
		most = max(most, float64(x), -float64(x))
	}
	mean, square := b.pairsOf.value[u].Mean, float64(b.pairsOf.square[u])
	clear(logits)
	clear(right)
	for at := range e.images {
		d, label := float64(values[at])-mean, e.labels[at]
		left := e.squares[at] - 2*d*float64(along[at]) + d*d*square
		if left <= 1e-10*e.squares[at] { // the feature is the pair's alone: no direction is left
			left = e.squares[at]
		}
		change := math.Abs(d) * most
		logits[label] += attribution.Scale*(e.own[at]-d*float64(toward[label]))/math.Sqrt(left) - e.before[at]
		if 2*change >= e.margin[at] { // else the first class stays the first
			right[label] += e.wins(at, label, d, toward, change) - e.hit[at]
		}
	}
	var order []int // classes of largest change, of equal ones the first
	for k, n := range e.counts {
		if n == 0 {
			continue
		}
		logits[k], right[k] = logits[k]/n, right[k]/n
		at := len(order)
		for at > 0 && math.Abs(logits[order[at-1]]) < math.Abs(logits[k]) {
			at--
		}
		if at < e.each {
			order = slices.Insert(order[:min(len(order), e.each-1)], at, k)
		}
	}
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
