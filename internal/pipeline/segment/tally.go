package segment

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/heat"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/ui"
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

// sayAbsent says that many of the last classes are in no label map, which is how maps of other
// classes look, such as those of VOC's 21 to a config of 59: their numbers are all in range.
func (r *Result) sayAbsent(say ui.Reporter) {
	if len(r.Methods) == 0 {
		return // masks have no classes
	}
	classes := r.Methods[0].Classes
	last := len(classes)
	for last > 0 && classes[last-1].Pixels == 0 {
		last--
	}
	if absent := len(classes) - last; last > 0 && 2*absent > len(classes) {
		say.Note("no label map has one of the last %d of %s, from %s on: label maps of other classes than the config's look like this", absent, quantity.Of(len(classes), "class"), foreign.Quote(classes[last].Name))
	}
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

// newForegrounds are counts for each method; nil where there are no masks.
func (o *Options) newForegrounds() []heat.Foreground {
	if o.MasksDir == "" {
		return nil
	}
	return make([]heat.Foreground, len(o.Methods))
}

// compare compares the map of a scene's class, by each method, with its mask.
func (s *segmenter) compare(ctx context.Context, sc *sceneToRead, t *tally) error {
	if i := slices.Index(sc.truth, 1); i < 0 {
		return fmt.Errorf("%s: a mask without foreground", sc.labels)
	}
	fields, err := s.fields(ctx, sc)
	if err != nil {
		return err
	}
	var queries []int
	for p, class := range s.class {
		if class == sc.class {
			queries = append(queries, p)
		}
	}
	for i, f := range fields {
		if s.o.PAMR.Steps > 0 {
			s.o.PAMR.Refine(f, sc.image.Pix, s.team)
		}
		t.foreground[i].Add(f.Largest(queries, s.team), sc.truth)
	}
	return nil
}

// finishMasks fills in the measures of each method.
func (t *tally) finishMasks() *Result {
	for m, method := range t.methods {
		if f := &t.foreground[m]; f.Images > 0 {
			t.result.Foreground = append(t.result.Foreground, ForegroundScores{method, f.PixelAccuracy(), f.MIoU(), f.MAP()})
		}
	}
	return t.result
}
