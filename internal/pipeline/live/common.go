package live

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/evaluate"
	"github.com/clipnh/clipnh/internal/pipeline/explain"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/ui"
)

// common is what answers need whatever the units that they are about: a collection, the model,
// texts, images, and which of these are not there.
type common struct {
	o    Options
	kind string // of the collection
	say  ui.Reporter
	team par.Team

	mu  sync.Mutex
	why map[Input]error // inputs that are not there, and why

	model    *model.Model
	encoder  *model.Encoder
	from     origin.Origin            // of the collection, where there is one
	items    map[string]*dataset.Item // by name
	recorded *source.Recorded         // of the images of the collection

	tower, sums *gate
	texts       recent[string, embedded]
	passes      recent[int, *explain.Pass]
	drawing     *gate // of thumbnails
	thumbs      recent[thumbKey, []byte]

	read    chan struct{} // closed when the collection was read
	packed  chan struct{} // closed when the tower was packed
	session *explain.Session
	judged  *evaluate.Judged // what was read says of the images; nil: nothing was
}

func newCommon(o Options, kind string, say ui.Reporter) *common {
	return &common{
		o: o, kind: kind, say: say, team: par.NewTeam(o.Threads), why: map[Input]error{}, tower: newGate(waitTower), sums: newGate(waitScores),
		texts: recent[string, embedded]{most: keptTexts}, passes: recent[int, *explain.Pass]{most: keptPasses},
		drawing: newWideGate(min(par.NewTeam(o.Threads).Size(), mostDrawn), waitThumbs),
		thumbs:  recent[thumbKey, []byte]{most: keptThumbs, size: func(thumb []byte) int { return len(thumb) }},
		read:    make(chan struct{}), packed: make(chan struct{}),
	}
}

// An opening is an input that is opened.
type opening struct {
	of     Input
	path   string
	option string // that names it
	open   func(context.Context) error
}

// inputs are those of all families, in order; the model is opened by openModel.
func (l *common) inputs(openModel func(context.Context) error) []opening {
	return []opening{
		{Scores, l.o.ScoresPath, "{scores}", l.openCollection},
		{Classes, l.o.ClassesPath, "{imagenet-zeroshot-path}", func(context.Context) error { return nil }},
		{Model, l.o.ModelPath, "{model}", openModel},
		{Vocab, l.o.Vocab, "{vocab}", l.openVocab},
		{Images, l.o.Data.Path, "{data-path} with its {dataset}", l.openImages},
	}
}

// openAll opens inputs. Those that are not there, or do not belong together, switch off what
// needs them, unless they were asked for.
func (l *common) openAll(ctx context.Context, inputs []opening) error {
	for _, step := range inputs {
		if step.path == "" {
			var why error = notGiven{step.option}
			if told := l.o.Why[step.of]; told != "" {
				why = errors.New(told)
			}
			l.because(step.of, why)
			continue
		}
		err := step.open(ctx)
		if err == nil {
			continue
		}
		if l.o.Given[step.of] || ctx.Err() != nil {
			return err
		}
		l.because(step.of, err)
		if !errors.Is(err, ErrOff) {
			l.say.Warn("%s: not used: %v", step.of, err)
		}
	}
	return nil
}

// openCollection opens the collection's manifest, so that what is not there is told at once.
func (l *common) openCollection(context.Context) error {
	a, err := l.o.Artefacts.Collection(l.o.ScoresPath, nil, l.kind)
	if err != nil {
		return err
	}
	l.from = artefact.OriginOf(a)
	return source.PrepareAsCollected(&l.o.Images, a) // those that are sent too
}

// useModel takes up a model that was opened, if it is that of the collection.
func (l *common) useModel(m *model.Model) error {
	m.Tell(l.say)
	err := l.sameWeights(m)
	if err == nil {
		err = m.WantDetailsOf(l.o.ScoresPath, l.from)
	}
	if err == nil {
		l.model = m
	}
	return err
}

// sameWeights fails where the model is another one.
func (l *common) sameWeights(m *model.Model) error {
	if err := cache.OtherWeights(cmp.Or(l.o.Report, "the report"), l.o.Weights, m.Origin(), true); err != nil {
		if !l.o.Force {
			return fmt.Errorf("%w (%s)", err, l.o.ModelPath)
		}
		l.say.Warn("%v (used anyway: {force})", err)
	}
	if l.off(Scores) != nil {
		return nil
	}
	_, err := l.o.Artefacts.Collection(l.o.ScoresPath, artefact.OfModel(m.Origin()), l.kind)
	return err
}

