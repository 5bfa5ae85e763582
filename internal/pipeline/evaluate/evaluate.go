// Package evaluate measures zero-shot accuracy of a changed model beside the
// unchanged one, on the same images, in one pass: rebuilt from principal
// components (Reconstruct), or with units ablated (Ablate). Mask chooses units.
package evaluate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/ui"
	"github.com/clipnh/clipnh/internal/usage"
)

// VariantScore is the result of one variant of the model: how often zero-shot
// classification is right, where images have labels and classes were given.
type VariantScore struct {
	Variant    string   `json:"variant"` // "untouched", or what was done to it
	Percentile *float64 `json:"percentile,omitempty"`
	Kept       int      `json:"kept,omitempty"` // units that keep their contribution
	Units      int      `json:"units,omitempty"`
	KeptShare  float64  `json:"kept_share,omitempty"` // 0 to 1

	Top1        float64 `json:"top1"` // share of the images, 0 to 1
	Top5        float64 `json:"top5"`
	Correct     int     `json:"correct"` // images
	CorrectTop5 int     `json:"correct_top5"`
	Predictions []int   `json:"predictions,omitempty"` // class of every image
}

// Evaluation holds the results of all variants on the same images.
type Evaluation struct {
	Images   int              `json:"images"` // that were evaluated
	Skipped  []source.Skipped `json:"skipped"`
	Labelled bool             `json:"labelled"` // else accuracies mean nothing

	ImageNames []string `json:"image_names,omitempty"` // of labelled images, in the order of labels and predictions
	Labels     []int    `json:"labels,omitempty"`      // their classes, from 0
	ClassNames []string `json:"class_names,omitempty"` // by label and prediction; numbers where names are not known

	Classes []PartScore `json:"classes,omitempty"` // accuracies on the images of each class that has some
	Groups  []PartScore `json:"groups,omitempty"`  // on those of each group

	Baseline     VariantScore     `json:"baseline"` // the untouched model
	Variants     []VariantScore   `json:"variants"`
	FeaturesPath string           `json:"features_path,omitempty"`
	Rounding     *source.Rounding `json:"precision_error,omitempty"` // of a model in reduced precision
}

// A variant makes features of a batch in its own way.
type variant struct {
	VariantScore
	// features writes [B,O].
	features func(dst []float32, b source.Batch, w *workspace) error
}

// workspace is memory that variants share.
type workspace struct {
	team   par.Team
	values []float32 // [B,C] or [B,H·D], whichever is longer
	scores []float32 // [B,H,C]
	tokens []float32 // [B,T,C], of a model only
	mass   []float32 // [B,H]
}

// evaluateOptions are what every evaluation is told.
type evaluateOptions struct {
	artefacts    artefact.Reader
	writer       artefact.Writer
	stage        string               // in progress and manifests
	classesPath  string               // class embeddings; empty: no accuracy
	data         dataset.Options      // what the labels are from
	groups       dataset.TableOptions // of images; no path: none
	featuresPath string               // of what the variants' features are written to; may be empty
	origin       origin.Origin
	threads      int
}

var errNothingToDo = usage.Errorf("no class embeddings, so there are features only: want {features-save-path}")

