package explain

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/clipnh/clipnh/internal/attribution"
	"github.com/clipnh/clipnh/internal/canvas"
	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/coding"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/ui"
	"github.com/clipnh/clipnh/internal/unit"
)

// explainer explains images.
type explainer struct {
	o     *Options
	say   ui.Reporter
	team  par.Team
	tower clip.PairTower
	texts []float32 // [classes,O], unit vectors
	words *coding.Words
	usual *usual

	class, versus int     // to explain; winner and nobody where none was named
	heads         []heads // whose maps are wanted; none: the strongest

	off      []int     // pairs that are taken out of the model
	offMeans []float64 // what takes their place, mean scores of all pairs; nil: nothing

	targets []*target // the last used, newest last

	waiting []*Explanation // for ranks, then sheets
	ranks   []rankedPart   // that they wait for
}

// A target is one class, or one against another.
type target struct {
	class, versus int
	*attribution.Target
	placing placing
}

// keptTargets bounds the targets in memory: 32 take 38 MB for RN50x16.
const keptTargets = 32

// waitingImages is how many images are explained before their scores are ranked, for
// which all collected scores are read.
const waitingImages = 64

// run explains the images, and completes result as far as it comes. first sees the
// pixels of the first batch.
func (e *explainer) run(ctx context.Context, items []dataset.Item, first func(pixels []float32) error, result *Result, sink Sink) error {
	c := e.tower.Config()
	n := max(min(e.o.BatchSize, len(items)), 1)
	outputs := e.tower.Room(n)
	feed := source.NewFeed(ctx, items, source.FeedOptions{
		Input: c.Input(), Batch: n, Threads: e.o.Threads, Images: e.o.Images, Strict: e.o.Strict, First: first,
	}, e.say)
	defer feed.Close()
	progress := e.say.Progress()
	progress.Start(int64(len(items)), ui.Images, "explain")
	defer progress.Done()
	err := feed.Next(ctx, len(items), source.Visitor{
		Skip: func(s source.Skipped) { result.Skipped = append(result.Skipped, s) },
		Batch: func(items []dataset.Item, pixels []float32) error {
			out := outputs.First(len(items), n)
			if err := e.tower.Run(pixels, out); err != nil {
				return err
			}
			if err := e.batch(items, pixels, out); err != nil {
				return err
			}
			progress.Add(int64(len(items)))
			if e.usual.scores != nil && len(e.waiting) < waitingImages {
				return nil
			}
			return e.flush(ctx, result, sink)
		},
	})
	if err != nil {
		return err
	}
	return e.flush(ctx, result, sink)
}

// A seen image is what the tower made of one.
type seen struct {
	name                    string
	pixels, feature, scores []float32
	out                     clip.Output
	factor                  float64
	logits                  []float64 // [classes]
	target                  *target
	explanation             *Explanation
	ranks                   []rankedPart
}

// batch explains the images of a batch, which then wait.
func (e *explainer) batch(items []dataset.Item, pixels []float32, out clip.Output) error {
	n := len(items)
	all := make([]seen, n)
	part := func(x []float32, i int) []float32 { each := len(x) / n; return x[i*each : (i+1)*each] }
	for i := range all {
		s := &all[i]
		*s = seen{
			name: items[i].Name, pixels: part(pixels, i), feature: part(out.Features, i), scores: part(out.Scores, i),
			out: out.Of(i, n), logits: make([]float64, len(e.o.Classes)),
		}
		var ok bool
		if s.factor, ok = attribution.Factor(s.feature); !ok {
			return fmt.Errorf("%s: the image's feature has no direction (zero or not finite)", items[i].Path)
		}
	}
	e.team.For(n, func(lo, hi, _ int) {
		for i := lo; i < hi; i++ {
			attribution.Logits(all[i].logits, all[i].feature, e.texts, all[i].factor)
		}
	})
	for i := range all {
		all[i].target = e.targetOf(all[i].logits)
	}
	e.team.For(n, func(lo, hi, _ int) {
		for i := lo; i < hi; i++ {
			e.explain(&all[i])
		}
	})
	for i := range all {
		e.waiting, e.ranks = append(e.waiting, all[i].explanation), append(e.ranks, all[i].ranks...)
	}
	return nil
}