func (l *common) openVocab(context.Context) error {
	if l.model == nil {
		return l.off(Model)
	}
	var err error
	l.encoder, err = model.NewEncoder(l.model.Checkpoint, l.o.Vocab, l.o.Threads, l.say)
	return err
}

func (l *common) openImages(ctx context.Context) error {
	var collection *cache.Artefact // nil: there are none
	if l.off(Scores) == nil {
		var err error
		if collection, err = l.o.Artefacts.Collection(l.o.ScoresPath, nil, l.kind); err != nil {
			return err
		}
	}
	data, err := source.OpenAs(ctx, l.o.Data, collection)
	if err != nil {
		return err
	}
	l.items = dataset.ByName(data.Items)
	if collection == nil {
		return l.sameListing(data)
	}
	if from := artefact.OriginOf(collection).Images; from != nil {
		same, err := data.Stride(max(from.Stride, 1)).Fingerprint()
		if err != nil {
			return err
		}
		if _, err := l.o.Artefacts.Collection(l.o.ScoresPath, artefact.Facts{}.Images(same), l.kind); err != nil {
			return err
		}
	}
	l.recorded, err = source.RecordedImages(collection, l.o.ScoresPath, data, true)
	return err
}

// sameListing fails where there is no collection and the images are not those of the report, as far
// as it says which they were.
func (l *common) sameListing(data *dataset.Dataset) error {
	if l.o.Listing == "" {
		return nil
	}
	now, err := data.Fingerprint()
	if err != nil || now == l.o.Listing {
		return err
	}
	err = fmt.Errorf("%s: %w: its images are not those that the report was made with", l.o.Data.Shown(), cache.ErrStale)
	if !l.o.Force {
		return hint.With(err, "give the images that it was made with, or pass {force}")
	}
	l.say.Warn("%v (used anyway: {force})", err)
	return nil
}

// openLedger reads the collection; without the classes, where these cannot be used.
func (l *common) openLedger(ctx context.Context, open func(evaluate.LedgerOptions) (*evaluate.Judged, error)) error {
	o := evaluate.LedgerOptions{Artefacts: l.o.Artefacts, ScoresPath: l.o.ScoresPath, Threads: l.o.Threads, GroupNames: l.o.GroupNames, GroupOf: l.o.GroupOf}
	if l.off(Classes) == nil {
		o.ClassesPath = l.o.ClassesPath
		if l.off(Images) == nil {
			o.Data = l.o.Data
		}
	}
	var err, failed error
	l.judged, err = open(o)
	if errors.Is(err, evaluate.ErrClasses) {
		if errors.Is(err, cache.ErrStale) { // the other side is that of no flag
			err = fmt.Errorf("%w (%s)", err, l.o.ScoresPath)
		}
		failed = l.fail(ctx, Classes, err)
		o.ClassesPath, o.Data = "", dataset.Options{}
		l.judged, err = open(o)
	}
	if err != nil {
		return errors.Join(failed, l.fail(ctx, Scores, err))
	}
	return failed
}

// openSession packs the tower of the model, if there is one, for explanations.
func (l *common) openSession(ctx context.Context, o explain.Options) (err error) {
	if l.model == nil {
		return nil
	}
	o.Artefacts, o.Threads, o.BatchSize, o.Inputs = l.o.Artefacts, l.o.Threads, 1, explain.Inputs{Images: l.o.Images}
	if l.session, err = explain.Open(ctx, o, l.model); err != nil {
		return l.fail(ctx, Model, err)
	}
	return nil
}

// close closes what all families have.
func (l *common) close() {
	if l.session != nil {
		l.session.Close()
	}
	if l.model != nil {
		l.model.Close()
	}
}

// fail switches off what needs an input, before the channel that says that it is there is
// closed. It returns the error of one that was asked for, and warns of others.
func (l *common) fail(ctx context.Context, of Input, err error) error {
	l.because(of, err)
	if l.o.Given[of] {
		return err
	}
	if ctx.Err() == nil {
		l.say.Warn("%s: not used: %v", of, err)
	}
	return nil
}
