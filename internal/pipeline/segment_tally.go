package pipeline

import (
	"cmp"
	"slices"

	"github.com/clipnh/clipnh/internal/segment"
)

// tally counts labels, picture by picture.
type tally struct {
	o         *SegmentOptions
	result    *SegmentResult
	confusion []*segment.Confusion // of each method, where there is a truth
	pixels    []int64              // of each class of each method, [methods,classes]
}

func newTally(o *SegmentOptions, result *SegmentResult) *tally {
	t := &tally{o: o, result: result, pixels: make([]int64, len(o.Methods)*len(o.Setup.Classes))}
	for range o.Methods {
		t.confusion = append(t.confusion, segment.NewConfusion(len(o.Setup.Classes)))
	}
	return t
}

// add takes the labels that each method gave a scene.
func (t *tally) add(given [][]uint16, sc *sceneToRead) {
	classes := len(t.o.Setup.Classes)
	for m, labels := range given {
		if sc.truth != nil {
			t.confusion[m].Add(labels, sc.truth)
			continue
		}
		for _, c := range labels {
			t.pixels[m*classes+int(c)]++
		}
	}
}

// finish fills in the result.
func (t *tally) finish() *SegmentResult {
	for m, method := range t.o.Methods {
		if t.o.Image != "" {
			t.result.Shares = append(t.result.Shares, SegmentShares{method.String(), t.shares(m)})
			continue
		}
		s := t.confusion[m].Scores()
		scores := SegmentScores{
			Method: method.String(), MIoU: orNil(s.MIoU), PixelAccuracy: orNil(s.PixelAccuracy), MeanAccuracy: orNil(s.MeanAccuracy),
		}
		for c, name := range t.result.Classes {
			scores.Classes = append(scores.Classes, ClassScore{name, s.Pixels[c], orNil(s.IoU[c]), orNil(s.Accuracy[c])})
		}
		t.result.Methods = append(t.result.Methods, scores)
	}
	return t.result
}

func (t *tally) shares(method int) []ClassShare {
	classes := len(t.o.Setup.Classes)
	counts := t.pixels[method*classes : (method+1)*classes]
	total := int64(0)
	for _, n := range counts {
		total += n
	}
	var shares []ClassShare
	for c, n := range counts {
		if n > 0 {
			shares = append(shares, ClassShare{t.result.Classes[c], float64(n) / float64(total)})
		}
	}
	slices.SortStableFunc(shares, func(a, b ClassShare) int { return cmp.Compare(b.Share, a.Share) })
	return shares
}
