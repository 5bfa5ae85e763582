package directions

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/lowrank"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/figure"
	"github.com/clipnh/clipnh/internal/plot"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/ui"
	"github.com/clipnh/clipnh/internal/usage"
)

// PolysemanticityOptions says of which units to find out how many things they
// stand for.
type PolysemanticityOptions struct {
	Artefacts   artefact.Reader
	CollectPath string // a folder of scores, or of statistics for pairs
	TopImages   int    // images of largest centred norm, per unit
	FitTop      bool   // take fewer than TopImages where there are not as many
	PairsPath   string // .npy for the pairs' scores, with Pairs; may be empty
	NeuronsPath string // and for the neurons'
	Pairs       bool
	Neurons     bool
	PlotPath    string // .png or .svg; may be empty
	Writer      artefact.Writer
	List        int // how many of the lowest and of the highest units to name
	Threads     int
}

// PolysemanticityResult is what Polysemanticity found.
type PolysemanticityResult struct {
	Images    int                 `json:"images"`
	TopImages int                 `json:"top_images"`
	Units     []Polysemanticities `json:"units"`
	Plot      string              `json:"plot,omitempty"`
}

// Polysemanticities are those of all units of a kind.
type Polysemanticities struct {
	Unit    string      `json:"unit"` // pair or neuron
	Count   int         `json:"count"`
	Mean    float64     `json:"mean"`
	Median  float64     `json:"median"`
	Lowest  []UnitScore `json:"lowest"`  // ascending
	Highest []UnitScore `json:"highest"` // descending
	Path    string      `json:"path,omitempty"`
}

// UnitScore is a unit, such as h12n624 or n624, and its polysemanticity.
type UnitScore struct {
	Name  string  `json:"name"`
	Score float64 `json:"score"`
}

// histogramBins is how many bins the figure has.
const histogramBins = 40

// Polysemanticity measures, for every pair or neuron, how unlike each other the
// images are that it is strongest on. Of the k images of largest centred norm,
// with unit image embeddings e and their mean m, it is
//
//	Σ |e - m|²
//
// from 0, when all are alike, to k. Image features follow from the scores. A result
// that comes with an error is whole, and lacks only the paths of what could not be
// written.
func Polysemanticity(ctx context.Context, o PolysemanticityOptions, say ui.Reporter) (*PolysemanticityResult, error) {
	outputs := []string{o.PlotPath}
	if o.Pairs {
		outputs = append(outputs, o.PairsPath)
	}
	if o.Neurons {
		outputs = append(outputs, o.NeuronsPath)
	}
	if err := artefact.Apart(outputs...); err != nil {
		return nil, err
	}
	if err := artefact.MakeFolders(o.PairsPath, o.NeuronsPath, o.PlotPath); err != nil {
		return nil, err
	}
	if err := figure.CanDraw(o.PlotPath, "polysemanticity"); err != nil {
		return nil, err
	}
	a, err := o.Artefacts.Collection(o.CollectPath, nil, artefact.KindScores, artefact.KindStatistics, artefact.KindSummary)
	if err != nil {
		return nil, err
	}
	if a.Manifest.Kind == artefact.KindSummary {
		return nil, artefact.NoFeatures(o.CollectPath, "polysemanticity is that of the features of images")
	}
	if a.Manifest.Kind == artefact.KindStatistics && o.Neurons {
		return nil, artefact.PairsOnly(o.CollectPath)
	}
	embeddings, images, err := embeddingsOf(o.Artefacts, a, o.Threads)
	if err != nil {
		return nil, err
	}
	if images < o.TopImages && !o.FitTop {
		return nil, usage.Errorf("{top-images} %d: %s has %s, want at most that many", o.TopImages, o.CollectPath, ui.Images.Count(int64(images)))
	}
	if min(images, o.TopImages) < 2 {
		return nil, usage.Errorf("%s: %s for each unit, want 2 or more: a single image is like itself", o.CollectPath, quantity.Of(min(images, o.TopImages), "image"))
	}
	if images <= o.TopImages {
		say.Warn("%s: %s for {top-images} %d: every unit has the same ones; take more, or a smaller {top-images}", o.CollectPath, quantity.Of(images, "image"), o.TopImages)
	}
	result := &PolysemanticityResult{Images: images, TopImages: o.TopImages, Plot: o.PlotPath}
	histogram := plot.Histogram{
		Title: "Polysemanticity", X: fmt.Sprintf("inertia of the embeddings of the top %s", quantity.Of(min(o.TopImages, images), "image")), Bins: histogramBins,
	}
	var unwritten error
	for _, kind := range []struct {
		wanted, neurons  bool
		path, unit, name string
	}{{o.Pairs, false, o.PairsPath, "pair", "neuron-head pairs"}, {o.Neurons, true, o.NeuronsPath, "neuron", "neurons"}} {
		if !kind.wanted {
			continue
		}
		scores, neurons, save, err := polysemanticities(ctx, o, kind.neurons, embeddings, images, kind.path, say)
		if err != nil {
			return nil, err
		}
		histogram.Samples = append(histogram.Samples, plot.Sample{Name: kind.name, Values: scores})
		p := summary(scores, o.List, func(u int) string {
			if kind.neurons {
				return artefact.LayersOf(a).Neuron(u)
			}
			return artefact.LayersOf(a).Pair(u, neurons)
		})
		p.Unit = kind.unit
		if err := save(); err != nil {
			unwritten = errors.Join(unwritten, err)
		} else {
			p.Path = kind.path
		}
		result.Units = append(result.Units, p)
	}
	if o.PlotPath == "" {
		return result, unwritten
	}
	err = figure.DrawFigure(o.Writer.Store, o.PlotPath, "polysemanticity", func(w io.Writer, format plot.Format) error { return plot.WriteHistogram(w, histogram, format) })
	if err != nil {
		result.Plot = ""
	}
	return result, errors.Join(unwritten, err)
}

