package segment

import (
	"cmp"
	"math"
	"slices"

	"github.com/clipnh/clipnh/internal/heat"
)

// tally counts labels, image by image.
type tally struct {
	methods   []string
	result    *Result
	confusion []*heat.Confusion // of each method, where there is a truth
	pixels    []int64           // of each class of each method, [methods,classes]

	foreground []heat.Foreground // of each method, where maps are compared with masks

	// Of images without truth, where several paths were given: the same of each.
	paths   []string
	ofPaths []pathTally
}

// pathTally counts the labels of one of the paths that were given.
type pathTally struct {
	images int
	pixels []int64 // [methods,classes]
}

// newTally counts for the classes of a result.
func newTally(methods []string, result *Result) *tally {
	classes := len(result.Classes)
	t := &tally{methods: methods, result: result, pixels: make([]int64, len(methods)*classes)}
	for range methods {
		t.confusion = append(t.confusion, heat.NewConfusion(classes))
	}
	return t
}

// add takes the labels that each method gave a scene.
func (t *tally) add(given [][]uint16, sc *sceneToRead) {
	classes := len(t.result.Classes)
	counts := make([]int64, len(t.pixels))
	for m, labels := range given {
		if sc.truth != nil {
			t.confusion[m].Add(labels, sc.truth)
			continue
		}
		for _, c := range labels {
			counts[m*classes+int(c)]++
		}
	}
	if sc.truth != nil {
		return
	}
	addCounts(t.pixels, counts)
	if len(t.paths) == 0 {
		return
	}
	for len(t.ofPaths) <= sc.given {
		t.ofPaths = append(t.ofPaths, pathTally{pixels: make([]int64, len(t.pixels))})
	}
	of := &t.ofPaths[sc.given]
	of.images++
	addCounts(of.pixels, counts)
}

func addCounts(sums, counts []int64) {
	for i, n := range counts {
		sums[i] += n
	}
}

// finish fills in the result.
func (t *tally) finish() *Result {
	if t.foreground != nil {
		return t.finishMasks()
	}
	for m, method := range t.methods {
		if shares := t.shares(t.pixels, m); shares != nil {
			t.result.Shares = append(t.result.Shares, MethodShares{method, shares})
			continue
		}
		s := t.confusion[m].Scores()
		scores := MethodScores{
			Method: method, MIoU: orNil(s.MIoU), PixelAccuracy: orNil(s.PixelAccuracy), MeanAccuracy: orNil(s.MeanAccuracy),
		}
		for c, name := range t.result.Classes {
			scores.Classes = append(scores.Classes, ClassScore{name, s.Pixels[c], orNil(s.IoU[c]), orNil(s.Accuracy[c])})
		}
		t.result.Methods = append(t.result.Methods, scores)
	}
	for i, of := range t.ofPaths {
		if of.images == 0 {
			continue // skipped
		}
		p := PathShares{Path: t.paths[i], Images: of.images}
		for m, method := range t.methods {
			p.Shares = append(p.Shares, MethodShares{method, t.shares(of.pixels, m)})
		}
		t.result.Paths = append(t.result.Paths, p)
	}
	return t.result
}

// shares is how much of images without truth each class has, by pixels [methods,classes];
// nil where there are none.
func (t *tally) shares(pixels []int64, method int) []ClassShare {
	classes := len(t.result.Classes)
	counts := pixels[method*classes : (method+1)*classes]
	total := int64(0)
	for _, n := range counts {
		total += n
	}
	if total == 0 {
		return nil
	}
	shares := make([]ClassShare, classes)
	for c, n := range counts {
		shares[c] = ClassShare{t.result.Classes[c], float64(n) / float64(total)}
	}
	slices.SortStableFunc(shares, func(a, b ClassShare) int { return cmp.Compare(b.Share, a.Share) })
	return shares
}

// orNil returns a pointer to v, nil if it is NaN.
func orNil(v float64) *float64 {
	if math.IsNaN(v) {
		return nil
	}
	return &v
}
