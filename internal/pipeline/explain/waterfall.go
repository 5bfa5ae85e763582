package explain

import (
	"fmt"
	"image"
	"image/color"
	"math"
	"strconv"

	"github.com/clipnh/clipnh/internal/canvas"
)

// A step of a waterfall is what something adds, from where those above left off.
type step struct {
	name, words string
	from, to    float64
	total       bool // from zero: what has been reached
}

// waterfallOf returns the steps from nothing to the logit: the constant, the units that
// are not listed, then listed pairs by size.
func waterfallOf(x *Explanation) []step {
	at := 0.0
	var steps []step
	add := func(name, words string, part float64) {
		steps = append(steps, step{name: name, words: words, from: at, to: at + part})
		at += part
	}
	add("constant of the weights", "", x.Constant)
	add(fmt.Sprintf("%d pairs not listed", x.Pairs.RestUnits), "", x.Pairs.Rest)
	for _, p := range x.Pairs.strongestListed(math.MaxInt) {
		add(p.Unit, wordsLine(p), p.Part)
	}
	name := "logit"
	if x.Versus != "" {
		name = "difference of logits"
	}
	return append(steps, step{name: name, to: at, total: true})
}

// Measures of a waterfall, in pixels.
const (
	stepHeight = 30
	nameWidth  = 470
	valueWidth = 110
)

func waterfallHeight(f *canvas.Font, steps int) int {
	return f.Height() + 12 + steps*stepHeight + 2*f.Height() + 16
}

// waterfall draws steps as bars below each other, over an axis in units of the logit.
func (s *sheet) waterfall(y int, steps []step) {
	s.Text(s.bold, image.Pt(sheetMargin, y), "How the logit comes about", canvas.Ink)
	y += s.bold.Height() + 12
	low, high := 0.0, 0.0
	for _, p := range steps {
		low, high = math.Min(low, math.Min(p.from, p.to)), math.Max(high, math.Max(p.from, p.to))
	}
	if high == low {
		high = low + 1
	}
	left, right := sheetMargin+nameWidth+valueWidth, sheetWidth-sheetMargin
	x := func(v float64) int { return left + int(math.Round((v-low)/(high-low)*float64(right-left-2))) + 1 }
	bottom := y + len(steps)*stepHeight
	for _, tick := range ticksOf(low, high) {
		shade := canvas.Faint
		if tick == 0 {
			shade = canvas.Grey
		}
		s.Fill(image.Rect(x(tick), y, x(tick)+1, bottom+5), shade)
		label := strconv.FormatFloat(tick, 'g', 6, 64)
		s.Text(s.small, image.Pt(min(x(tick)-s.small.Width(label)/2, right-s.small.Width(label)), bottom+8), label, canvas.Grey)
	}
	s.TextCentred(s.small, image.Rect(left, bottom+8+s.small.Height(), right, bottom+60), "logit", canvas.Grey)
	for i, p := range steps {
		at := image.Pt(sheetMargin, y+i*stepHeight)
		font, colour := s.text, barColour(p)
		if p.total {
			font = s.bold
		}
		s.Text(font, at.Add(image.Pt(0, 3)), p.name, canvas.Ink)
		if room := nameWidth - font.Width(p.name) - 24; p.words != "" {
			s.Text(s.small, at.Add(image.Pt(font.Width(p.name)+12, 5)), s.small.Cut(p.words, room), canvas.Grey)
		}
		s.right(font, at.Add(image.Pt(nameWidth, 3)), valueWidth-16, fmt.Sprintf("%+.3f", p.to-p.from))
		from, to := x(min(p.from, p.to)), x(max(p.from, p.to))
		s.Fill(image.Rect(from, at.Y+5, max(to, from+1), at.Y+stepHeight-5), colour)
		if i+1 < len(steps) { // where the next one begins
			s.Fill(image.Rect(x(p.to), at.Y+stepHeight-5, x(p.to)+1, at.Y+stepHeight+5), canvas.Grey)
		}
	}
}

func barColour(p step) color.NRGBA {
	switch {
	case p.total:
		return canvas.Grey
	case p.to < p.from:
		return canvas.Below
	}
	return canvas.Above
}

// ticksOf returns some round numbers from low to high.
func ticksOf(low, high float64) []float64 {
	times := math.Pow(10, math.Floor(math.Log10((high-low)/8)))
	step := times
	for _, factor := range []float64{1, 2, 5, 10} {
		if step = times * factor; (high-low)/step <= 8 {
			break
		}
	}
	var ticks []float64
	for i := math.Ceil(low/step - 1e-9); i*step <= high+1e-9*step; i++ {
		ticks = append(ticks, i*step+0) // not minus zero
	}
	return ticks
}