// targetOf returns the target of an image with these logits. Of equal logits the
// first class wins.
func (e *explainer) targetOf(logits []float64) *target {
	class := e.class
	if class == winner {
		class = 0
		for i, l := range logits {
			if l > logits[class] {
				class = i
			}
		}
	}
	is := func(t *target) bool { return t.class == class && t.versus == e.versus }
	if i := slices.IndexFunc(e.targets, is); i >= 0 {
		t := e.targets[i]
		e.targets = append(slices.Delete(e.targets, i, i+1), t)
		return t
	}
	O := e.tower.Config().OutDim
	row := func(i int) []float32 {
		if i == nobody {
			return nil
		}
		return e.texts[i*O : (i+1)*O]
	}
	t := &target{class: class, versus: e.versus}
	text := attribution.Difference(row(class), row(e.versus))
	t.Target = attribution.NewTarget(e.tower.OV(), text, e.team)
	var removed []removedPair
	for _, u := range e.off {
		removed = append(removed, removedPair{u, t.Products[u]})
	}
	t.Remove(e.off, e.offMeans)
	t.placing = newPlacing(e.tower, t.Target, text, removed, e.team)
	if len(e.targets) == keptTargets {
		e.targets = slices.Delete(e.targets, 0, 1)
	}
	e.targets = append(e.targets, t)
	return t
}

// explain fills in the explanation of an image.
func (e *explainer) explain(s *seen) {
	t, c := s.target, e.tower.Config()
	x := &Explanation{
		Name: s.name, Class: e.o.Classes[t.class], Logit: s.logits[t.class], Norm: attribution.Scale / s.factor,
		Constant: s.factor * t.Constant, Heads: make([]float64, t.Heads), Classes: Classes(e.o.Classes, s.logits),
	}
	if t.versus != nobody {
		x.Versus = e.o.Classes[t.versus]
		x.Logit -= s.logits[t.versus]
	}
	parts := make([]float64, len(t.Products))
	attribution.Parts(t.Target, parts, s.scores, s.factor)
	var usualParts []float64
	if e.usual.means != nil {
		usualParts = make([]float64, len(parts))
		attribution.Parts(t.Target, usualParts, e.usual.means, s.factor)
	}
	x.Sum = attribution.Sum(parts) + x.Constant
	x.Difference = x.Sum - x.Logit
	t.ByHead(x.Heads, parts)
	x.Pairs = e.split(x.Logit, e.units(), parts, usualParts)
	x.Neurons = e.split(x.Logit, e.neurons(), e.byNeuron(t, parts), e.byNeuron(t, usualParts))
	s.ranks = e.finishPairs(&x.Pairs, s)
	x.Places = Places{Rows: c.Grid(), Cols: c.Grid(), Parts: make([]float64, c.Tokens()-1)}
	x.HeadMaps = e.headMaps(t.placing.whole(x, s), x, t.placing)
	e.drawnPairs(&x.Pairs, s)
	if e.o.SaveDir != "" {
		side := c.ImageSize
		img := c.Form.Denormalize(s.pixels, side, side)
		x.crop = canvas.Image{Pix: img.Pix, W: side, H: side}
	}
	s.explanation = x
}

// Classes lists classes by descending logit; of equal ones the first comes first.
func Classes(names []string, logits []float64) []ClassLogit {
	probabilities := make([]float64, len(logits))
	attribution.Softmax(probabilities, logits)
	all := make([]ClassLogit, len(logits))
	for i, name := range names {
		all[i] = ClassLogit{name, logits[i], probabilities[i]}
	}
	slices.SortStableFunc(all, func(a, b ClassLogit) int { return cmp.Compare(b.Logit, a.Logit) })
	return all
}

// units are the pairs, and neurons the neurons.
func (e *explainer) units() unit.Layered {
	p := e.tower.Pairs()
	return unit.Layered{Shape: unit.Shape{p.Heads, p.Neurons}, Layers: unit.Layers{First: p.FirstLayer, Heads: p.LayerHeads}}
}

func (e *explainer) neurons() unit.Layered {
	all := e.units()
	all.Shape = all.Shape[1:]
	return all
}