// evaluate runs all variants, and the untouched model, over the images of a
// source in one pass. If accuracies were measured and only the features cannot be
// written, it returns both, accuracies and error.
func evaluate(ctx context.Context, src *source.Source, variants []variant, o evaluateOptions, say ui.Reporter) (*Evaluation, error) {
	if err := o.writer.MayReplace(o.featuresPath, artefact.KindFeatures, o.origin); err != nil {
		return nil, err
	}
	var judge *classifier
	if o.classesPath != "" && src.Labelled {
		var err error
		if judge, err = newClassifier(ctx, o, src, say); err != nil {
			return nil, err
		}
	} else if o.classesPath != "" {
		unlabelled := usage.Errorf("{imagenet-zeroshot-path} %s: accuracy needs labels, and %s has none as {dataset} %s", o.classesPath, cmp.Or(o.data.Path, "what was collected"), o.data.Kind)
		if o.featuresPath == "" {
			return nil, hint.With(unlabelled, "give labelled images, such as {dataset} imagenet_val with a folder for each class, or {features-save-path} for features only")
		}
		say.Warn("%v: features only", unlabelled)
	} else if o.featuresPath == "" {
		return nil, errNothingToDo
	}
	all := append([]variant{{VariantScore: VariantScore{Variant: "untouched"}, features: untouched}}, variants...)
	team := par.NewTeam(o.threads)
	e := &Evaluation{Labelled: judge != nil, Variants: []VariantScore{}, FeaturesPath: o.featuresPath}
	kept := make([][]float32, len(all)) // features, if wanted
	w := &workspace{team: team}
	images := 0

	progress := say.Progress()
	progress.Start(int64(src.Images), ui.Images, o.stage)
	defer progress.Done()
	err := src.Each(ctx, func(b source.Batch) error {
		n := len(b.Names)
		w.fit(n, src)
		features := make([]float32, n*src.OutDim)
		for i := range all {
			v := &all[i]
			if err := v.features(features, b, w); err != nil {
				return err
			}
			for j, x := range features {
				if x-x != 0 {
					return fmt.Errorf("%s: %s: feature is %g, want a finite one (see the inputs)", b.Names[j/src.OutDim], v.Variant, x)
				}
			}
			if judge != nil {
				if j := slices.Index(b.Labels, dataset.Unlabelled); j >= 0 {
					return fmt.Errorf("%s: image %s has no label, and accuracy needs one of every image", o.data.Path, foreign.Name(b.Names[j]))
				}
				if err := judge.count(&v.VariantScore, features, b.Labels, team); err != nil {
					return err
				}
			}
			if o.featuresPath != "" && i > 0 {
				kept[i] = append(kept[i], features...)
			}
		}
		if judge != nil {
			e.ImageNames, e.Labels = append(e.ImageNames, b.Names...), append(e.Labels, b.Labels...)
		}
		images += n
		progress.Add(int64(n))
		return nil
	})
	if err != nil {
		return nil, err
	}
	if images == 0 {
		return nil, errors.New("none of the images could be read")
	}
	e.Images, e.Skipped = images, append(append([]source.Skipped{}, src.Skipped...), src.Unlisted...)
	e.Rounding = src.Rounding
	for i := range all {
		v := all[i].VariantScore
		v.Top1, v.Top5 = float64(v.Correct)/float64(images), float64(v.CorrectTop5)/float64(images)
		if i == 0 {
			e.Baseline = v
		} else {
			e.Variants = append(e.Variants, v)
		}
	}
	if judge != nil {
		e.ClassNames = judge.names
		e.Classes = e.classScores()
		groups, err := groupsOf(o.groups, e.ImageNames, say)
		if err != nil {
			return nil, err
		}
		e.Groups = e.groupScores(groups)
	}
	if o.featuresPath == "" {
		return e, nil
	}
	if err := saveFeatures(kept[1:], images, src, o); err != nil {
		if judge == nil {
			return nil, err
		}
		e.FeaturesPath = ""
		return e, err
	}
	return e, nil
}

// untouched are the features of the model as it is.
func untouched(dst []float32, b source.Batch, w *workspace) error {
	b.Features(dst, w.team)
	return nil
}

// fit makes room for a batch of n images.
func (w *workspace) fit(n int, src *source.Source) {
	if src.OV == nil || len(w.values) >= n*max(src.OV.Inner(), src.Neurons) {
		return
	}
	w.values = make([]float32, n*max(src.OV.Inner(), src.Neurons))
	w.scores = make([]float32, n*src.Heads*src.Neurons)
	w.mass = make([]float32, n*src.Heads)
	if src.Tower != nil {
		w.tokens = make([]float32, n*src.Tower.Config().Tokens()*src.Neurons)
	}
}

// saveFeatures writes the features of every variant, [B,O] of one and [V,B,O]
// of several.
func saveFeatures(features [][]float32, images int, src *source.Source, o evaluateOptions) error {
	axes, shape := []string{"B", "O"}, []int{images, src.OutDim}
	if len(features) > 1 {
		axes, shape = append([]string{"V"}, axes...), append([]int{len(features)}, shape...)
	}
	out := artefact.NewOutput(artefact.KindFeatures, o.featuresPath, axes, shape, o.origin)
	out.Manifest.Inputs, out.Manifest.Skipped = src.Images, src.Skipped
	return o.writer.SaveTogether([]artefact.Output{out}, func(w []io.Writer) error {
		for _, f := range features {
			if err := artefact.Put(w[0], f); err != nil {
				return err
			}
		}
		return nil
	})
}
