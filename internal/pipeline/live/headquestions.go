package live

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"

	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/pipeline/explain"
	"github.com/clipnh/clipnh/internal/report"
)

// Text finds the heads whose additions to images differ most along a text, and the images near it.
func (h *Heads) Text(ctx context.Context, text string) (*HeadsText, error) {
	if err := checkText("text", text); err != nil {
		return nil, err
	}
	if err := h.need(ctx, false, Model, Vocab, Scores); err != nil {
		return nil, err
	}
	if a, ok := h.answers.get(text); ok {
		return a, nil
	}
	leave, err := h.tower.enter(ctx)
	if err != nil {
		return nil, err
	}
	row, lost, err := h.embedOne(ctx, text)
	leave()
	if err != nil {
		return nil, err
	}
	if leave, err = h.sums.enter(ctx); err != nil {
		return nil, err
	}
	defer leave()
	values, err := h.ledger.Along(ctx, row)
	if err != nil {
		if ctx.Err() == nil {
			err = because(ErrInternal, err)
		}
		return nil, err
	}
	a := &HeadsText{Text: text, Images: []report.NearImage{}, Lost: lost}
	if h.ledger.Features != nil {
		a.Images, a.Groups = h.nearImages(row)
	}
	of, count := h.ledger.Heads()
	images := len(h.ledger.Names)
	a.Heads = make([]NearHead, count)
	h.team.For(count, func(lo, hi, _ int) {
		for head := lo; head < hi; head++ {
			a.Heads[head] = nearHead(values[head*images : (head+1)*images])
			a.Heads[head].Head = of.HeadLayers().Head(head)
			if spread := h.ledger.Spread[head]; spread > 0 {
				a.Heads[head].Explained = min(a.Heads[head].Deviation*a.Heads[head].Deviation/spread, 1)
			}
		}
	})
	slices.SortStableFunc(a.Heads, func(x, y NearHead) int { return cmp.Compare(y.Deviation, x.Deviation) })
	a.Heads = slices.Clone(a.Heads[:min(nearest, count)])
	h.answers.put(text, a)
	return a, nil
}

// nearHead is what values [B] of products with a text say of a head.
func nearHead(values []float32) (n NearHead) {
	sum := 0.0
	for _, x := range values {
		sum += float64(x)
	}
	n.Mean = sum / float64(len(values))
	square := 0.0
	n.Images = []report.ImageValue{}
	for image, value := range values {
		x := float64(value)
		square += (x - n.Mean) * (x - n.Mean)
		at := len(n.Images)
		for at > 0 && n.Images[at-1].Value < x {
			at--
		}
		if at < report.TextImages {
			n.Images = slices.Insert(n.Images, at, report.ImageValue{Image: image, Value: x})
			n.Images = n.Images[:min(len(n.Images), report.TextImages)]
		}
	}
	n.Deviation = math.Sqrt(square / float64(len(values)))
	return n
}

// checkHeads returns an error unless a question can be asked of heads.
func (q *Question) checkHeads() error {
	switch {
	case len(q.Off) > 0 || q.By != "":
		return errors.New("off: heads are taken out by api/toggle")
	case q.Unusual:
		return errors.New("unusual: of pairs, whose scores have means")
	}
	return q.check()
}

// Image explains an image of the collection by heads.
func (h *Heads) Image(ctx context.Context, image int, q Question) (*HeadsExplained, error) {
	if err := q.checkHeads(); err != nil {
		return nil, err
	}
	if err := h.need(ctx, true, Model, explained, Images, Scores); err != nil {
		return nil, err
	}
	if err := h.checkImage(image); err != nil {
		return nil, err
	}
	leave, err := h.tower.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	p, err := h.pass(image)
	if err != nil {
		return nil, err
	}
	return h.explained(ctx, p, q)
}

// Drop explains an image that is sent. Heads are looked at by what the question names.
func (h *Heads) Drop(ctx context.Context, name string, data []byte, unitName string, q Question) (*HeadsExplained, error) {
	if err := q.checkHeads(); err != nil {
		return nil, err
	}
	if unitName != "" {
		return nil, errors.New("unit: of pairs; heads names heads")
	}
	if err := h.need(ctx, true, Model, explained); err != nil {
		return nil, err
	}
	leave, err := h.tower.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	p, err := h.session.Look(name, &imageprep.File{Path: name, Size: int64(len(data)), Bytes: data})
	if err != nil {
		return nil, err
	}
	return h.explained(ctx, p, q)
}

// explained answers a question about an image that the tower saw. The tower's gate is the
// caller's.
func (h *Heads) explained(ctx context.Context, p *explain.Pass, q Question) (*HeadsExplained, error) {
	classes, rows, err := h.classes(ctx, q.Classes)
	if err != nil {
		return nil, err
	}
	ask := func(maps int, heads []string) (*explain.Explanation, error) {
		return h.session.Explain(ctx, p, explain.Question{Classes: classes, Embeddings: rows, Class: q.Class, Versus: q.Versus, Maps: maps, Heads: heads})
	}
	x, err := ask(math.MaxInt, nil) // of all heads, by size
	if err != nil {
		return nil, err
	}
	maps := strongest(x.HeadMaps.Maps, q.Maps)
	if len(q.Heads) > 0 {
		named, err := ask(0, q.Heads)
		if err != nil {
			return nil, err
		}
		maps = named.HeadMaps
	}
	a := &HeadsExplained{
		Name: x.Name, Target: x.Class, Logit: x.Logit, Norm: x.Norm, Constant: x.Constant, Sum: x.Sum, Classes: []ClassAnswer{},
		Places: report.Places{Side: x.Places.Rows, Position: x.Places.Position}, Explanation: HeadsExplanation{HeadMaps: maps},
	}
	if e := x.Elsewhere; e != nil {
		a.Constant += e.MLPs
		a.Places.Position = e.ClassToken + e.MLPs
	}
	if x.Versus != "" {
		a.Target += " against " + x.Versus
	}
	for _, c := range x.Classes {
		a.Classes = append(a.Classes, ClassAnswer{Class: c.Name, Logit: c.Logit, Probability: c.Probability})
	}
	for _, v := range x.Places.Parts {
		a.Places.Parts = append(a.Places.Parts, float32(v))
	}
	a.For, a.Against, a.Rest, a.RestHeads = sides(x.HeadMaps.Maps, q.List)
	return a, nil
}

// strongest are the first most of all maps, which are by size.
func strongest(all []explain.HeadMap, most int) explain.HeadMaps {
	most = min(most, len(all))
	m := explain.HeadMaps{Maps: all[:most], RestHeads: len(all) - most}
	for i := range all {
		if i < most {
			m.Listed += all[i].Part
		} else {
			m.Rest += all[i].Part
		}
	}
	return m
}

// sides are the most heads that add to a logit and that take from it, of all of them, by size,
// and what the others sum to.
func sides(all []explain.HeadMap, most int) (up, down []HeadPart, rest float64, others int) {
	up, down = []HeadPart{}, []HeadPart{}
	for _, m := range all {
		switch {
		case m.Part > 0 && len(up) < most:
			up = append(up, HeadPart{m.Head, m.Part})
		case m.Part < 0 && len(down) < most:
			down = append(down, HeadPart{m.Head, m.Part})
		default:
			rest += m.Part
			others++
		}
	}
	return up, down, rest, others
}
