package live

import (
	"context"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/report"
)

// Text finds pairs and images near a text.
func (l *Live) Text(ctx context.Context, text string) (*Text, error) {
	if err := checkText("text", text); err != nil {
		return nil, err
	}
	if err := l.need(ctx, false, Model, Vocab); err != nil {
		return nil, err
	}
	leave, err := l.tower.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	row, lost, err := l.embedOne(ctx, text)
	if err != nil {
		return nil, err
	}
	components := l.components
	if components == nil {
		components = artefact.DirectionsOf(l.ov, l.team)
	}
	near, err := components.Nearest(ctx, row, nearest, l.team)
	if err != nil {
		return nil, err
	}
	a := &Text{Text: text, Lost: lost, TextRecord: report.TextRecord{Word: text, Pairs: []report.NearPair{}, Images: []report.NearImage{}}}
	for _, n := range near[0] {
		pair := report.NearPair{Pair: n.Unit, Cosine: n.Cosine}
		if n.Unit < len(l.o.Norms) {
			pair.Norm = l.o.Norms[n.Unit]
		}
		a.Pairs = append(a.Pairs, pair)
	}
	if closed(l.read) && l.off(Scores) == nil {
		a.Images, a.Groups = l.nearImages(row)
	}
	return a, nil
}
