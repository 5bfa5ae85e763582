package shift

import (
	"fmt"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/pipeline/figure"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/ui"
	"github.com/clipnh/clipnh/internal/unit"
)

// watched is one of two collections: scores of images, or a summary of them.
type watched struct {
	*cache.Artefact
	path    string
	scores  *source.Source    // one of these
	summary *artefact.Summary // or this

	images, heads, neurons, outDim int
}

func (w *watched) close() {
	if w != nil && w.scores != nil {
		w.scores.Close()
	}
}

func (w *watched) units() unit.Layered {
	return unit.Layered{Shape: unit.Shape{w.heads, w.neurons}, Layers: artefact.LayersOf(w.Artefact)}
}

// openWatched opens a folder of scores or a summary.
func openWatched(path string, r artefact.Reader) (*watched, error) {
	a, err := r.Collection(path, nil, artefact.KindScores, artefact.KindSummary)
	if err != nil {
		return nil, err
	}
	if a.Manifest.Kind == artefact.KindSummary {
		s, err := artefact.SummaryOf(a)
		if err != nil {
			return nil, err
		}
		return &watched{Artefact: a, path: path, summary: s, images: s.Images, heads: s.OV.Heads, neurons: s.OV.Neurons, outDim: s.OV.OutDim}, nil
	}
	s, err := source.OpenScoresOf(a, r)
	if err != nil {
		return nil, err
	}
	return &watched{Artefact: a, path: path, scores: s, images: s.Images, heads: s.Heads, neurons: s.Neurons, outDim: s.OutDim}, nil
}

// canWrite returns an error if a file is to be written that cannot be, or is not ours.
func (o WatchOptions) canWrite() error {
	if err := artefact.Apart(o.SavePath, o.PlotPath, o.JUnitPath, o.MetricsPath); err != nil {
		return err
	}
	if err := artefact.MakeFolders(o.SavePath, o.PlotPath, o.JUnitPath, o.MetricsPath); err != nil {
		return err
	}
	isWatch := func(first, second string) bool { return first == "reference" && second == "" }
	if err := figure.CanWriteJSON(o.SavePath, "a result of watch", isWatch); err != nil {
		return err
	}
	if err := figure.CanDraw(o.PlotPath, "watch"); err != nil {
		return err
	}
	return o.canWriteReports()
}

// openBoth opens the reference and the other collection, which must come from the same
// weights and the same way of preparing images.
func openBoth(o WatchOptions, say ui.Reporter) (both [2]*watched, err error) {
	defer func() {
		if err != nil {
			both[0].close()
			both[1].close()
		}
	}()
	if both[1], err = openWatched(o.Scores, o.Artefacts); err != nil {
		return both, err
	}
	if both[0], err = openWatched(o.Reference, o.Artefacts); err != nil {
		return both, err
	}
	ref, now := both[0], both[1]
	if err = comparable(o, ref.Artefact, now.Artefact, say); err != nil {
		return both, err
	}
	switch {
	case ref.heads != now.heads || ref.neurons != now.neurons || ref.outDim != now.outDim:
		err = fmt.Errorf("%s: %w: %s and %s, but %s has %d and %d", o.Reference, cache.ErrStale, quantity.Of(ref.heads, "head"), quantity.Of(ref.neurons, "neuron"), o.Scores, now.heads, now.neurons)
	case min(ref.images, now.images) < minImages:
		err = fmt.Errorf("%s and %s: %d and %s, want %d or more of each", o.Reference, o.Scores, ref.images, quantity.Of(now.images, "image"), minImages)
	}
	return both, err
}

// comparable returns an error unless two collections come from the same weights
// and the same way of preparing images. It warns of what may have moved scores.
func comparable(o WatchOptions, ref, now *cache.Artefact, say ui.Reporter) error {
	this := now.Manifest.Origin
	facts := artefact.Of(this).Mode(this.Mode)
	if b := this.Images; b != nil {
		facts = append(facts, cache.Fact{Field: "origin.images.preprocessing", Want: b.Preprocessing})
	}
	if err := o.Artefacts.Check(ref, facts); err != nil {
		return fmt.Errorf("%w (%s)", err, o.Scores)
	}
	source.WarnWhereUnlike(ref, now, o.Reference, o.Scores, say)
	if ref.Hash() == now.Hash() {
		say.Note("%s and %s are the same collection: nothing can differ", o.Reference, o.Scores)
	}
	return nil
}
