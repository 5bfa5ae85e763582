package evaluate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/figure"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/plot"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/ui"
	"github.com/clipnh/clipnh/internal/unit"
	"github.com/clipnh/clipnh/internal/usage"
)

// What can be ablated, by the reference's names.
const (
	AblatePairs         = artefact.MaskOfPairs    // contributions of pairs that are not kept become their mean
	AblateNeurons       = artefact.MaskOfNeurons  // the same of neurons, summed over heads
	AblateActivations   = "neur_acts"             // activations of neurons that are not kept become their mean
	AblateSink          = "zero_sink"             // the class token's attention to the last token becomes zero
	AblateSinkRegisters = "zero_register_neurons" // activations of the neurons that feed it become zero
)

// AblateModes are all of them.
func AblateModes() []string {
	return []string{AblatePairs, AblateNeurons, AblateActivations, AblateSink, AblateSinkRegisters, AblateEffects}
}

// AblateOptions says what to ablate, and of which images.
type AblateOptions struct {
	source.Options
	Modes []string

	// What is kept: a mask .npy, bool [H,C] or [C], or else the units at or above
	// each percentile of their strength; see MaskOptions.
	MaskPath    string
	Percentiles []float64
	Norms       map[string]string // by mode, .npy
	TopImages   int
	FitTop      bool

	// Means are .npy files for the modes that need some, told apart by shape:
	// [H,C,O] of pairs, which also serve neurons; [C,O] of neurons; [C,T]
	// of activations.
	Means []string

	// Instead, for the same modes, units by name that are taken out, or with Except all
	// others.
	Units  []string
	Except bool

	// Groups of images whose accuracies are given; no path: none.
	Groups dataset.TableOptions

	SinkDiffs string // .npy [B,C], the drop of attention to the sink without a neuron
	TopSink   int    // so many neurons of largest mean drop are zeroed

	ClassesPath  string // class embeddings
	FeaturesPath string // .npy; may be empty
	PlotPath     string // .png or .svg, accuracy over percentiles; may be empty
	Writer       artefact.Writer
	Threads      int
}

// AblateResult is the result of every ablation.
type AblateResult struct {
	Evaluation
	PlotPath string `json:"plot_path,omitempty"`
}

// Ablate measures zero-shot accuracy with parts of the model taken out, beside
// the untouched model's on the same images, all in one pass. A result that comes with
// an error is whole, and lacks only the paths of what could not be written.
func Ablate(ctx context.Context, o AblateOptions, say ui.Reporter) (*AblateResult, error) {
	if err := artefact.MakeFolders(o.FeaturesPath, o.PlotPath); err != nil {
		return nil, err
	}
	if err := figure.CanDraw(o.PlotPath, "ablate"); err != nil {
		return nil, err
	}
	o.FirstOrder = slices.ContainsFunc(o.Modes, IsFirstOrder)
	if other := slices.IndexFunc(o.Modes, func(mode string) bool { return !IsFirstOrder(mode) }); o.FirstOrder && other >= 0 {
		return nil, usage.Errorf("{mode} %s: %s is about pairs or neurons, the others about heads and MLPs: want one command for each", strings.Join(o.Modes, ","), o.Modes[other])
	}
	o.LayerFrom = append([]string{o.MaskPath}, o.Means...)
	for _, mode := range slices.Sorted(maps.Keys(o.Norms)) {
		o.LayerFrom = append(o.LayerFrom, o.Norms[mode])
	}
	src, err := source.Open(ctx, o.Options, o.Threads, say)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	if o.PlotPath != "" && (o.ClassesPath == "" || !src.Labelled) {
		return nil, usage.Errorf("{plot} draws accuracies: want labelled images and {imagenet-zeroshot-path}")
	}
	from := src.Origin.Own()
	from.Mode = "ablate"
	a := &ablater{AblateOptions: o, src: src, from: &from, used: map[string]bool{}}
	variants, err := a.all(ctx, say)
	if err != nil {
		return nil, err
	}
	from.Ablation = &origin.Ablation{Modes: strings.Join(o.Modes, ","), Units: cache.ListHash(a.what)}
	for _, path := range o.Means {
		if !a.used[path] {
			return nil, usage.Errorf("{means-path} %s: not used: {mode} %s needs means of another shape, or those of another file come first", path, strings.Join(o.Modes, ","))
		}
	}
	e, err := evaluate(ctx, src, variants, evaluateOptions{o.Artefacts, o.Writer, "ablate", o.ClassesPath, o.Data, o.Groups, o.FeaturesPath, from, o.Threads}, say)
	if e == nil {
		return nil, err
	}
	result := &AblateResult{Evaluation: *e, PlotPath: o.PlotPath}
	if o.PlotPath == "" {
		return result, err
	}
	drawn := figure.DrawFigure(o.Writer.Store, o.PlotPath, "ablate", func(w io.Writer, format plot.Format) error { return plot.Write(w, ablationFigure(e), format) })
	if drawn != nil {
		result.PlotPath = ""
	}
	return result, errors.Join(err, drawn)
}

