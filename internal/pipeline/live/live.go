package live

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/evaluate"
	"github.com/clipnh/clipnh/internal/pipeline/explain"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/pipeline/segment"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/textlist"
	"github.com/clipnh/clipnh/internal/ui"
	"github.com/clipnh/clipnh/internal/unit"
)

// An Input is something that answers are made from.
type Input string

// The inputs.
const (
	Scores     Input = "scores"
	Model      Input = "model"
	Vocab      Input = "vocab"
	Images     Input = "images"
	Components Input = "components"
	Classes    Input = "classes"
)

// Options say where the inputs are. Each may be empty.
type Options struct {
	Artefacts artefact.Reader
	Threads   int

	ScoresPath  string
	ClassesPath string            // class embeddings, in the order of the labels
	Data        dataset.Options   // the images, with their labels
	Images      imageprep.Options // how they are read
	GroupNames  []string          // groups of images; nil: none
	GroupOf     []int             // that of each image, -1 of none
	ModelPath   string
	Details     model.Details // of the model; what they leave open is as in the scores
	Vocab       string
	Templates   []textlist.Template // that texts are put into
	PCsPath     string

	Norms []float64 // mean norms of pairs, [H,C]; nil: not known

	Weights origin.Origin // that the model must have, as far as they are known
	Force   bool          // another model is used anyway, with a warning

	Edit func(EditCommand) string // spells the command line; may be nil

	Why   map[Input]string // why an input is not there, in place of that it was not given
	Given map[Input]bool   // inputs that were asked for: it is an error if they cannot be opened
}

// How much is kept, and how many requests may wait.
const (
	keptTexts  = 4096 // embeddings: 16 MB for RN50
	keptPasses = 16   // of images through the tower: 66 MB for RN50x16
	waitTower  = 16   // requests, the current one included
	waitScores = 32
	patience   = 10 * time.Second // that a request waits for what is being read
	maxText    = 1000             // bytes
	maxTexts   = 64               // classes that a request names
	nearest    = 16               // pairs and images of a text
	maxList    = 100
	maxMaps    = 32
)

// Live answers. It is safe for concurrent use.
type Live struct {
	o    Options
	say  ui.Reporter
	team par.Team

	mu  sync.Mutex
	why map[Input]string // inputs that are not there, and why

	model      *model.Model
	encoder    *model.Encoder
	from       origin.Origin // of the scores, where there are some
	ov         *decomp.OV    // of the model
	components *artefact.Components
	items      map[string]*dataset.Item // by name
	recorded   *source.Recorded         // of the images of the scores

	tower, sums *gate
	texts       recent[string, embedded]
	passes      recent[int, *explain.Pass]

	read      chan struct{} // closed when the scores were read
	ledger    *evaluate.Ledger
	packed    chan struct{} // closed when the tower was packed
	session   *explain.Session
	segmenter *segment.Session // made when it is needed first, behind the tower's gate
}

// Open opens the inputs. Those that are not there, or do not belong together, switch off
// what needs them, unless they were asked for. Load reads the scores.
func Open(ctx context.Context, o Options, say ui.Reporter) (*Live, error) {
	l := &Live{
		o: o, say: say, team: par.NewTeam(o.Threads), why: map[Input]string{}, tower: newGate(waitTower), sums: newGate(waitScores),
		texts: recent[string, embedded]{most: keptTexts}, passes: recent[int, *explain.Pass]{most: keptPasses},
		read: make(chan struct{}), packed: make(chan struct{}),
	}
	askVocab := "give {vocab}"
	if o.ModelPath == "" {
		askVocab = "give {model} and {vocab}"
	}
	for _, step := range []struct {
		of   Input
		path string
		ask  string
		open func(context.Context) error
	}{
		{Scores, o.ScoresPath, "give {scores}", l.openScores},
		{Classes, o.ClassesPath, "give {imagenet-zeroshot-path}", func(context.Context) error { return nil }},
		{Model, o.ModelPath, "give {model}", l.openModel},
		{Vocab, o.Vocab, askVocab, l.openVocab},
		{Components, o.PCsPath, "give {pcs-path}", l.openComponents},
		{Images, o.Data.Path, "give {data-path} and its {dataset}", l.openImages},
	} {
		if step.path == "" {
			l.because(step.of, cmp.Or(o.Why[step.of], step.ask))
			continue
		}
		err := step.open(ctx)
		if err == nil {
			continue
		}
		if o.Given[step.of] || ctx.Err() != nil {
			l.Close()
			return nil, err
		}
		l.because(step.of, err.Error())
		if !errors.Is(err, ErrOff) {
			say.Warn("%s: not used: %v", step.of, err)
		}
	}
	return l, nil
}

