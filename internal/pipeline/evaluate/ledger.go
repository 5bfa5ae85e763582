package evaluate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/lowrank"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/ui"
)

// A Ledger keeps what collected images say of classes, so that the accuracy without some
// pairs is a small product away and no score of another pair is read:
//
//	f'·t = f·t - Σ_u (s[u] - m[u])·(v[u]·t)
//
// It takes 4 bytes for each image and dimension of features, and for each image and class.
// It is safe for concurrent use.
type Ledger struct {
	Names    []string // of the images
	Labels   []int    // theirs; nil without
	OV       *decomp.OV
	Features []float32 // [B,O]
	Means    []float64 // mean scores, [H,C]

	team     par.Team
	src      *source.Source
	classes  *classifier // nil: none
	judge    *classifier // the same; nil: no accuracies
	unjudged error       // why
	logits   []float32   // f·t, [B,classes]
	leaders  *leaders    // nil: few classes
	groups   *groups
	baseline VariantScore

	mu      sync.Mutex
	columns []column // of scores, the one used last comes last
}

// column is a pair's scores.
type column struct {
	pair   int
	scores []float32 // [B]
}

// LedgerOptions say which collection to keep.
type LedgerOptions struct {
	Artefacts   artefact.Reader
	ScoresPath  string               // a folder of scores
	Data        dataset.Options      // their labels; no path: none
	ClassesPath string               // class embeddings in the order of the labels; may be empty
	Groups      dataset.TableOptions // no path: none, or those given
	GroupNames  []string             // instead of a table
	GroupOf     []int                // of each image, -1 of none
	Threads     int
}

// MaxLedger bounds what a ledger keeps, in bytes, and maxColumns its columns: of 50,000
// images, 335.
const (
	MaxLedger  = 1 << 30
	maxColumns = 64 << 20
)

// OpenLedger reads all scores once. Where accuracies cannot be told, as there are no labels
// or no classes, the ledger is whole but for them.
func OpenLedger(ctx context.Context, o LedgerOptions, say ui.Reporter) (*Ledger, error) {
	src, err := source.Open(ctx, source.Options{Artefacts: o.Artefacts, ScoresPath: o.ScoresPath, Data: o.Data, Stride: 1}, o.Threads, say)
	if err != nil {
		return nil, err
	}
	l := &Ledger{OV: src.OV, src: src, team: par.NewTeam(o.Threads)}
	if err := l.open(ctx, o, say); err != nil {
		src.Close()
		return nil, err
	}
	return l, nil
}

// ErrClasses is among the errors of OpenLedger where the class embeddings cannot be used:
// without them the ledger may still be opened.
var ErrClasses = errors.New("class embeddings cannot be used")

// classesError is an error with the class embeddings.
type classesError struct{ error }

func (e classesError) Unwrap() []error { return []error{e.error, ErrClasses} }

