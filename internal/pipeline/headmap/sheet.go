package headmap

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"io"
	"math"
	"slices"

	"github.com/clipnh/clipnh/internal/canvas"
	"github.com/clipnh/clipnh/internal/pipeline/figure"
	"github.com/clipnh/clipnh/internal/ui"
	"github.com/clipnh/clipnh/internal/unit"
)

// draw writes a sheet for each head: drawn by all threads, and written one after the other.
func (l *looker) draw(ctx context.Context) error {
	heads, paths := l.result.Heads, l.sheets()
	drawn, failed := make([]bytes.Buffer, len(heads)), make([]error, len(heads))
	l.team.For(len(heads), func(lo, hi, _ int) {
		for i := lo; i < hi; i++ {
			if failed[i] = ctx.Err(); failed[i] == nil {
				failed[i] = l.sheet(&heads[i]).WritePNG(&drawn[i], sheetMaker)
			}
		}
	})
	for i := range heads {
		err := failed[i]
		if err == nil {
			err = figure.WriteImage(l.o.Store, paths[i], func(w io.Writer) error {
				_, err := w.Write(drawn[i].Bytes())
				return err
			})
		}
		if err != nil {
			return err
		}
		heads[i].Sheet = paths[i]
	}
	return nil
}

// sheet draws the strongest images of a head for each text, and below each its map.
func (l *looker) sheet(h *Head) *canvas.Canvas {
	const lineGap = 8
	f := figure.NewFonts()
	below := 5 + 3*(f.Small.Height()+1) + lineGap // an image: its caption
	who, images := "the head adds", ui.Images.Count(int64(l.result.Images))
	if !unit.NamesHead(h.Head) {
		who = "all heads of the layer together add"
	}
	text := fmt.Sprintf("Of %s those to which %s most along a text. Below each, the part of every place, along the text's embedding, "+
		"a unit vector, not centred; with the class token's part, places sum to the number. ", images, who)
	if len(l.o.Texts) == 0 {
		text = fmt.Sprintf("Of %s those to which %s most, by the norm. Below each, the norm of the part of every place. ", images, who)
	}
	g := figure.NewGrid(h.Head+": where what it adds comes from", text+"Colours of a row are strongest at the 99th percentile of sizes.",
		len(h.Maps), len(h.Maps[0].Top), 2*figure.ThumbSide+below+2*figure.CellGap)
	for i, m := range h.Maps {
		high := percentile99(m.Top)
		at := g.At(i)
		g.Text(g.Bold, at, h.Head, canvas.Ink)
		at.Y += g.Bold.Height() + 2
		name := "norm"
		if m.Text != "" {
			name = m.Text
		}
		for _, line := range g.Plain.Wrap(name, figure.HeadWidth-24) {
			g.Text(g.Plain, at, g.Plain.Cut(line, figure.HeadWidth-24), canvas.Grey)
			at.Y += g.Plain.Height() + 2
		}
		at.Y = g.At(i).Y + figure.ThumbSide + below + (figure.ThumbSide-canvas.BarHeight(g.Small))/2
		if limit := fmt.Sprintf("%.3g", high); m.Text == "" {
			g.Bar(g.Small, at, figure.HeadWidth-80, "0", limit)
		} else {
			g.SignedBar(g.Small, at, figure.HeadWidth-80, "-"+limit, "0", "+"+limit)
		}
		for j, t := range m.Top {
			p, box := l.crops[t.Image].Image, g.Cell(i, j)
			g.Thumb(box, p, nil)
			caption := fmt.Sprintf("%+#.4g", t.Part)
			if m.Text == "" {
				caption = fmt.Sprintf("norm %#.4g", t.Part)
			}
			g.Caption(box, append(g.NameLines(t.Name), caption)...)
			values := make([]float32, len(t.Places))
			for k, x := range t.Places {
				values[k] = float32(x)
			}
			var over canvas.Image
			if m.Text == "" {
				over = canvas.Heat{Values: values, W: l.result.Cols, H: l.result.Rows, High: high}.Over(p)
			} else {
				over = canvas.Signed{Values: values, W: l.result.Cols, H: l.result.Rows, Limit: high}.Over(p)
			}
			g.Place(over, box.Add(image.Pt(0, figure.ThumbSide+below)))
		}
	}
	return g.Canvas
}

// percentile99 is the size that one place of a hundred exceeds.
func percentile99(top []Hit) float64 {
	var sizes []float64
	for _, t := range top {
		for _, x := range t.Places {
			sizes = append(sizes, math.Abs(x))
		}
	}
	slices.Sort(sizes)
	return sizes[len(sizes)*99/100]
}