// ablater makes the variants of an Ablate, and keeps what it reads for them.
type ablater struct {
	AblateOptions
	src  *source.Source
	from *origin.Origin  // of the features
	used map[string]bool // paths of means
	what []string        // of every variant, its name and what decides which units it keeps
}

// keeps adds a variant and what decides which units it keeps to what the features are of.
func (a *ablater) keeps(variant string, decides any) {
	a.what = append(a.what, fmt.Sprintf("%s %v", variant, decides))
}

// all are the variants of all modes.
func (a *ablater) all(ctx context.Context, say ui.Reporter) ([]variant, error) {
	if a.FirstOrder {
		return a.firstOrder(ctx, say)
	}
	var variants []variant
	for _, mode := range a.Modes {
		v, err := a.variants(mode)
		if err != nil {
			return nil, err
		}
		variants = append(variants, v...)
	}
	return variants, nil
}

// read adds to the origin of the features, if these are wanted, a file that they
// depend on.
func (a *ablater) read(role, path string, of *cache.Artefact) error {
	if a.FeaturesPath == "" {
		return nil
	}
	return artefact.AddAnother(a.from, role, path, of)
}

// variants are those of one mode.
func (a *ablater) variants(mode string) ([]variant, error) {
	src, o := a.src, a.AblateOptions
	if mode == AblateEffects {
		return a.effectVariants()
	}
	if src.Tower == nil && mode != AblatePairs && mode != AblateNeurons {
		return nil, usage.Errorf("{mode} %s works on tokens, which collected scores do not have: want {model} and {data-path} instead", mode)
	}
	var tower *clip.ResNetTower
	if mode == AblateSink || mode == AblateSinkRegisters {
		var err error
		if tower, err = src.ResNetTower(); err != nil {
			return nil, usage.Errorf("{mode} %s: %w", mode, err)
		}
	}
	switch mode {
	case AblateSink:
		a.keeps(mode, nil)
		return []variant{{VariantScore: VariantScore{Variant: mode}, features: zeroSink(src, tower)}}, nil
	case AblateSinkRegisters:
		return a.zeroRegisters(tower)
	}
	if mode == AblatePairs && src.Heads == 0 {
		return nil, usage.Errorf("%s: contributions are summed over heads, want pairs' for {mode} %s", o.ScoresPath, mode)
	}
	units := src.NeuronUnits()
	if mode == AblatePairs {
		units = src.Units()
	}
	chosen, by, err := a.chooseUnits(mode, units)
	if err != nil {
		return nil, err
	}
	for _, c := range chosen {
		a.keeps(mode, c.keep)
	}
	means, err := a.openMeans(mode)
	if err != nil {
		return nil, err
	}
	defer means.Close()
	if err := sameContributions(o.Artefacts, by, means.Artefact, means.Path); err != nil {
		return nil, err
	}
	if mode == AblateActivations {
		return meanActivations(src, chosen, means)
	}
	ablations := make([]*decomp.Ablation, len(chosen))
	for i := range chosen {
		ablations[i] = decomp.NewAblation(chosen[i].keep, src.OutDim)
	}
	err = means.ReadRows(func(first int, rows []float32) error {
		par.NewTeam(o.Threads).For(len(ablations), func(lo, hi, _ int) {
			for _, a := range ablations[lo:hi] {
				a.AddMeans(first, rows)
			}
		})
		return nil
	})
	if err != nil {
		return nil, err
	}
	var variants []variant
	for i, a := range ablations {
		variants = append(variants, variant{chosen[i].VariantScore, func(dst []float32, b source.Batch, w *workspace) error {
			b.Ablated(dst, a, w.team)
			return nil
		}})
	}
	return variants, nil
}

// chosenUnits are the units that a variant keeps.
type chosenUnits struct {
	VariantScore
	keep []bool
}

// keptUnits returns which units stay where some are taken out by name, or with except all
// others.
func keptUnits(units unit.Layered, names []string, except bool) ([]bool, error) {
	named, err := units.Find(names)
	if err != nil {
		return nil, err
	}
	keep := make([]bool, units.Count())
	for u := range keep {
		keep[u] = !except
	}
	for _, u := range named {
		keep[u] = except
	}
	return keep, nil
}