func (e *explainer) byNeuron(t *target, parts []float64) []float64 {
	if parts == nil {
		return nil
	}
	sums := make([]float64, t.Neurons)
	t.ByNeuron(sums, parts)
	return sums
}

// split lists the strongest units.
func (e *explainer) split(logit float64, units unit.Layered, parts, usualParts []float64) Split {
	by := parts
	if e.o.Unusual {
		by = make([]float64, len(parts))
		for u := range by {
			by[u] = parts[u] - usualParts[u]
		}
	}
	up, down := attribution.Strongest(by, e.o.Units)
	s := Split{For: []Part{}, Against: []Part{}, RestUnits: len(parts) - len(up) - len(down)}
	listed := make(map[int]bool, len(up)+len(down))
	part := func(u int) Part {
		p := Part{Unit: units.Name(u), Index: u, Part: parts[u]}
		if logit != 0 {
			share := p.Part / logit
			p.Share = &share
		}
		if usualParts != nil {
			usual, unusual := usualParts[u], parts[u]-usualParts[u]
			p.Usual, p.Unusual = &usual, &unusual
		}
		listed[u] = true
		s.Listed += p.Part
		return p
	}
	for _, u := range up {
		s.For = append(s.For, part(u))
	}
	for _, u := range down {
		s.Against = append(s.Against, part(u))
	}
	for u, x := range parts {
		if !listed[u] {
			s.Rest += x
		}
	}
	return s
}

// each calls do for the listed units.
func (s *Split) each(do func(*Part)) {
	for i := range s.For {
		do(&s.For[i])
	}
	for i := range s.Against {
		do(&s.Against[i])
	}
}

// finishPairs fills in what is known of listed pairs, and returns those whose rank is
// to be found.
func (e *explainer) finishPairs(s *Split, from *seen) (ranks []rankedPart) {
	s.each(func(p *Part) {
		score := float64(from.scores[p.Index])
		p.Score = &score
		if e.usual.means != nil {
			p.Mean = &e.usual.means[p.Index]
		}
		if e.usual.images > 0 {
			ranks = append(ranks, rankedPart{p.Index, from.scores[p.Index], p})
		}
	})
	return ranks
}

// strongestListed returns the listed pairs of largest size, descending.
func (s *Split) strongestListed(n int) []*Part {
	var all []*Part
	s.each(func(p *Part) { all = append(all, p) })
	slices.SortStableFunc(all, func(a, b *Part) int { return cmp.Compare(math.Abs(b.Part), math.Abs(a.Part)) })
	return all[:min(n, len(all))]
}

// drawnPairs computes the maps of the strongest pairs.
func (e *explainer) drawnPairs(s *Split, from *seen) {
	for _, p := range s.strongestListed(e.o.Maps) {
		p.Places = make([]float64, e.tower.Config().Tokens()-1)
		from.target.placing.pair(p, from)
	}
}

// describe finds the words of the listed units of the images that wait.
func (e *explainer) describe(ctx context.Context) error {
	var pairs, neurons []int
	for _, x := range e.waiting {
		x.Pairs.each(func(p *Part) { pairs = append(pairs, p.Index) })
		x.Neurons.each(func(p *Part) { neurons = append(neurons, p.Index) })
	}
	if err := e.words.Code(ctx, pairs, neurons); err != nil {
		return err
	}
	for _, x := range e.waiting {
		x.Pairs.each(func(p *Part) { p.Words = e.words.Pair(p.Index) })
		x.Neurons.each(func(p *Part) { p.Words = e.words.Neuron(p.Index) })
	}
	return nil
}

// flush ranks, describes and draws the images that wait, and hands them over.
func (e *explainer) flush(ctx context.Context, result *Result, sink Sink) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := e.usual.rank(ctx, e.ranks, e.team); err != nil {
		return err
	}
	if err := e.describe(ctx); err != nil {
		return err
	}
	var undrawn error // explanations are not lost with their sheets
	if e.o.SaveDir != "" {
		undrawn = e.draw(e.waiting)
	}
	for _, x := range e.waiting {
		result.Images++
		result.Difference = math.Max(result.Difference, math.Abs(x.Difference))
		if err := sink.Explanation(x); err != nil {
			return err
		}
	}
	e.waiting, e.ranks = nil, nil
	return undrawn
}
