package report

import (
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/clipnh/clipnh/internal/attribution"
	"github.com/clipnh/clipnh/internal/double"
	"github.com/clipnh/clipnh/internal/report"
	"github.com/clipnh/clipnh/internal/ui"
)

// Lengths of lists of an image.
const (
	listedClasses  = 8
	nearImages     = 8
	strongestPairs = 8
)

// writeRecords writes what the model makes of each image. Images are taken class by
// class, so that the products of a class and all pairs are computed once.
func (b *builder) writeRecords(ctx context.Context) error {
	if !b.whole {
		return nil
	}
	B, O, team := b.scores.Images, b.scores.OV.OutDim, b.team()
	missing := map[int]bool{} // first images of files
	for lo := 0; lo < B; lo += report.ShardImages {
		if !b.folder.has(report.FileOf(report.ImageName(lo))) {
			missing[lo] = true
		}
	}
	if len(missing) == 0 {
		return nil
	}
	records := make([]report.ImageRecord, B)
	units := append([]float32(nil), b.features...)
	for i := range B {
		normalize(units[i*O : (i+1)*O])
	}
	near := b.nearestImages(units, min(nearImages, B))
	usual, readings := b.standard(), make([][recordImages]reading, team.Size())
	progress := b.say.Progress()
	progress.Start(int64(B), ui.Images, "report: records")
	defer progress.Done()
	for _, of := range b.byWinner(missing) {
		var target *attribution.Target
		if b.ranked != nil {
			class := b.ranked.winner(of[0])
			target = attribution.NewTarget(b.scores.OV, attribution.Difference(b.classes.Rows[class*O:(class+1)*O], nil), team)
		}
		groups := slices.Collect(slices.Chunk(of, recordImages))
		failed := make([]error, len(groups))
		team.Each(len(groups), func(g, w int) {
			if failed[g] = ctx.Err(); failed[g] != nil {
				return
			}
			failed[g] = b.readRecords(records, groups[g], &readings[w], target, near, usual)
		})
		if err := cmp.Or(failed...); err != nil {
			return err
		}
		progress.Add(int64(len(of)))
	}
	for lo := 0; lo < B; lo += report.ShardImages {
		if !missing[lo] {
			continue
		}
		shard := report.NewImageShard(lo, records[lo:min(B, lo+report.ShardImages)], b.pairs(), B, len(b.classNames))
		if err := b.folder.write(report.ImageName(lo), shard); err != nil {
			return err
		}
	}
	return nil
}

// byWinner parts the images of missing files by their class of largest logit; without
// classes, all are together.
func (b *builder) byWinner(missing map[int]bool) [][]int {
	of := make([][]int, 1)
	if b.ranked != nil {
		of = make([][]int, b.classes.Texts)
	}
	for i := range b.scores.Images {
		if !missing[i/report.ShardImages*report.ShardImages] {
			continue
		}
		w := 0
		if b.ranked != nil {
			w = b.ranked.winner(i)
		}
		of[w] = append(of[w], i)
	}
	return slices.DeleteFunc(of, func(images []int) bool { return len(images) == 0 })
}

// standard are the means of pairs' scores, and one over their deviations; 0 where all scores
// are the same.
type standard struct{ means, scales []float64 }

func (b *builder) standard() standard {
	s := standard{make([]float64, b.pairs()), make([]float64, b.pairs())}
	for u, v := range b.pairsOf.value {
		if s.means[u] = v.Mean; v.Deviation > 0 {
			s.scales[u] = 1 / v.Deviation
		}
	}
	return s
}

const (
	recordImages = 4    // whose scores are looked at side by side
	recordPairs  = 4096 // at a time, so that what is compared with them stays in a cache
)

// A reading is an image's scores, and what is found in them.
type reading struct {
	scores    []float32
	strongest *first  // pairs farthest from their means
	up, down  *first  // parts of the logit that are largest, of either sign
	sum       float64 // of all parts, without their factor
}