// chooseUnits returns what the units' names, the mask or each percentile keeps, and the artefact that
// says so, nil for another program's file.
func (a *ablater) chooseUnits(mode string, units unit.Layered) ([]chosenUnits, *cache.Artefact, error) {
	src, o := a.src, a.AblateOptions
	choose := func(keep []bool, percentile *float64) chosenUnits {
		n := countTrue(keep)
		return chosenUnits{VariantScore{
			Variant: mode, Percentile: percentile, Kept: n, Units: len(keep), KeptShare: float64(n) / float64(len(keep)),
		}, keep}
	}
	if len(o.Units) > 0 {
		keep, err := keptUnits(units, o.Units, o.Except)
		if err != nil {
			return nil, nil, err
		}
		return []chosenUnits{choose(keep, nil)}, nil, nil
	}
	if o.MaskPath != "" {
		keep, mask, err := o.Artefacts.Mask(o.MaskPath, artefact.Of(src.Origin).Mode(mode), units.Shape)
		if err != nil {
			return nil, nil, err
		}
		return []chosenUnits{choose(keep, nil)}, mask, a.read("mask", o.MaskPath, mask)
	}
	path := o.Norms[mode]
	if path == "" {
		return nil, nil, usage.Errorf("{mode} %s: {percentile} needs the norms of its units", mode)
	}
	s, err := readStrengths(o.Artefacts, path, mode, strongest{o.TopImages, o.FitTop}, src.Origin)
	if err != nil {
		return nil, nil, err
	}
	if !slices.Equal(s.shape, units.Shape) {
		return nil, nil, fmt.Errorf("%s: norms of %s units, want %s", path, npy.ShapeString(s.shape), npy.ShapeString(units.Shape))
	}
	var chosen []chosenUnits
	for _, p := range o.Percentiles {
		keep, _ := s.keep(p)
		chosen = append(chosen, choose(keep, &p))
	}
	return chosen, s.norms, a.read("norms", path, s.norms)
}

// openMeans opens the first file of a shape that a mode can use.
func (a *ablater) openMeans(mode string) (*artefact.Tensor, error) {
	src, o := a.src, a.AblateOptions
	wanted, kind := [][]int{{src.Neurons, src.OutDim}, {src.Heads, src.Neurons, src.OutDim}}, artefact.KindMeans
	switch mode {
	case AblatePairs:
		wanted = wanted[1:]
	case AblateActivations:
		wanted, kind = [][]int{{src.Neurons, src.Tower.Config().Tokens()}}, artefact.KindMeanActivations
	}
	if len(o.Means) == 0 {
		return nil, usage.Errorf("{mode} %s needs {means-path}", mode)
	}
	var wrong error
	for _, want := range wanted {
		for _, path := range o.Means {
			t, err := o.Artefacts.Tensor(path, artefact.Of(src.Origin).Form(src.Origin), artefact.KindMeans, artefact.KindMeanActivations)
			if err != nil {
				return nil, err
			}
			if slices.Equal(t.Shape, want) && (t.Artefact == nil || t.Artefact.Manifest.Kind == kind) {
				a.used[path] = true
				if err := src.PreparedAlike(o.Artefacts, t.Artefact); err != nil {
					t.Close()
					return nil, err
				}
				return t, a.read("means", path, t.Artefact)
			}
			t.Close()
			if wrong == nil {
				wrong = t.WantShape(want, " for {mode} "+mode)
			}
			if wrong == nil { // of another kind
				wrong = t.WrongShape(npy.ShapeString(want) + " for {mode} " + mode)
			}
			if mode == AblatePairs && slices.Equal(t.Shape, []int{src.Neurons, src.OutDim}) {
				wrong = hint.With(wrong, "{mode} "+AblateNeurons+" takes out neurons by their means")
			}
		}
	}
	return nil, wrong
}

// ablationFigure draws accuracy over percentiles, a curve for each mode.
func ablationFigure(e *Evaluation) plot.Figure {
	f := plot.Figure{
		Title: fmt.Sprintf("Zero-shot accuracy on %s", quantity.Of(e.Images, "image")),
		X:     "units kept, the strongest (% of all, logarithmic)", Shares: true,
		Y:     "top-1 accuracy (%)",
		Level: plot.Level{Name: "untouched model", Y: 100 * e.Baseline.Top1}, YRange: [2]float64{0, 100},
	}
	names := map[string]string{AblatePairs: "neuron-head pairs", AblateNeurons: "neurons", AblateActivations: "activations"}
	for _, mode := range AblateModes() {
		c := plot.Curve{Name: names[mode]}
		points := slices.DeleteFunc(slices.Clone(e.Variants), func(v VariantScore) bool { return v.Variant != mode || v.Percentile == nil })
		slices.SortStableFunc(points, func(a, b VariantScore) int { return cmp.Compare(a.KeptShare, b.KeptShare) })
		for _, v := range points {
			c.X, c.Y = append(c.X, 100*v.KeptShare), append(c.Y, 100*v.Top1)
		}
		if len(c.X) > 0 {
			f.Curves = append(f.Curves, c)
		}
	}
	return f
}
