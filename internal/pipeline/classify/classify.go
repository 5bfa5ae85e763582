// Package classify gives images the classes whose texts are nearest to them.
package classify

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/clipnh/clipnh/internal/attribution"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/textlist"
	"github.com/clipnh/clipnh/internal/ui"
	"github.com/clipnh/clipnh/internal/usage"
)

// Options says which images to classify, and by which classes.
type Options struct {
	source.Options // with ScoresPath, a Model is for texts only

	Classes   []string
	Vocab     string              // of classes that are to be embedded
	Templates []textlist.Template // that they are put into
	TextsPath string              // instead: embeddings of the classes, [M,O]
	TablePath string              // of the true labels of images, by name; may be empty
	Top       int                 // labels of an image
	Threads   int
}

// Setup is what a run says before the first image.
type Setup struct {
	Model      string   `json:"model"`
	Weights    string   `json:"weights"` // SHA-256
	Precision  string   `json:"precision,omitempty"`
	LogitScale float64  `json:"logit_scale"` // logits are so many times the cosine
	Labelled   bool     `json:"labelled"`    // true labels of images are known
	Classes    []string `json:"classes"`
}

// Image is the labels of an image, the most probable first.
type Image struct {
	Name   string  `json:"name"`
	Labels []Label `json:"labels"`
	Truth  string  `json:"true_label,omitempty"` // where it is known
}

// Label is a class of an image.
type Label struct {
	Label       string  `json:"label"`
	Probability float64 `json:"probability"` // softmax of the logits of all classes
	Logit       float64 `json:"logit"`
}

// Result is what a run says after the last image.
type Result struct {
	Count    int              `json:"image_count"` // classified
	Skipped  []source.Skipped `json:"skipped"`
	Accuracy *Accuracy        `json:"accuracy,omitempty"`        // of images whose label is known
	Rounding *source.Rounding `json:"precision_error,omitempty"` // of a model in reduced precision
	Complete bool             `json:"complete"`                  // else the run ended early
}

// A Sink takes labels as they are found, so that memory does not grow with the images but
// by their names.
type Sink struct {
	Begin func(*Setup) error // before the first image
	Image func(*Image) error
}

// Run classifies images in their order. The feature of an image is the sum over pairs, also
// where a model sees it, so scores that were collected give the same labels without a pass
// through the tower. Of equal logits the first class comes first. An image that cannot be
// read is named and left out. The result is not nil once Begin was called, also with an
// error.
func Run(ctx context.Context, o Options, sink Sink, say ui.Reporter) (*Result, error) {
	if len(o.Classes) < 2 { // each image would have the probability 1
		return nil, usage.Errorf("{classes}: one class, %s, want at least two", foreign.QuoteAll(o.Classes))
	}
	from := o.Options
	if o.ScoresPath != "" {
		from.Model = ""
	}
	from.FeaturesOnly = true
	src, err := source.Open(ctx, from, o.Threads, say)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	src.TellBlock(true, say)
	c := &classifier{o: &o, src: src, team: par.NewTeam(o.Threads), result: &Result{Skipped: source.Unlisted(nil)}}
	if err := c.learnLabels(ctx, say); err != nil {
		return nil, err
	}
	if c.texts, err = o.embed(ctx, src, say); err != nil {
		return nil, err
	}
	err = sink.Begin(&Setup{
		Model: src.Origin.Model, Weights: src.Origin.Weights, Precision: src.Origin.Precision, LogitScale: attribution.Scale,
		Labelled: c.counts != nil, Classes: o.Classes,
	})
	if err != nil {
		return nil, err
	}
	progress := say.Progress()
	progress.Start(int64(src.Images), ui.Images, "classify")
	err = src.Each(ctx, func(b source.Batch) error {
		if err := c.batch(b, sink); err != nil {
			return err
		}
		progress.Add(int64(len(b.Names)))
		return nil
	})
	progress.Done()
	r := c.result
	r.Skipped = append(append(r.Skipped, src.Skipped...), src.Unlisted...)
	r.Rounding, r.Accuracy = src.Rounding, c.accuracy()
	switch {
	case err != nil:
		return r, err
	case r.Count == 0:
		return r, errors.New("none of the images could be read")
	}
	r.Complete = true
	return r, nil
}

// embed returns the unit vectors of the classes, [M,O].
func (o *Options) embed(ctx context.Context, src *source.Source, say ui.Reporter) ([]float32, error) {
	from := model.TextOptions{Artefacts: o.Artefacts, Vocab: o.Vocab, Templates: o.Templates, Path: o.TextsPath, Threads: o.Threads}
	switch {
	case src.Model != nil:
		return from.Embeddings(ctx, src.Model, o.Classes, "class", say)
	case o.TextsPath != "":
		return from.Read(src.Origin, src.OutDim, o.Classes, "class", say)
	}
	m, err := model.OpenFor(ctx, o.Model, o.Details, src.Origin)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	m.Tell(say)
	if err := m.WantFor(o.Artefacts, o.ScoresPath, src.Origin, src.OutDim); err != nil {
		return nil, err
	}
	return from.Embeddings(ctx, m, o.Classes, "class", say)
}

// classifier classifies images.
type classifier struct {
	o      *Options
	src    *source.Source
	team   par.Team
	texts  []float32 // [M,O]
	result *Result

	truth  map[string]int // class of an image by its name, of a table; nil: there is none
	labels []int          // class of a label of the data set; nil: it has none
	counts []ClassAccuracy

	features []float32 // [B,O]
}

// batch classifies the images of a batch.
func (c *classifier) batch(b source.Batch, sink Sink) error {
	n, O := len(b.Names), c.src.OutDim
	if len(c.features) < n*O {
		c.features = make([]float32, n*O)
	}
	b.Features(c.features[:n*O], c.team)
	images, failed := make([]Image, n), make([]bool, n)
	c.team.For(n, func(lo, hi, _ int) {
		logits, probabilities := make([]float64, len(c.o.Classes)), make([]float64, len(c.o.Classes))
		for i := lo; i < hi; i++ {
			feature := c.features[i*O : (i+1)*O]
			factor, ok := attribution.Factor(feature)
			if failed[i] = !ok; failed[i] {
				continue
			}
			attribution.Logits(logits, feature, c.texts, factor)
			attribution.Softmax(probabilities, logits)
			images[i] = Image{Name: b.Names[i], Labels: c.top(logits, probabilities)}
		}
	})
	for i := range images {
		if failed[i] {
			return fmt.Errorf("%s: the image's feature has no direction (zero or not finite)", foreign.Name(b.Names[i]))
		}
		if class := c.classOf(b, i); class != dataset.Unlabelled {
			images[i].Truth = c.o.Classes[class]
			c.count(class, images[i].Labels[0].Label)
		}
		if err := sink.Image(&images[i]); err != nil {
			return err
		}
	}
	c.result.Count += n
	return nil
}

// top returns the labels of largest logit; of equal ones the first class comes first.
func (c *classifier) top(logits, probabilities []float64) []Label {
	var best []int
	for class, logit := range logits {
		at, _ := slices.BinarySearchFunc(best, logit, func(b int, l float64) int {
			if logits[b] >= l {
				return -1
			}
			return 1
		})
		if at < c.o.Top {
			best = slices.Insert(best, at, class)
			best = best[:min(len(best), c.o.Top)]
		}
	}
	labels := make([]Label, len(best))
	for i, class := range best {
		labels[i] = Label{c.o.Classes[class], probabilities[class], logits[class]}
	}
	return labels
}
