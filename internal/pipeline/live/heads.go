package live

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/pipeline/evaluate"
	"github.com/clipnh/clipnh/internal/pipeline/explain"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/ui"
)

// Heads answers of heads of the first order: of all layers of a vision transformer, or of an
// attention pool. It is safe for concurrent use.
type Heads struct {
	*common
	ledger  *evaluate.HeadLedger
	answers recent[string, *HeadsText]

	once   sync.Once // whether means tell edit what heads give
	told   bool
	untold error
}

// OpenHeads is Open for a collection of heads.
func OpenHeads(ctx context.Context, o Options, say ui.Reporter) (*Heads, error) {
	h := &Heads{common: newCommon(o, artefact.KindHeads, say), answers: recent[string, *HeadsText]{most: keptAnswers}}
	if why := o.Why[MLPs]; why != "" {
		h.because(MLPs, errors.New(why))
	}
	if err := h.openAll(ctx, h.inputs(h.openModel)); err != nil {
		h.Close()
		return nil, err
	}
	return h, nil
}

func (h *Heads) openModel(ctx context.Context) error {
	m, err := model.OpenFor(ctx, h.o.ModelPath, h.o.Details, h.from)
	if err != nil {
		return err
	}
	if err = h.useModel(m); err != nil {
		m.Close()
	}
	return err
}

// Load is that of Live.
func (h *Heads) Load(ctx context.Context) error {
	failed := h.loadParts(ctx)
	close(h.read)
	failed = errors.Join(failed, h.openTower(ctx))
	close(h.packed)
	return failed
}

// openTower opens the session. Heads of all layers are read whatever the pairs are: of the last layer
// with pairs they are fewest. A tower of one layer has no pairs, and none is opened.
func (h *Heads) openTower(ctx context.Context) error {
	if h.model == nil {
		return nil
	}
	var o explain.Options
	switch layers, _ := h.model.Config.Layered(); layers {
	case 0:
	case 1:
		h.because(explained, errors.New("a vision transformer of one layer is not explained: no later head reads what its neurons write"))
		return nil
	default:
		last := layers - 2
		o.NeuronLayer = &last
	}
	return h.openSession(ctx, o)
}

func (h *Heads) loadParts(ctx context.Context) error {
	if h.off(Scores) != nil {
		return nil
	}
	return h.openLedger(ctx, func(o evaluate.LedgerOptions) (j *evaluate.Judged, err error) {
		o.Parts = h.o.Parts
		if h.ledger, err = evaluate.OpenHeadLedger(ctx, o, h.say); err == nil {
			j = &h.ledger.Judged
		}
		return j, err
	})
}

// Close is that of Live.
func (h *Heads) Close() {
	if h.ledger != nil {
		h.ledger.Close()
	}
	h.close()
}

// errOfPairs is why heads have no scores and no labels of pixels.
var errOfPairs = because(ErrOff, errors.New("of pairs only: this report is of heads"))

// Status says what works. It does not wait.
func (h *Heads) Status() Status {
	s := Status{
		Text:    h.able(true, false, Model, Vocab, Scores),
		Image:   h.able(true, true, Model, explained, Images, Scores),
		Drop:    h.able(false, true, Model, explained),
		Toggle:  h.able(true, false, Scores),
		Segment: Ability{Reason: errOfPairs.Error()},
		Scores:  Ability{Reason: errOfPairs.Error()},
		Thumbs:  h.able(false, false, Images),
	}
	h.tellRead(&s)
	if closed(h.read) && h.ledger != nil {
		s.MaxOff = len(h.ledger.Spread)
	}
	return s
}

// Scores are of pairs.
func (h *Heads) Scores(context.Context, string) (*PairScores, error) { return nil, errOfPairs }

// Segment and SegmentImage are by pairs.
func (h *Heads) Segment(context.Context, string, []byte, SegmentQuestion) (*Segmented, error) {
	return nil, errOfPairs
}

// SegmentImage is by pairs.
func (h *Heads) SegmentImage(context.Context, int, SegmentQuestion) (*Segmented, error) {
	return nil, errOfPairs
}

// Toggle says what taking heads out does to the accuracy over the collection, and to one image:
// each is replaced in the features, of which it is a part.
func (h *Heads) Toggle(ctx context.Context, r ToggleRequest) (*Toggle, error) {
	z, _, err := r.check()
	if err != nil {
		return nil, err
	}
	if err := h.need(ctx, false, Scores); err != nil {
		return nil, err
	}
	if r.Image != nil {
		if err := h.checkImage(*r.Image); err != nil {
			return nil, err
		}
	}
	off, names, err := h.find(r.Off)
	if err != nil {
		return nil, err
	}
	t := newToggle(names, r.By)
	if t.Edit, t.EditNote, err = h.editLine(off, z); err != nil {
		return nil, err
	}
	if why := h.unjudged(); why != nil {
		t.Reason = why.Error()
	} else if t.Before, t.After, err = h.accuracy(ctx, off, z, h.ledger.Without); err != nil {
		return nil, err
	}
	if r.Image != nil && h.ledger.Features != nil {
		t.Image, err = h.toggled(ctx, *r.Image, r.Classes, off, z)
	}
	return t, err
}

// find returns the heads that labels stand for, l10 for all of a layer, in order, none twice.
func (h *Heads) find(labels []string) (off []int, names []string, err error) {
	of, count := h.ledger.Heads()
	if len(labels) > count {
		return nil, nil, fmt.Errorf("%s, want at most %d", quantity.Of(len(labels), "unit"), count)
	}
	layers := of.HeadLayers()
	for _, label := range labels {
		first, n, err := layers.FindHeads(label, count)
		if err != nil {
			return nil, nil, err
		}
		for i := range n {
			off = append(off, first+i)
		}
	}
	slices.Sort(off)
	off = slices.Compact(off)
	for _, head := range off {
		names = append(names, layers.Head(head))
	}
	return off, names, nil
}

// toggled says what an image's feature becomes without heads.
func (h *Heads) toggled(ctx context.Context, image int, classes []string, off []int, zero bool) (*ToggledImage, error) {
	leave, err := h.tower.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	names, rows, err := h.classes(ctx, classes)
	if err != nil {
		return nil, err
	}
	t := &ToggledImage{Image: image, Name: h.ledger.Names[image]}
	O := len(h.ledger.Features) / len(h.ledger.Names)
	if t.Before, err = t.side(h.ledger.Features[image*O:(image+1)*O], names, rows); err != nil {
		return nil, err
	}
	without, err := h.ledger.Feature(image, off, zero)
	if err != nil {
		return nil, because(ErrInternal, err)
	}
	t.After, err = t.side(without, names, rows)
	return t, err
}