// scores opens the collection's manifest, so that what is not there is told at once.
func (l *Live) openScores(context.Context) error {
	a, err := l.o.Artefacts.Collection(l.o.ScoresPath, nil, artefact.KindScores)
	if err != nil {
		return err
	}
	l.from = artefact.OriginOf(a)
	return source.PrepareAsCollected(&l.o.Images, a) // those that are sent too
}

func (l *Live) openModel(ctx context.Context) error {
	m, err := model.OpenPairsOf(ctx, l.o.ModelPath, l.o.Details, l.o.ScoresPath, l.from)
	if err != nil {
		return err
	}
	m.Tell(l.say)
	err = l.sameWeights(m)
	if err == nil {
		err = m.WantDetailsOf(l.o.ScoresPath, l.from)
	}
	if err == nil {
		l.ov, err = m.OVOf(l.from)
	}
	if err != nil {
		m.Close()
		return err
	}
	l.model = m
	return nil
}

// sameWeights fails where the model is another one.
func (l *Live) sameWeights(m *model.Model) error {
	if want := l.o.Weights; want.Weights != "" && !want.SameWeights(m.Origin()) {
		err := fmt.Errorf("%s: %w: other weights than the report was made with", l.o.ModelPath, cache.ErrStale)
		if !l.o.Force {
			return hint.With(err, "give the {model} that the report was made with, make a report with this one, or pass {force}")
		}
		l.say.Warn("%v (used anyway: {force})", err)
	}
	if l.off(Scores) != nil {
		return nil
	}
	_, err := l.o.Artefacts.Collection(l.o.ScoresPath, artefact.OfModel(m.Origin()), artefact.KindScores)
	return err
}

func (l *Live) openVocab(context.Context) error {
	if l.model == nil {
		return l.off(Model)
	}
	var err error
	l.encoder, err = model.NewEncoder(l.model.Checkpoint, l.o.Vocab, l.o.Threads, l.say)
	return err
}

// openComponents opens those of the collection's pairs, or of the model's.
func (l *Live) openComponents(context.Context) error {
	if l.model == nil {
		return l.off(Model)
	}
	from, err := origin.Origin{Block: origin.LastBlock}, error(nil) // without scores
	if l.off(Scores) == nil {
		a, err := l.o.Artefacts.Collection(l.o.ScoresPath, nil, artefact.KindScores)
		if err != nil {
			return err
		}
		from = artefact.DerivedFrom(a)
	}
	facts := artefact.Of(from.WithWeights(l.model.Origin()))
	l.components, err = l.o.Artefacts.ComponentsOf(l.o.PCsPath, facts, unit.Shape{l.ov.Heads, l.ov.Neurons}, l.ov.OutDim)
	return err
}

