package live

import (
	"context"
	"errors"
	"slices"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/pipeline/evaluate"
	"github.com/clipnh/clipnh/internal/pipeline/explain"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/pipeline/segment"
	"github.com/clipnh/clipnh/internal/ui"
	"github.com/clipnh/clipnh/internal/unit"
)

// Live answers of pairs. It is safe for concurrent use.
type Live struct {
	*common
	ov         *decomp.OV // of the model
	components *artefact.Components
	ledger     *evaluate.Ledger
	segmenter  *segment.Session // made when it is needed first, behind the tower's gate
}

// Open opens the inputs. Those that are not there, or do not belong together, switch off
// what needs them, unless they were asked for. Load reads the scores.
func Open(ctx context.Context, o Options, say ui.Reporter) (*Live, error) {
	l := &Live{common: newCommon(o, artefact.KindScores, say)}
	inputs := l.inputs(l.openModel)
	inputs = slices.Insert(inputs, len(inputs)-1, opening{Components, o.PCsPath, "{pcs-path}", l.openComponents})
	if err := l.openAll(ctx, inputs); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

func (l *Live) openModel(ctx context.Context) error {
	m, err := model.OpenPairsOf(ctx, l.o.ModelPath, l.o.Details, l.o.ScoresPath, l.from)
	if err != nil {
		return err
	}
	if err = l.useModel(m); err == nil {
		l.ov, err = m.OVOf(l.from)
	}
	if err != nil {
		l.model = nil
		m.Close()
	}
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
	return l.openLedger(ctx, func(o evaluate.LedgerOptions) (j *evaluate.Judged, err error) {
		if l.ledger, err = evaluate.OpenLedger(ctx, o, l.say); err == nil {
			j = &l.ledger.Judged
		}
		return j, err
	})
}

func (l *Live) pack(ctx context.Context) error {
	o := explain.Options{NeuronLayer: l.from.PairsLayer()}
	if l.ledger != nil {
		o.Collected = explain.Collected{ScoresPath: l.o.ScoresPath, Means: l.ledger.Means, Column: l.ledger.Column}
	}
	return l.openSession(ctx, o)
}

// Close closes the inputs. Load must have returned, and no answer be under way.
func (l *Live) Close() {
	if l.segmenter != nil {
		l.segmenter.Close()
	}
	if l.ledger != nil {
		l.ledger.Close()
	}
	if l.components != nil {
		l.components.Close()
	}
	l.close()
}
