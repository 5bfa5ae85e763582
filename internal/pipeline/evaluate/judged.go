package evaluate

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/ui"
)

// Judged is what ledgers have, whatever the units of their collection: features, and what these
// say of classes.
type Judged struct {
	Names    []string  // of the images
	Labels   []int     // theirs; nil without
	Features []float32 // [B,O]

	team     par.Team
	src      *source.Source
	classes  *classifier // nil: none
	judge    *classifier // the same; nil: no accuracies
	unjudged error       // why
	logits   []float32   // f·t, [B,classes]
	groups   *groups
	baseline VariantScore
}

// LedgerOptions say which collection to keep.
type LedgerOptions struct {
	Artefacts   artefact.Reader
	ScoresPath  string               // a folder of scores, or of heads
	Parts       []string             // of the features of heads: MLPs
	Data        dataset.Options      // their labels; no path: none
	ClassesPath string               // class embeddings in the order of the labels; may be empty
	Groups      dataset.TableOptions // no path: none, or those given
	GroupNames  []string             // instead of a table
	GroupOf     []int                // of each image, -1 of none
	Threads     int
}

// MaxLedger bounds what a ledger keeps, in bytes.
const MaxLedger = 1 << 30

// ErrClasses is among the errors of OpenLedger where the class embeddings cannot be used:
// without them the ledger may still be opened.
var ErrClasses = errors.New("class embeddings cannot be used")

// classesError is an error with the class embeddings.
type classesError struct{ error }

func (e classesError) Unwrap() []error { return []error{e.error, ErrClasses} }

// openJudge opens the classes, as far as there are any. Where the parts of src do not sum to the
// features, none are kept, and there are no accuracies.
func (l *Judged) openJudge(ctx context.Context, o LedgerOptions, say ui.Reporter) error {
	src := l.src
	if o.ClassesPath == "" {
		l.unjudged = errors.New("accuracy needs class embeddings: give {imagenet-zeroshot-path}")
	} else {
		if o.Data.Path == "" {
			o.Data = dataset.Options{} // of any kind, whose classes are not known
		}
		var err error
		if l.classes, err = newClassifier(ctx, evaluateOptions{artefacts: o.Artefacts, classesPath: o.ClassesPath, data: o.Data}, src, say); err != nil {
			return classesError{err}
		}
		if l.judge = l.classes; !src.Labelled {
			l.judge, l.unjudged = nil, errors.New("accuracy needs labels: give {data-path} and its {dataset}")
		}
	}
	if !l.summed() {
		l.judge, l.unjudged = nil, errors.New("accuracy needs the MLPs of the same images, with which heads sum to the features: make the report with {parts}")
		return nil
	}
	kept := int64(src.Images) * 4 * int64(src.OutDim)
	if l.judge != nil {
		kept += int64(src.Images) * 4 * int64(l.judge.number+2*leadingClasses+1)
	}
	if kept > MaxLedger {
		return fmt.Errorf("%s: features and logits of %s take %d MiB, want at most %d: collect with a larger {sample-stride}", o.ScoresPath, quantity.Of(src.Images, "image"), kept>>20, MaxLedger>>20)
	}
	return nil
}

// summed reports whether what is read sums to the features.
func (l *Judged) summed() bool { return l.src.FirstOrder == nil || l.src.FirstOrder.Whole() }

// openGroups takes up the groups of the images, which were read.
func (l *Judged) openGroups(o LedgerOptions, say ui.Reporter) (err error) {
	if o.GroupNames == nil {
		l.groups, err = groupsOf(o.Groups, l.Names, say)
		return err
	}
	if len(o.GroupOf) != len(l.Names) {
		return fmt.Errorf("groups of %s, want %d", quantity.Of(len(o.GroupOf), "image"), len(l.Names))
	}
	l.groups = &groups{o.GroupNames, o.GroupOf}
	return nil
}

// read makes one pass over the collection, of whose batches add takes what else is kept.
func (l *Judged) read(ctx context.Context, stage string, say ui.Reporter, add func(source.Batch) error) error {
	src := l.src
	if l.summed() {
		l.Features = make([]float32, 0, src.Images*src.OutDim)
	}
	if l.judge != nil {
		l.logits = make([]float32, 0, src.Images*l.judge.number)
	}
	progress := say.Progress()
	progress.Start(int64(src.Images), ui.Images, stage)
	defer progress.Done()
	err := src.Each(ctx, func(b source.Batch) error {
		n, done := len(b.Names), len(l.Names)
		l.Names = append(l.Names, b.Names...)
		if err := add(b); err != nil {
			return err
		}
		if !l.summed() {
			progress.Add(int64(n))
			return nil
		}
		l.Features = l.Features[:(done+n)*src.OutDim]
		features := l.Features[done*src.OutDim:]
		b.Features(features, l.team)
		if i := artefact.FirstNonFinite(features); i >= 0 {
			return fmt.Errorf("%s: feature is %g, want a finite one", foreign.Name(b.Names[i/src.OutDim]), features[i])
		}
		progress.Add(int64(n))
		if l.judge == nil {
			return nil
		}
		if i := slices.Index(b.Labels, dataset.Unlabelled); i >= 0 {
			l.judge, l.logits = nil, nil
			l.unjudged = fmt.Errorf("image %s has no label, and accuracy needs one of every image", foreign.Name(b.Names[i]))
			return nil
		}
		l.Labels = append(l.Labels, b.Labels...)
		l.logits = l.logits[:(done+n)*l.judge.number]
		logits := l.logits[done*l.judge.number:]
		l.judge.products(logits, features, n, l.team)
		return l.judge.judge(&l.baseline, logits, b.Labels)
	})
	if err == nil && len(l.Names) == 0 {
		err = errors.New("no images, want one or more")
	}
	return err
}

// Close closes the scores.
func (l *Judged) Close() error { return l.src.Close() }

// Unjudged is why there are no accuracies; nil where there are.
func (l *Judged) Unjudged() error { return l.unjudged }

// Classes are the names of the classes and their embeddings [classes,O], also where there
// are no labels and so no accuracies; nil without.
func (l *Judged) Classes() (names []string, embeddings []float32) {
	if l.classes == nil {
		return nil, nil
	}
	return l.classes.names, l.classes.classes
}

// Groups are the names of the groups, and that of each image, -1 for none; nil without.
func (l *Judged) Groups() (names []string, of []int) {
	if l.groups == nil {
		return nil, nil
	}
	return l.groups.names, l.groups.of
}

// evaluation is that of one variant.
func (l *Judged) evaluation(after VariantScore) *Evaluation {
	e := &Evaluation{
		Images: len(l.Names), Skipped: []source.Skipped{}, Labelled: true, Labels: l.Labels, ClassNames: l.judge.names,
		Baseline: l.baseline, Variants: []VariantScore{after},
	}
	e.Baseline.Variant = "untouched"
	for _, v := range []*VariantScore{&e.Baseline, &e.Variants[0]} {
		v.Top1, v.Top5 = float64(v.Correct)/float64(e.Images), float64(v.CorrectTop5)/float64(e.Images)
	}
	e.Classes, e.Groups = e.classScores(), e.groupScores(l.groups)
	e.Labels, e.ClassNames, e.Baseline.Predictions, e.Variants[0].Predictions = nil, nil, nil, nil
	return e
}
