package live

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/pipeline/explain"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/report"
	"github.com/clipnh/clipnh/internal/unit"
)

// Question says what to explain of an image.
type Question struct {
	Classes       []string // none: the default ones
	Class, Versus string   // of them; no class: that of the largest logit
	Off           []string // units that are taken out
	By            string   // mean, also if empty, or zero
	List, Maps    int      // units for the class and as many against it, and maps of pairs and of heads
	Heads         []string // instead of the strongest: heads, such as h3 or l10h3, or l10 for all of a layer together
	Unusual       bool     // list units by what they add beyond the usual
}

// The values of By.
const (
	ByMean = "mean"
	ByZero = "zero"
)

// zero says whether pairs that are taken out add nothing, rather than their means.
func zero(by string) (bool, error) {
	if by != "" && by != ByMean && by != ByZero {
		return false, fmt.Errorf("by %q: want %s or %s", by, ByMean, ByZero)
	}
	return by == ByZero, nil
}

// check returns an error unless the question can be asked, whatever the inputs.
func (q *Question) check() error {
	if n := len(q.Classes); n == 1 || n > maxTexts {
		return fmt.Errorf("number of classes %d, want 2 to %d", n, maxTexts)
	}
	for i, c := range q.Classes {
		if err := checkText("class", c); err != nil {
			return err
		}
		if slices.Contains(q.Classes[:i], c) {
			return fmt.Errorf("class %q is given twice", c)
		}
	}
	if q.Versus != "" && q.Class == "" {
		return errors.New("versus needs class, which it is held against")
	}
	if q.List < 0 || q.Maps < 0 || q.List > maxList || q.Maps > maxMaps {
		return fmt.Errorf("%s and %s, want 0 to %d and 0 to %d", quantity.Of(q.List, "unit"), quantity.Of(q.Maps, "map"), maxList, maxMaps)
	}
	if len(q.Heads) > maxMaps {
		return fmt.Errorf("%s, want at most %d", quantity.Of(len(q.Heads), "head"), maxMaps)
	}
	_, err := zero(q.By)
	return err
}

// pairs returns the pairs that units stand for, in order, none twice.
func (l *Live) pairs(units []string) ([]int, unit.Layered, error) {
	shape := unit.Layered{Layers: artefact.OriginLayers(l.from)}
	switch {
	case l.ov != nil:
		shape.Shape = unit.Shape{l.ov.Heads, l.ov.Neurons}
	case closed(l.read) && l.ledger != nil:
		shape.Shape = unit.Shape{l.ledger.OV.Heads, l.ledger.OV.Neurons}
	default:
		return nil, shape, l.off(Scores)
	}
	if len(units) == 0 {
		return nil, shape, nil
	}
	if len(units) > shape.Count() {
		return nil, shape, fmt.Errorf("%s, want at most %d", quantity.Of(len(units), "unit"), shape.Count())
	}
	units = slices.Compact(slices.Sorted(slices.Values(units)))
	pairs, err := shape.Find(units)
	if err != nil {
		return nil, shape, err
	}
	slices.Sort(pairs)
	return slices.Compact(pairs), shape, nil
}

// onePair is the pair of a name.
func (l *Live) onePair(name string) (int, error) {
	pairs, shape, err := l.pairs([]string{name})
	if err == nil && len(pairs) != 1 {
		err = fmt.Errorf("unit %q: want a pair, such as %s", name, shape.Name(pairs[0]))
	}
	if err != nil {
		return 0, err
	}
	return pairs[0], nil
}

// column are the scores of a pair by image.
func (l *Live) column(ctx context.Context, pair int) ([]float32, error) {
	scores, err := l.ledger.Column(ctx, pair)
	if err != nil && ctx.Err() == nil {
		err = because(ErrInternal, err)
	}
	return scores, err
}

// Scores are those of a pair on all images.
func (l *Live) Scores(ctx context.Context, name string) (*PairScores, error) {
	if err := l.need(ctx, false, Scores); err != nil {
		return nil, err
	}
	pair, err := l.onePair(name)
	if err != nil {
		return nil, err
	}
	leave, err := l.sums.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	scores, err := l.column(ctx, pair)
	return &PairScores{Unit: artefact.OriginLayers(l.from).Pair(pair, l.ledger.OV.Neurons), Scores: scores}, err
}

// Image explains an image of the collection.
func (l *Live) Image(ctx context.Context, image int, q Question) (*Explained, error) {
	if err := q.check(); err != nil {
		return nil, err
	}
	if err := l.need(ctx, true, Model, Images, Scores); err != nil {
		return nil, err
	}
	if err := l.checkImage(image); err != nil {
		return nil, err
	}
	leave, err := l.tower.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	p, err := l.pass(image)
	if err != nil {
		return nil, err
	}
	return l.explained(ctx, p, q)
}