// readRecords fills in the records of some images of one class.
func (b *builder) readRecords(records []report.ImageRecord, images []int, readings *[recordImages]reading, target *attribution.Target, near *near, usual standard) error {
	for i, image := range images {
		r := &readings[i]
		if r.scores == nil {
			r.scores = make([]float32, b.pairs())
		}
		*r = reading{scores: r.scores, strongest: newFirst(strongestPairs), up: newFirst(report.Parts), down: newFirst(report.Parts)}
		r.up.least, r.down.least = 0, 0 // parts of the other sign are not listed
		if err := b.scores.Read(r.scores, image); err != nil {
			return err
		}
	}
	for lo := 0; lo < b.pairs(); lo += recordPairs {
		hi := min(b.pairs(), lo+recordPairs)
		for i := range images {
			readings[i].look(lo, hi, target, usual)
		}
	}
	for i, image := range images {
		b.record(&records[image], image, &readings[i], target, near, usual)
	}
	return nil
}

// look looks at the pairs lo to hi.
func (r *reading) look(lo, hi int, target *attribution.Target, usual standard) {
	scores, means, scales := r.scores[:hi], usual.means[:hi], usual.scales[:hi]
	for u := lo; ; u++ {
		u += double.Outside(scores[u:], means[u:], scales[u:], -r.strongest.least, r.strongest.least)
		if u == hi {
			break
		}
		r.strongest.put(u, math.Abs((float64(scores[u])-means[u])*scales[u]))
	}
	if target == nil {
		return
	}
	products := target.Products[:hi]
	r.sum += double.Dot(scores[lo:], products[lo:])
	for u := lo; ; u++ {
		u += double.Outside(scores[u:], zeros[u-lo:hi-lo], products[u:], -r.down.least, r.up.least)
		if u == hi {
			break
		}
		if part := float64(scores[u]) * products[u]; part > r.up.least {
			r.up.put(u, part)
		} else {
			r.down.put(u, -part)
		}
	}
}

var zeros [recordPairs]float64

// record fills in the record of an image. target is that of its class of largest logit,
// nil without classes.
func (b *builder) record(r *report.ImageRecord, image int, x *reading, target *attribution.Target, near *near, usual standard) {
	scores := x.scores
	r.Norm = b.lengths[image]
	others, cosines := near.of(image)
	for i, other := range others {
		if other >= 0 {
			r.Nearest = append(r.Nearest, report.NearImage{Image: int(other), Cosine: float64(cosines[i])})
		}
	}
	for _, u := range x.strongest.items {
		r.Strongest = append(r.Strongest, report.UnitScore{Pair: u, Score: float64(scores[u]), Deviations: (float64(scores[u]) - usual.means[u]) * usual.scales[u]})
	}
	if b.maps != nil {
		r.Attention, r.Places = b.maps.ofImage(image)
	}
	if target == nil {
		return
	}
	c := b.ranked
	for at := image * c.each; at < (image+1)*c.each; at++ {
		r.Classes = append(r.Classes, report.ClassLogit{Class: int(c.classes[at]), Logit: c.logits[at], Probability: c.probabilities[at]})
	}
	factor := attribution.Scale / b.lengths[image]
	r.Logit = r.Classes[0].Logit
	listed := 0.0
	list := func(of *first) (parts []report.PairPart) {
		for _, u := range of.items {
			part := factor * float64(scores[u]) * target.Products[u]
			parts = append(parts, report.PairPart{Pair: u, Part: part, Score: float64(scores[u])})
			listed += part
		}
		return parts
	}
	r.For, r.Against = list(x.up), list(x.down)
	r.Rest = factor*x.sum - listed
	r.Constant, r.Sum = b.scores.BesidePairs(r.Logit, x.sum, target.Constant, factor)
}

// first are the items of largest key that were put, best first; of equal keys the one that
// was put first comes first. An item need not be put unless its key is above least.
type first struct {
	most  int
	items []int
	keys  []float64
	least float64
}

func newFirst(most int) *first {
	return &first{most: most, items: make([]int, 0, most+1), keys: make([]float64, 0, most+1), least: math.Inf(-1)}
}

func (f *first) put(item int, key float64) {
	at := len(f.keys)
	for at > 0 && f.keys[at-1] < key {
		at--
	}
	f.items, f.keys = slices.Insert(f.items, at, item), slices.Insert(f.keys, at, key)
	if len(f.items) > f.most {
		f.items, f.keys = f.items[:f.most], f.keys[:f.most]
	}
	if len(f.items) == f.most {
		f.least = f.keys[f.most-1]
	}
}
