package headmap

import (
	"fmt"
	"slices"

	"github.com/clipnh/clipnh/internal/attribution"
	"github.com/clipnh/clipnh/internal/canvas"
	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/ui"
)

// looker keeps the strongest images while it sees one after the other.
type looker struct {
	o            Options
	say          ui.Reporter
	team         par.Team
	side, tokens int // of an image in pixels, and T
	form         imageprep.Form
	result       *Result
	crops        map[int]*crop // of the strongest images, by their number
}

// A crop is an image as the model sees it.
type crop struct{ canvas.Image }

// batch looks at a batch of images.
func (l *looker) batch(items []dataset.Item, pixels []float32, out clip.Output) error {
	n := len(items)
	heads := l.result.Heads
	failed := make([]error, len(heads))
	l.team.For(len(heads), func(lo, hi, _ int) {
		for i := lo; i < hi; i++ {
			for b := range n {
				one := out.Of(b, n)
				if err := l.look(&heads[i], items[b].Name, l.result.Images+b, one.Reads, one.Statistics); err != nil {
					failed[i] = err
					break
				}
			}
		}
	})
	for _, err := range failed {
		if err != nil {
			return err
		}
	}
	if l.o.SaveDir != "" {
		l.keep(pixels, n)
	}
	l.result.Images += n
	return nil
}

// look compares an image with those that a head adds most to.
func (l *looker) look(h *Head, name string, image int, reads, statistics []float32) error {
	for p := range h.Maps {
		m := &h.Maps[p]
		parts, part := make([]float64, l.tokens), 0.0
		if len(l.o.Texts) > 0 {
			h.split.Along(parts, p, reads, statistics)
			part = attribution.Sum(parts)
		} else {
			part = h.split.Norms(parts, reads, statistics)
		}
		if part-part != 0 {
			return fmt.Errorf("%s: what %s adds is %g, want a finite number", name, h.Head, part)
		}
		at := len(m.Top)
		for at > 0 && m.Top[at-1].Part < part {
			at--
		}
		if at < l.o.Top {
			m.Top = slices.Insert(m.Top, at, Hit{Image: image, Name: name, Part: part, ClassToken: parts[0], Places: parts[1:]})
			m.Top = m.Top[:min(len(m.Top), l.o.Top)]
			for i := range m.Top {
				m.Top[i].Rank = i + 1
			}
		}
	}
	return nil
}

// keep keeps the images of the last batch that are among the strongest, and forgets those that
// are not any more.
func (l *looker) keep(pixels []float32, n int) {
	wanted := map[int]bool{}
	for _, h := range l.result.Heads {
		for _, m := range h.Maps {
			for _, t := range m.Top {
				wanted[t.Image] = true
			}
		}
	}
	for image := range l.crops {
		if !wanted[image] {
			delete(l.crops, image)
		}
	}
	each := len(pixels) / n
	for b := range n {
		if image := l.result.Images + b; wanted[image] {
			img := l.form.Denormalize(pixels[b*each:(b+1)*each], l.side, l.side)
			l.crops[image] = &crop{canvas.Image{Pix: img.Pix, W: l.side, H: l.side}}
		}
	}
}
