package live

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/report"
	"github.com/clipnh/clipnh/internal/trend"
)

// checkText returns an error unless a text can be embedded.
func checkText(what, text string) error {
	switch {
	case strings.TrimSpace(text) == "":
		return fmt.Errorf("%s: empty, want a text", what)
	case len(text) > maxText:
		return fmt.Errorf("%s: %d bytes, want at most %d", what, len(text), maxText)
	case !utf8.ValidString(text):
		return fmt.Errorf("%s: not UTF-8 text", what)
	}
	return nil
}

// embed returns unit vectors of texts, [texts,O]. The tower's gate is the caller's.
func (l *Live) embed(ctx context.Context, texts []string) ([]float32, error) {
	O := l.model.Config.OutDim
	rows, missing := make([]float32, len(texts)*O), []string(nil)
	for i, text := range texts {
		known, ok := l.texts.get(text)
		if !ok && !slices.Contains(missing, text) {
			missing = append(missing, text)
		}
		copy(rows[i*O:], known.row)
	}
	if len(missing) == 0 {
		return rows, nil
	}
	l.encoder.Cut = nil // of earlier requests
	made, err := l.encoder.Embed(ctx, missing, l.o.Templates, func(int) {})
	if err != nil {
		return nil, err
	}
	for i, text := range missing {
		e := embedded{row: made[i*O : (i+1)*O]}
		for _, c := range l.encoder.Cut {
			if c.Text == text {
				e.lost = c.Lost
			}
		}
		l.texts.put(text, e)
		for j, t := range texts {
			if t == text {
				copy(rows[j*O:], e.row)
			}
		}
	}
	return rows, nil
}

// embedded is a text's unit vector [O], and how many of its tokens the model did not see.
type embedded struct {
	row  []float32
	lost int
}

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
	row, err := l.embed(ctx, []string{text})
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
	a := &Text{Text: text, TextRecord: report.TextRecord{Word: text, Pairs: []report.NearPair{}, Images: []report.NearImage{}}}
	for _, n := range near[0] {
		pair := report.NearPair{Pair: n.Unit, Cosine: n.Cosine}
		if n.Unit < len(l.o.Norms) {
			pair.Norm = l.o.Norms[n.Unit]
		}
		a.Pairs = append(a.Pairs, pair)
	}
	known, _ := l.texts.get(text)
	a.Lost = known.lost
	if closed(l.read) && l.off(Scores) == nil {
		l.nearImages(a, row)
	}
	return a, nil
}

// nearImages adds what the collection's images say of the text with a vector [O].
func (l *Live) nearImages(a *Text, row []float32) {
	O, images := len(row), len(l.ledger.Names)
	cosines := make([]float64, images)
	l.team.For(images, func(lo, hi, _ int) {
		for i := lo; i < hi; i++ {
			f := l.ledger.Features[i*O : (i+1)*O]
			sum := 0.0
			for o, x := range f {
				sum += float64(x) * float64(row[o])
			}
			if n := decomp.Norm(f); n > 0 {
				cosines[i] = sum / n
			}
		}
	})
	order := make([]int, images)
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(cosines[b], cosines[a]) })
	for _, i := range order[:min(nearest, images)] {
		a.Images = append(a.Images, report.NearImage{Image: i, Cosine: cosines[i]})
	}
	names, of := l.ledger.Groups()
	if names != nil {
		groups := make([]string, images)
		for i, g := range of {
			if g >= 0 {
				groups[i] = names[g]
			}
		}
		for _, g := range trend.ByGroup(groups, cosines, make([]bool, images)) {
			a.Groups = append(a.Groups, report.GroupMean{Group: g.Name, Mean: g.Mean, Images: g.N})
		}
	}
}