// imagesPerProduct is how many images' features are computed at a time, so that the weights
// are read once for all of them: their scores take 19 MB for RN50x16.
const imagesPerProduct = 32

// embeddingsOf returns the unit image embeddings of a folder's images, [B,O].
func embeddingsOf(r artefact.Reader, a *cache.Artefact, threads int) (embeddings []float32, images int, err error) {
	var out int
	if a.Manifest.Kind == artefact.KindStatistics {
		s, err := artefact.StatisticsOf(a)
		if err != nil {
			return nil, 0, err
		}
		if embeddings, err = s.Features(); err != nil {
			return nil, 0, err
		}
		images, out = s.Images, s.OV.OutDim
	} else {
		s, err := r.WholeScoresOf(a)
		if err != nil {
			return nil, 0, err
		}
		defer s.Close()
		images, out = s.Images, s.OV.OutDim
		embeddings = make([]float32, images*out)
		each, team := s.OV.Heads*s.OV.Neurons, par.NewTeam(threads)
		batch := min(imagesPerProduct, max(1, images))
		rows, values := make([]float32, batch*each), make([]float32, batch*s.OV.Inner())
		for lo := 0; lo < images; lo += batch {
			n := min(batch, images-lo)
			if err := s.Read(rows[:n*each], lo); err != nil {
				return nil, 0, err
			}
			if err := s.Features(embeddings[lo*out:(lo+n)*out], values, rows, lo, n, team); err != nil {
				return nil, 0, err
			}
		}
	}
	for b := range images {
		e := embeddings[b*out : (b+1)*out]
		length := decomp.Norm(e)
		if !(length > 0) || math.IsInf(length, 1) {
			return nil, 0, fmt.Errorf("%s: the feature of image %d has no direction (zero or not finite)", a.Path(), b)
		}
		for o := range e {
			e[o] = float32(float64(e[o]) / length)
		}
	}
	return embeddings, images, nil
}

// polysemanticities computes the scores of all pairs or neurons. It returns them, the
// number of neurons, and what writes them to path, if there is one.
func polysemanticities(ctx context.Context, o PolysemanticityOptions, neurons bool, embeddings []float32, images int, path string, say ui.Reporter) (scores []float64, width int, save func() error, err error) {
	svd := SVDOptions{Artefacts: o.Artefacts, CollectPath: o.CollectPath, Neurons: neurons, TopK: o.TopImages, Threads: o.Threads}
	src, err := openContributions(svd)
	if err != nil {
		return nil, 0, nil, err
	}
	defer src.close()
	if s, ok := src.(*summed); ok {
		if err := s.WantTop("{top-images}", o.TopImages); err != nil {
			return nil, 0, nil, err
		}
	}
	shape, axes, mode, unit := src.units().Shape, []string{"H", "C"}, "nh", ui.Pairs
	if neurons {
		axes, mode, unit = axes[1:], "n", ui.Neurons
	}
	from := src.origin(svd)
	from.Mode, from.SVD, from.Polysemanticity = mode, nil, &origin.Polysemanticity{TopImages: o.TopImages}
	if err := o.Writer.MayReplace(path, artefact.KindPolysemanticity, from); err != nil {
		return nil, 0, nil, err
	}
	team, out := par.NewTeam(o.Threads), len(embeddings)/images
	scores = make([]float64, artefact.Product(shape))
	progress := say.Progress()
	progress.Start(int64(len(scores)), unit, "polysemanticity")
	defer progress.Done()
	err = src.solve(ctx, svd, func(first int, r *lowrank.Result) error {
		team.For(r.Units, func(lo, hi, _ int) {
			means := make([]float64, together*out)
			for u := lo; u < hi; u += together {
				n := min(together, hi-u)
				inertias(scores[first+u:first+u+n], embeddings, r.Images[u*r.Kept:(u+n)*r.Kept], means)
			}
		})
		progress.Add(int64(r.Units))
		return nil
	})
	if err != nil {
		return nil, 0, nil, err
	}
	save = func() error {
		if path == "" {
			return nil
		}
		rounded := make([]float32, len(scores))
		for i, x := range scores {
			rounded[i] = float32(x)
		}
		return o.Writer.SaveFloat32(artefact.KindPolysemanticity, path, axes, shape, rounded, from)
	}
	return scores, shape[len(shape)-1], save, nil
}

// summary describes scores, naming the k lowest and highest; of equal ones the
// first unit comes first.
func summary(scores []float64, k int, name func(unit int) string) Polysemanticities {
	order := make([]int, len(scores))
	p := Polysemanticities{Count: len(scores), Lowest: []UnitScore{}, Highest: []UnitScore{}}
	for i, x := range scores {
		order[i] = i
		p.Mean += x / float64(len(scores))
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(scores[a], scores[b]) })
	p.Median = (scores[order[(len(order)-1)/2]] + scores[order[len(order)/2]]) / 2
	for _, u := range order[:min(k, len(order))] {
		p.Lowest = append(p.Lowest, UnitScore{name(u), scores[u]})
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(scores[b], scores[a]) })
	for _, u := range order[:min(k, len(order))] {
		p.Highest = append(p.Highest, UnitScore{name(u), scores[u]})
	}
	return p
}