func (l *Ledger) open(ctx context.Context, o LedgerOptions, say ui.Reporter) error {
	src := l.src
	switch {
	case src.OV == nil:
		return fmt.Errorf("%s: want a folder of scores that collect wrote", o.ScoresPath)
	case o.ClassesPath == "":
		l.unjudged = errors.New("accuracy needs class embeddings: give {imagenet-zeroshot-path}")
	default:
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
	kept := int64(src.Images) * 4 * int64(src.OutDim)
	if l.judge != nil {
		kept += int64(src.Images) * 4 * int64(l.judge.number+2*leadingClasses+1)
	}
	if kept > MaxLedger {
		return fmt.Errorf("%s: features and logits of %s take %d MiB, want at most %d: collect with a larger {sample-stride}", o.ScoresPath, quantity.Of(src.Images, "image"), kept>>20, MaxLedger>>20)
	}
	if err := l.read(ctx, say); err != nil {
		return err
	}
	if o.GroupNames != nil {
		if len(o.GroupOf) != len(l.Names) {
			return fmt.Errorf("groups of %s, want %d", quantity.Of(len(o.GroupOf), "image"), len(l.Names))
		}
		l.groups = &groups{o.GroupNames, o.GroupOf}
		return nil
	}
	var err error
	l.groups, err = groupsOf(o.Groups, l.Names, say)
	return err
}

// read makes one pass over all scores.
func (l *Ledger) read(ctx context.Context, say ui.Reporter) error {
	src, pairs := l.src, l.src.Heads*l.src.Neurons
	sums := lowrank.NewSums(pairs)
	l.Features = make([]float32, 0, src.Images*src.OutDim)
	if l.judge != nil {
		l.logits = make([]float32, 0, src.Images*l.judge.number)
	}
	progress := say.Progress()
	progress.Start(int64(src.Images), ui.Images, "read scores")
	defer progress.Done()
	err := src.Each(ctx, func(b source.Batch) error {
		n, done := len(b.Names), len(l.Names)
		l.Names = append(l.Names, b.Names...)
		l.team.For(pairs, func(lo, hi, _ int) {
			for row := range slices.Chunk(b.Scores, pairs) {
				for i := lo; i < hi; i++ {
					sums.Add(i, row[i])
				}
			}
		})
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
	if err != nil {
		return err
	}
	if len(l.Names) == 0 {
		return errors.New("no images, want one or more")
	}
	if l.judge != nil {
		l.leaders = newLeaders(l.logits, l.judge.number, l.Labels, l.team)
	}
	l.Means = make([]float64, pairs)
	for i := range l.Means {
		l.Means[i] = sums.Of(i) / float64(len(l.Names))
	}
	return nil
}

// Close closes the scores.
func (l *Ledger) Close() error { return l.src.Close() }

// Unjudged is why there are no accuracies; nil where there are.
func (l *Ledger) Unjudged() error { return l.unjudged }

// Classes are the names of the classes and their embeddings [classes,O], also where there
// are no labels and so no accuracies; nil without.
func (l *Ledger) Classes() (names []string, embeddings []float32) {
	if l.classes == nil {
		return nil, nil
	}
	return l.classes.names, l.classes.classes
}

// Groups are the names of the groups, and that of each image, -1 for none; nil without.
func (l *Ledger) Groups() (names []string, of []int) {
	if l.groups == nil {
		return nil, nil
	}
	return l.groups.names, l.groups.of
}

// Row returns the scores of one image, [H,C].
func (l *Ledger) Row(image int) ([]float32, error) {
	row := make([]float32, len(l.Means))
	return row, l.src.Row(row, image)
}

// Column returns the scores of pair h*C+n by image, which must not be changed. It keeps
// those that were used last.
func (l *Ledger) Column(ctx context.Context, pair int) ([]float32, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.IndexFunc(l.columns, func(c column) bool { return c.pair == pair }); i >= 0 {
		c := l.columns[i]
		l.columns = append(slices.Delete(l.columns, i, i+1), c)
		return c.scores, nil
	}
	scores := make([]float32, len(l.Names))
	if err := l.src.Column(ctx, scores, pair); err != nil {
		return nil, err
	}
	if len(l.columns) >= l.MaxOff() {
		l.columns = slices.Delete(l.columns, 0, 1)
	}
	l.columns = append(l.columns, column{pair, scores})
	return scores, nil
}

// MaxOff is how many pairs can be taken out at a time.
func (l *Ledger) MaxOff() int { return max(1, maxColumns/(4*len(l.Names))) }

// ledgerBlock is how many logits a worker changes at a time, some 128 KiB.
const ledgerBlock = 1 << 15

// Without measures accuracy with pairs h*C+n taken out, none twice, beside the unchanged
// model's: by their means, or with zero so that they add nothing. It has the numbers of Ablate with
// these units, without what is said of each image.
func (l *Ledger) Without(ctx context.Context, off []int, zero bool) (*Evaluation, error) {
	switch {
	case l.judge == nil:
		return nil, l.unjudged
	case len(off) > l.MaxOff():
		return nil, fmt.Errorf("%s, want at most %d of %s", quantity.Of(len(off), "pair"), l.MaxOff(), quantity.Of(len(l.Names), "image"))
	}
	means := l.Means
	if zero {
		means = nil
	}
	removal := l.OV.NewRemoval(off, means)
	columns := make([][]float32, len(off))
	for i, u := range off {
		var err error
		if columns[i], err = l.Column(ctx, u); err != nil {
			return nil, err
		}
	}
	after := VariantScore{Variant: AblatePairs, Units: len(l.Means), Kept: len(l.Means) - len(off)}
	after.KeptShare = float64(after.Kept) / float64(after.Units)
	products := make([]float32, len(off)*l.judge.number) // v·t
	l.judge.products(products, removal.Directions(), len(off), l.team)
	t := &trial{leaders: l.leaders, removal: removal, columns: columns, products: products, number: l.judge.number}
	outcomes := make([]outcome, len(l.Names))
	if t.leaders != nil && len(off) <= leadersOff {
		t.bound()
		l.team.For(len(outcomes), func(lo, hi, _ int) {
			beyond := make([]float32, len(off))
			t.settle(outcomes[lo:hi], lo, make([]float32, hi-lo))
			for i := lo; i < hi; i++ {
				if outcomes[i] == unclear {
					outcomes[i] = t.judge(i, l.Labels[i], beyond)
				}
			}
		})
	}
	if err := l.judgeRest(ctx, outcomes, t); err != nil {
		return nil, err
	}
	after.Predictions = make([]int, len(outcomes))
	for i, o := range outcomes {
		prediction := dataset.Unlabelled // another class than the label
		switch o {
		case right:
			prediction = l.Labels[i]
			after.Correct++
			after.CorrectTop5++
		case amongFive:
			after.CorrectTop5++
		}
		after.Predictions[i] = prediction
	}
	return l.evaluation(after), nil
}

// judgeRest judges the images whose outcome is unclear by all their classes.
func (l *Ledger) judgeRest(ctx context.Context, outcomes []outcome, t *trial) error {
	K, off := t.number, len(t.columns)
	var rest []int
	for i, o := range outcomes {
		if o == unclear {
			rest = append(rest, i)
		}
	}
	rows := max(1, ledgerBlock/K)
	blocks := (len(rest) + rows - 1) / rows
	errs := make([]error, blocks)
	l.team.For(blocks, func(lo, hi, _ int) {
		logits, beyond := make([]float32, rows*K), make([]float32, rows*off)
		for b := lo; b < hi && ctx.Err() == nil; b++ {
			of := rest[b*rows : min(len(rest), (b+1)*rows)]
			for j, image := range of {
				copy(logits[j*K:(j+1)*K], l.logits[image*K:(image+1)*K])
				for u, column := range t.columns {
					beyond[j*off+u] = float32(t.removal.Beyond(u, column[image]))
				}
			}
			if off > 0 {
				kernel.Sgemm(-1, kernel.Dense(beyond, len(of), off), kernel.Dense(t.products, off, K), 1, kernel.Dense(logits, len(of), K), par.NewTeam(1))
			}
			for j, image := range of {
				place, _, err := l.judge.place(logits[j*K:(j+1)*K], l.Labels[image])
				if errs[b] = err; err != nil {
					break
				}
				outcomes[image] = outcomeOf(place)
			}
		}
	})
	return errors.Join(append(errs, ctx.Err())...)
}

// evaluation is that of one variant.
func (l *Ledger) evaluation(after VariantScore) *Evaluation {
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
