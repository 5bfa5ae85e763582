package explain

import (
	"fmt"
	"image"
	"image/color"
	"math"
	"slices"
	"strconv"

	"github.com/clipnh/clipnh/internal/canvas"
	"github.com/clipnh/clipnh/internal/quantity"
)

// A step is a bar of a figure: what something adds to the logit.
type step struct {
	name, words string
	from, to    float64
	total       bool     // from zero: what has been reached
	usual       *float64 // what it would add at its mean score; nil if that is not known
}

// pairBars returns the listed pairs by size, each from zero. Parts of pairs are small
// beside the sum of all, so they have a scale of their own.
func pairBars(x *Explanation) []step {
	var steps []step
	for _, p := range x.Pairs.strongestListed(math.MaxInt) {
		steps = append(steps, step{name: p.Unit, words: wordsLine(p), to: p.Part, usual: p.Usual})
	}
	return steps
}

// waterfallOf returns the steps from nothing to the logit, each from where the one above
// ends: the constant, the listed pairs for and against, and all the others.
func waterfallOf(x *Explanation) []step {
	at := 0.0
	var steps []step
	add := func(name string, part float64) {
		steps = append(steps, step{name: name, from: at, to: at + part})
		at += part
	}
	sum := func(parts []Part) (total float64) {
		for _, p := range parts {
			total += p.Part
		}
		return total
	}
	if x.Elsewhere == nil {
		add("constant of the weights", x.Constant)
	} else {
		add("all that no pair adds", x.Elsewhere.Pairs)
	}
	if n := len(x.Pairs.For); n > 0 {
		add(quantity.Of(n, "listed pair")+" for", sum(x.Pairs.For))
	}
	if n := len(x.Pairs.Against); n > 0 {
		add(quantity.Of(n, "listed pair")+" against", sum(x.Pairs.Against))
	}
	add(quantity.Of(x.Pairs.RestUnits, "pair")+" not listed", x.Pairs.Rest)
	name := "logit"
	if x.Versus != "" {
		name = "difference of logits"
	}
	return append(steps, step{name: name, to: at, total: true})
}

// Measures of bars, in pixels.
const (
	stepHeight = 30
	nameWidth  = 470
	valueWidth = 110
)

// barsHeight is the height of a heading, bars, and an axis with its name.
func barsHeight(f *canvas.Font, steps int) int {
	if steps == 0 {
		return 0
	}
	return f.Height() + 12 + steps*stepHeight + 2*f.Height() + 16 + sheetGap
}

// drawPairBars draws what each listed pair adds and what is usual.
func (s *sheet) drawPairBars(y int) {
	steps := pairBars(s.x)
	axis := "logit"
	for _, p := range steps {
		if p.usual != nil {
			axis = "logit; the mark at a bar is what the pair's mean score would add"
		}
	}
	s.bars(y, "What each listed pair adds", axis, steps)
}

// drawSum draws how the parts sum to the logit.
func (s *sheet) drawSum(y int) {
	s.bars(y, "How all parts sum to it", "logit; a bar begins where the one above it ends", waterfallOf(s.x))
}

// bars draws steps as bars below each other, over an axis in units of the logit.
func (s *sheet) bars(y int, heading, axis string, steps []step) {
	if len(steps) == 0 {
		return
	}
	s.Text(s.bold, image.Pt(sheetMargin, y), heading, canvas.Ink)
	y += s.bold.Height() + 12
	low, high := 0.0, 0.0
	for _, p := range steps {
		ends := []float64{p.from, p.to}
		if p.usual != nil {
			ends = append(ends, *p.usual)
		}
		low, high = min(low, slices.Min(ends)), max(high, slices.Max(ends))
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
	s.TextCentred(s.small, image.Rect(left, bottom+8+s.small.Height(), right, bottom+60), axis, canvas.Grey)
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
		if p.usual != nil {
			s.Fill(image.Rect(x(*p.usual)-1, at.Y+2, x(*p.usual)+2, at.Y+stepHeight-2), canvas.Ink)
		}
		if i+1 < len(steps) && steps[i+1].from == p.to && p.to != 0 { // where the next one begins
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