// explained is an answer with what pairs that are off have changed. The tower's gate is the
// caller's.
func (l *Live) explained(ctx context.Context, p *explain.Pass, q Question) (*Explained, error) {
	x, err := l.explain(ctx, p, q)
	if err != nil {
		return nil, err
	}
	a := &Explained{
		Name: x.Name, Target: x.Class, Logit: x.Logit, Norm: x.Norm, Constant: x.Constant,
		For: pairParts(x.Pairs.For), Against: pairParts(x.Pairs.Against), Rest: x.Pairs.Rest, Sum: x.Sum,
		Places: report.Places{Side: x.Places.Rows, Position: x.Places.Position}, Explanation: x,
	}
	if e := x.Elsewhere; e != nil { // of an image's own, as the constant of a pool is of all
		a.Constant += e.Pairs
		a.Places.Position = e.ClassToken + e.MLPs
	}
	if x.Versus != "" {
		a.Target += " against " + x.Versus
	}
	for _, v := range x.Places.Parts {
		a.Places.Parts = append(a.Places.Parts, float32(v))
	}
	before, beforeLogit := map[string]*float64{}, map[string]*float64{}
	if len(q.Off) > 0 {
		off, shape, err := l.pairs(q.Off)
		if err != nil {
			return nil, err
		}
		a.Edit, a.EditNote = l.editLine(shape, off, q.By == ByZero)
		bare := q
		bare.Off, bare.List, bare.Maps, bare.Heads = nil, 0, 0, nil
		was, err := l.explain(ctx, p, bare)
		if err != nil {
			return nil, err
		}
		for i := range was.Classes {
			c := &was.Classes[i]
			before[c.Name], beforeLogit[c.Name] = &c.Probability, &c.Logit
		}
	}
	for _, c := range x.Classes {
		a.Classes = append(a.Classes, ClassAnswer{c.Name, c.Logit, c.Probability, before[c.Name], beforeLogit[c.Name]})
	}
	return a, nil
}

func pairParts(parts []explain.Part) []report.PairPart {
	all := []report.PairPart{}
	for _, p := range parts {
		all = append(all, report.PairPart{Pair: p.Index, Part: p.Part, Score: *p.Score})
	}
	return all
}

// explain answers a question about an image that the tower saw. The tower's gate is the
// caller's.
func (l *Live) explain(ctx context.Context, p *explain.Pass, q Question) (*explain.Explanation, error) {
	classes, rows, err := l.classes(ctx, q.Classes)
	if err != nil {
		return nil, err
	}
	off, _, err := l.pairs(q.Off)
	if err != nil {
		return nil, err
	}
	z, err := zero(q.By)
	if err != nil {
		return nil, err
	}
	asked := explain.Question{
		Classes: classes, Embeddings: rows, Class: q.Class, Versus: q.Versus, Units: q.List, Maps: q.Maps, Heads: q.Heads,
		Unusual: q.Unusual, Off: off, Zero: z,
	}
	if q.Unusual && l.ledger == nil {
		return nil, l.off(Scores)
	}
	return l.session.Explain(ctx, p, asked)
}

// MaxUpload bounds an image that is sent, in bytes.
const MaxUpload = 32 << 20

// Drop explains an image that is sent, and says where its score of a pair lies; no unit: of
// none. name is what the explanation calls it.
func (l *Live) Drop(ctx context.Context, name string, data []byte, unitName string, q Question) (*Explained, error) {
	if err := q.check(); err != nil {
		return nil, err
	}
	if err := l.need(ctx, true, Model); err != nil {
		return nil, err
	}
	pair := -1
	if unitName != "" {
		var err error
		if pair, err = l.onePair(unitName); err != nil {
			return nil, err
		}
		if err := l.need(ctx, false, Scores); err != nil {
			return nil, err
		}
	}
	leave, err := l.tower.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	p, err := l.session.Look(name, &imageprep.File{Path: name, Size: int64(len(data)), Bytes: data})
	if err != nil {
		return nil, err
	}
	d, err := l.explained(ctx, p, q)
	if err != nil || pair < 0 {
		return d, err
	}
	scores, err := l.column(ctx, pair)
	if err != nil {
		return nil, err
	}
	score := p.Scores()[pair]
	d.Unit = &DroppedUnit{
		Unit: artefact.OriginLayers(l.from).Pair(pair, l.ov.Neurons), Pair: pair, Score: float64(score), Mean: l.ledger.Means[pair], Rank: 1, Images: len(scores),
	}
	for _, s := range scores {
		if s > score {
			d.Unit.Rank++
		}
	}
	return d, nil
}
