package audit

import (
	"context"
	"fmt"
	"image"

	"github.com/clipnh/clipnh/internal/canvas"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/pipeline/source"
)

// Measures of a sheet, in pixels.
const (
	thumbSide = 176
	cellGap   = 12
	margin    = 32
	headWidth = 300
)

// title and captions say what is drawn on a sheet of pairs, or of heads.
func (r *Result) title() string {
	if r.OfHeads() {
		return "Images in which heads are furthest from their means"
	}
	return "Images of largest absolute score"
}

func (r *Result) captions() []string {
	if r.OfHeads() {
		return []string{
			"Each row is a head that goes with the group. Those that widen the difference between the groups' margins most come first.",
			"Its images, as the model sees them: those to which it adds what is furthest from its mean, with label, group and name.",
			"effect: logits by which it widens the difference; r: correlation of its share of the margin and the group; P: of chance, over all heads.",
			"Below that the label and group of the comparison, and the first texts of the head where these are given.",
		}
	}
	return pairCaptions
}

var pairCaptions = []string{
	"Each row is a pair that goes with the group. Those that widen the difference between the groups' margins most come first.",
	"Its images, as the model sees them: those of largest absolute score, the largest first, with label, group and name.",
	"effect: logits by which it widens the difference; r: correlation of its share of the margin and the group; P: of chance, over all pairs.",
	"Below that the label and group of the comparison, and the words that the pair's component is made of, with their coefficients.",
}

// sheet draws the strongest images of the first pairs; nil where there are none, or the
// image files are not given, or, which undrawn then says, one is not there. Image files that cannot be read now are named.
func (a *auditor) sheet(ctx context.Context) (*canvas.Canvas, error) {
	pairs := a.result.Pairs[:min(a.Sheets, len(a.result.Pairs))]
	if a.data == nil || len(pairs) == 0 || a.TopImages == 0 {
		return nil, nil
	}
	items := dataset.ByName(a.data.Items)
	bold, text, small := canvas.NewBold(26), canvas.NewFont(18), canvas.NewFont(15)
	for _, p := range pairs {
		for _, t := range p.Top {
			if items[t.Name] == nil {
				a.undrawn = source.NotFound(a.Data, t.Name, a.ScoresPath)
				return nil, nil
			}
		}
	}
	captions := a.result.captions()
	row := thumbSide + 2*small.Height() + 3*cellGap
	top := margin + bold.Height() + 16 + len(captions)*(text.Height()+2) + 10
	width := 2*margin + headWidth + a.TopImages*(thumbSide+cellGap)
	for _, line := range captions {
		width = max(width, 2*margin+text.Width(line))
	}
	c := canvas.New(width, top+len(pairs)*row+margin, canvas.White)
	c.Text(bold, image.Pt(margin, margin), bold.Cut(a.result.title(), width-2*margin), canvas.Ink)
	for i, line := range captions {
		c.Text(text, image.Pt(margin, margin+bold.Height()+8+i*(text.Height()+2)), text.Cut(line, width-2*margin), canvas.Grey)
	}
	failed := map[string]bool{}
	for at := range pairs {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		p := &pairs[at]
		y := top + at*row
		c.Fill(image.Rect(margin, y-cellGap/2, width-margin, y-cellGap/2+1), canvas.Faint)
		lines := []string{fmt.Sprintf("effect %+.3f, r %+.3f, P %.2g", p.Effect, p.R, p.P), p.Label + ": " + p.Group}
		for _, t := range p.Texts {
			lines = append(lines, t.Text)
		}
		for _, w := range p.Words {
			lines = append(lines, fmt.Sprintf("%s %+.2f", w.Word, w.Coefficient))
		}
		c.Text(bold, image.Pt(margin, y), p.Unit, canvas.Ink)
		for i, l := range lines[:min(len(lines), (thumbSide-bold.Height())/(text.Height()+2))] {
			c.Text(text, image.Pt(margin, y+bold.Height()+6+i*(text.Height()+2)), text.Cut(l, headWidth-16), canvas.Grey)
		}
		thumbs, errs := make([]canvas.Image, len(p.Top)), make([]error, len(p.Top))
		a.team.For(len(p.Top), func(lo, hi, _ int) {
			for i := lo; i < hi; i++ {
				thumbs[i], errs[i] = a.thumb(items[p.Top[i].Name])
			}
		})
		for i, t := range p.Top {
			box := image.Rect(0, 0, thumbSide, thumbSide).Add(image.Pt(margin+headWidth+i*(thumbSide+cellGap), y))
			if errs[i] != nil {
				if source.Stops(errs[i], a.Strict) {
					return nil, errs[i]
				}
				if !failed[t.Name] {
					failed[t.Name] = true
					a.say.Skip(errs[i])
					a.result.Skipped = append(a.result.Skipped, source.Skipped{Name: t.Name, Reason: source.Reason(errs[i], items[t.Name].Path)})
				}
				c.Fill(box, canvas.Faint)
			} else {
				c.Place(thumbs[i], box)
			}
			below := box
			below.Min.Y = box.Max.Y + 4
			c.TextCentred(small, below, small.Cut(t.Label+", "+t.Group, thumbSide), canvas.Ink)
			below.Min.Y += small.Height()
			c.TextCentred(small, below, small.CutMiddle(t.Name, thumbSide), canvas.Grey)
		}
	}
	a.result.Changed = a.recorded.Tell(a.say)
	return c, nil
}

// thumb is an image as the model sees it.
func (a *auditor) thumb(item *dataset.Item) (canvas.Image, error) {
	file, err := item.Load()
	if err != nil {
		return canvas.Image{}, err
	}
	if err := a.recorded.Compare(item.Name, file); err != nil {
		return canvas.Image{}, err
	}
	img, err := file.Decode(a.Options.Images)
	if err != nil {
		return canvas.Image{}, err
	}
	s := imageprep.Square(img, thumbSide, model.FitOf(a.src.Origin))
	return canvas.Image{Pix: s.Pix, W: s.W, H: s.H}, nil
}