func (l *Live) openImages(ctx context.Context) error {
	var scores *cache.Artefact // nil: there are none
	if l.off(Scores) == nil {
		var err error
		if scores, err = l.o.Artefacts.Collection(l.o.ScoresPath, nil, artefact.KindScores); err != nil {
			return err
		}
	}
	data, err := source.OpenAs(ctx, l.o.Data, scores)
	if err != nil {
		return err
	}
	l.items = dataset.ByName(data.Items)
	if scores == nil {
		return nil
	}
	if from := artefact.OriginOf(scores).Images; from != nil {
		same, err := data.Stride(max(from.Stride, 1)).Fingerprint()
		if err != nil {
			return err
		}
		if _, err := l.o.Artefacts.Collection(l.o.ScoresPath, artefact.Facts{}.Images(same), artefact.KindScores); err != nil {
			return err
		}
	}
	l.recorded, err = source.RecordedImages(scores, l.o.ScoresPath, data, true)
	return err
}

// Load reads the scores and packs the tower, which may take minutes; answers that need them
// wait a little and then say so. It must be called once. What cannot be read switches off
// what needs it, and is an error if it was asked for.
func (l *Live) Load(ctx context.Context) error {
	failed := l.loadScores(ctx)
	close(l.read)
	failed = errors.Join(failed, l.pack(ctx))
	close(l.packed)
	return failed
}

func (l *Live) loadScores(ctx context.Context) error {
	if l.off(Scores) != nil {
		return nil
	}
	o := evaluate.LedgerOptions{Artefacts: l.o.Artefacts, ScoresPath: l.o.ScoresPath, Threads: l.o.Threads, GroupNames: l.o.GroupNames, GroupOf: l.o.GroupOf}
	if l.off(Classes) == nil {
		o.ClassesPath = l.o.ClassesPath
		if l.off(Images) == nil {
			o.Data = l.o.Data
		}
	}
	var err, failed error
	l.ledger, err = evaluate.OpenLedger(ctx, o, l.say)
	if errors.Is(err, evaluate.ErrClasses) {
		failed = l.fail(ctx, Classes, err)
		o.ClassesPath, o.Data = "", dataset.Options{}
		l.ledger, err = evaluate.OpenLedger(ctx, o, l.say)
	}
	if err != nil {
		return errors.Join(failed, l.fail(ctx, Scores, err))
	}
	return failed
}

func (l *Live) pack(ctx context.Context) error {
	if l.model == nil {
		return nil
	}
	o := explain.Options{
		Artefacts: l.o.Artefacts, NeuronLayer: l.from.PairsLayer(), Threads: l.o.Threads, BatchSize: 1, Inputs: explain.Inputs{Images: l.o.Images},
	}
	if l.ledger != nil {
		o.Collected = explain.Collected{ScoresPath: l.o.ScoresPath, Means: l.ledger.Means, Column: l.ledger.Column}
	}
	var err error
	if l.session, err = explain.Open(ctx, o, l.model); err != nil {
		return l.fail(ctx, Model, err)
	}
	return nil
}

// fail switches off what needs an input, before the channel that says that it is there is
// closed. It returns the error of one that was asked for, and warns of others.
func (l *Live) fail(ctx context.Context, of Input, err error) error {
	l.because(of, err.Error())
	if l.o.Given[of] {
		return err
	}
	if ctx.Err() == nil {
		l.say.Warn("%s: not used: %v", of, err)
	}
	return nil
}

// Close closes the inputs. Load must have returned, and no answer be under way.
func (l *Live) Close() {
	if l.segmenter != nil {
		l.segmenter.Close()
	}
	if l.session != nil {
		l.session.Close()
	}
	if l.ledger != nil {
		l.ledger.Close()
	}
	if l.components != nil {
		l.components.Close()
	}
	if l.model != nil {
		l.model.Close()
	}
}

// wait waits until what is being read is there.
func wait(ctx context.Context, ready <-chan struct{}, what string) error {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-ready:
		return nil
	case <-timer.C:
		return because(ErrLoading, fmt.Errorf("%s: try again in a moment", what))
	case <-ctx.Done():
		return ctx.Err()
	}
}

const (
	reading = "the scores are still being read"
	packing = "the model is still being prepared"
)
