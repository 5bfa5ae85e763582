package explain

import (
	"bytes"
	"fmt"
	"image"
	"io"
	"math"
	"strings"

	"github.com/clipnh/clipnh/internal/canvas"
	"github.com/clipnh/clipnh/internal/pipeline/figure"
)

// sheetMaker is what sheets say of who made them, so that no others are ever replaced.
const sheetMaker = "clipnh explain"

// draw writes a sheet for each image: drawn by all threads, and written one after the other, so
// that of two runs in one folder the first is never stopped by the second.
func (e *explainer) draw(images []*Explanation) error {
	drawn, errs := make([]bytes.Buffer, len(images)), make([]error, len(images))
	e.team.For(len(images), func(lo, hi, _ int) {
		for i := lo; i < hi; i++ {
			errs[i] = drawSheet(images[i]).WritePNG(&drawn[i], sheetMaker)
			images[i].crop = canvas.Image{}
		}
	})
	for i, x := range images {
		path := e.o.sheets[x.Name]
		err := errs[i]
		if err == nil {
			err = figure.WriteImage(e.o.Store, path, func(w io.Writer) error {
				_, err := w.Write(drawn[i].Bytes())
				return err
			})
		}
		if err != nil {
			return err
		}
		x.Sheet = path
	}
	return nil
}

// Measures of a sheet, in pixels.
const (
	sheetWidth  = 1500
	sheetMargin = 36
	imageSide   = 400 // of the image and its map
	tileSide    = 224 // of a head's or a pair's map
	tilesInRow  = 6
	sheetGap    = 20
	barWidth    = 260
)

// A sheet is what an explanation is drawn on, from top to bottom.
type sheet struct {
	*canvas.Canvas
	x                 *Explanation
	title, bold, text *canvas.Font
	small             *canvas.Font
	heads, pairs      []tile  // those with maps, the strongest first
	mapLimit          float64 // size at which colours are strongest
}

// A tile is the map of a head or a pair, and what is written below it.
type tile struct {
	name   string
	part   float64
	places []float64
	lines  []string
}

// newTile is that of a unit, of whose part the position embedding or the class token adds some.
func newTile(name string, part float64, places []float64, position, classToken *float64, words string) tile {
	t := tile{name: name, part: part, places: places}
	if words != "" {
		t.lines = append(t.lines, words)
	}
	if position != nil {
		t.lines = append(t.lines, fmt.Sprintf("position %+.3f", *position))
	} else {
		t.lines = append(t.lines, fmt.Sprintf("class token %+.3f", *classToken))
	}
	return t
}

// drawSheet draws an image, the map of its logit, the maps of heads and of its strongest
// pairs, what the listed ones add, and the sum of all parts.
func drawSheet(x *Explanation) *canvas.Canvas {
	s := &sheet{x: x, title: canvas.NewBold(32), bold: canvas.NewBold(20), text: canvas.NewFont(20), small: canvas.NewFont(17)}
	for _, p := range x.Pairs.strongestListed(math.MaxInt) {
		if p.Places != nil {
			s.pairs = append(s.pairs, newTile(p.Unit, p.Part, p.Places, p.Position, p.ClassToken, wordsLine(p)))
		}
	}
	for _, m := range x.HeadMaps.Maps {
		s.heads = append(s.heads, newTile(m.Head, m.Part, m.Places, m.Position, m.ClassToken, ""))
	}
	s.mapLimit = largest(x.Places.Parts)
	listed, steps := len(x.Pairs.For)+len(x.Pairs.Against), len(waterfallOf(x))
	heights := []int{s.headHeight(), s.imageHeight(), s.tilesHeight(s.heads), s.tilesHeight(s.pairs), barsHeight(s.text, listed), barsHeight(s.text, steps)}
	total := 2 * sheetMargin
	for _, h := range heights {
		total += h
	}
	s.Canvas = canvas.New(sheetWidth, total, canvas.White)
	y := sheetMargin
	for i, part := range []func(y int){s.drawHead, s.drawImage, s.drawHeads, s.drawPairs, s.drawPairBars, s.drawSum} {
		part(y)
		y += heights[i]
	}
	return s.Canvas
}

// largest is the largest size of values.
func largest(values []float64) float64 {
	size := 0.0
	for _, v := range values {
		size = math.Max(size, math.Abs(v))
	}
	return size
}

// what names what is explained.
func (x *Explanation) what() string {
	if x.Versus == "" {
		return fmt.Sprintf("logit of %q", x.Class)
	}
	return fmt.Sprintf("logit of %q less that of %q", x.Class, x.Versus)
}

func (s *sheet) headHeight() int { return s.title.Height() + s.text.Height() + 24 }

func (s *sheet) drawHead(y int) {
	room := sheetWidth - 2*sheetMargin
	s.Text(s.title, image.Pt(sheetMargin, y), s.title.CutMiddle(s.x.Name, room), canvas.Ink)
	y += s.title.Height() + 4
	line := fmt.Sprintf("%s: %.3f", s.x.what(), s.x.Logit)
	s.Text(s.text, image.Pt(sheetMargin, y), s.text.Cut(line, room), canvas.Grey)
}

func (s *sheet) caption() int     { return s.small.Height() + 6 }
func (s *sheet) imageHeight() int { return imageSide + s.caption() + 2*sheetGap }

// drawImage draws the image, the map beside it, and on the right the classes, the scale
// of the map and what belongs to no place.
func (s *sheet) drawImage(y int) {
	box := image.Rect(sheetMargin, y, sheetMargin+imageSide, y+imageSide)
	s.Place(s.x.crop, box)
	s.under(box, "as the model sees it")
	box = box.Add(image.Pt(imageSide+sheetGap, 0))
	s.Place(signed(s.x, s.x.Places.Parts, s.mapLimit).Over(s.x.crop), box)
	s.under(box, "what each place adds to the logit")

	at := image.Pt(box.Max.X+2*sheetGap, y)
	room := sheetWidth - sheetMargin - at.X
	s.Text(s.bold, at, "classes", canvas.Ink)
	s.right(s.bold, at, room-130, "logit")
	s.right(s.bold, at, room, "probability")
	at.Y += s.bold.Height() + 6
	shown := s.x.shownClasses(5)
	for _, c := range shown {
		font := s.text
		if c.Name == s.x.Class || c.Name == s.x.Versus {
			font = s.bold
		}
		s.Text(font, at, font.Cut(c.Name, room-240), canvas.Ink)
		s.right(font, at, room-130, fmt.Sprintf("%.2f", c.Logit))
		s.right(font, at, room, fmt.Sprintf("%.1f %%", 100*c.Probability))
		at.Y += font.Height() + 4
	}
	if n := len(s.x.Classes) - len(shown); n > 0 {
		s.Text(s.small, at, fmt.Sprintf("and %d more", n), canvas.Grey)
	}
	type line struct {
		name  string
		value float64
	}
	lines := []line{
		{"places of the map", s.x.Places.Sum}, {"position embedding, at no place", s.x.Places.Position},
		{"constant of the weights", s.x.Constant}, {"sum", s.x.Places.Sum + s.x.Places.Position + s.x.Constant},
	}
	if e := s.x.Elsewhere; e != nil {
		lines = []line{{"places of the map", s.x.Places.Sum}, {"class token, at no place", e.ClassToken}, {"MLPs, at no place", e.MLPs}, {"sum", s.x.Sum}}
	}
	at.Y = box.Max.Y - len(lines)*(s.text.Height()+4) - canvas.BarHeight(s.small) - s.small.Height() - 24
	s.scale(at, s.mapLimit, "logit per place; the image is unchanged at 0")
	at.Y = box.Max.Y - len(lines)*(s.text.Height()+4)
	for i, l := range lines {
		font := s.text
		if i == len(lines)-1 {
			font = s.bold
			s.Fill(image.Rect(at.X, at.Y-1, at.X+room, at.Y), canvas.Grey)
		}
		s.Text(font, at, l.name, canvas.Ink)
		s.right(font, at, room, fmt.Sprintf("%+.3f", l.value))
		at.Y += font.Height() + 4
	}
}

// shownClasses are the n classes of largest logit, the explained ones among them.
func (x *Explanation) shownClasses(n int) []ClassLogit {
	explained := func(c ClassLogit) bool { return c.Name == x.Class || c.Name == x.Versus }
	others := n
	for _, c := range x.Classes {
		if explained(c) {
			others--
		}
	}
	var shown []ClassLogit
	for _, c := range x.Classes {
		if !explained(c) {
			if others <= 0 {
				continue
			}
			others--
		}
		shown = append(shown, c)
	}
	return shown
}

// scale draws what colours mean: a bar from below zero to above, and what is measured.
func (s *sheet) scale(at image.Point, limit float64, what string) {
	s.Text(s.small, at, what, canvas.Grey)
	s.SignedBar(s.small, at.Add(image.Pt(0, s.small.Height()+6)), barWidth, fmt.Sprintf("-%.3g", limit), "0", fmt.Sprintf("+%.3g", limit))
}

// signed is a map over the places of an explanation.
func signed(x *Explanation, parts []float64, limit float64) canvas.Signed {
	values := make([]float32, len(parts))
	for i, v := range parts {
		values[i] = float32(v)
	}
	return canvas.Signed{Values: values, W: x.Places.Cols, H: x.Places.Rows, Limit: limit}
}

// under writes a line below a box.
func (s *sheet) under(box image.Rectangle, line string) {
	box.Min.Y = box.Max.Y + 6
	s.TextCentred(s.small, box, s.small.Cut(line, box.Dx()), canvas.Grey)
}

// right writes a text that ends at a distance from a point.
func (s *sheet) right(f *canvas.Font, at image.Point, end int, text string) {
	s.Text(f, at.Add(image.Pt(end-f.Width(text), 0)), text, canvas.Ink)
}

func tileRows(tiles []tile) int { return (len(tiles) + tilesInRow - 1) / tilesInRow }

// tileHeight is that of a tile with the lines below it, of which some have two.
func (s *sheet) tileHeight() int {
	return tileSide + 6 + s.bold.Height() + 2*s.small.Height() + sheetGap
}

func (s *sheet) tilesHeight(tiles []tile) int {
	if len(tiles) == 0 {
		return 0
	}
	return s.bold.Height() + 12 + tileRows(tiles)*s.tileHeight() + s.small.Height() + 6 + canvas.BarHeight(s.small) + 2*sheetGap
}

// drawHeads draws the maps of heads, drawPairs those of the strongest pairs.
func (s *sheet) drawHeads(y int) {
	s.drawTiles(y, s.heads, "Heads: what each place adds through them", "logit per place and head")
}

func (s *sheet) drawPairs(y int) {
	s.drawTiles(y, s.pairs, "The strongest pairs: what each place adds through them", "logit per place and pair")
}

func (s *sheet) drawTiles(y int, tiles []tile, heading, scale string) {
	if len(tiles) == 0 {
		return
	}
	high := 0.0
	for _, t := range tiles {
		high = math.Max(high, largest(t.places))
	}
	s.Text(s.bold, image.Pt(sheetMargin, y), heading, canvas.Ink)
	y += s.bold.Height() + 12
	step := (sheetWidth - 2*sheetMargin - tileSide) / (tilesInRow - 1)
	for i, t := range tiles {
		at := image.Pt(sheetMargin+i%tilesInRow*step, y+i/tilesInRow*s.tileHeight())
		box := image.Rectangle{at, at.Add(image.Pt(tileSide, tileSide))}
		s.Place(signed(s.x, t.places, high).Over(s.x.crop), box)
		at.Y += tileSide + 6
		s.Text(s.bold, at, t.name, canvas.Ink)
		s.right(s.bold, at, tileSide, fmt.Sprintf("%+.3f", t.part))
		at.Y += s.bold.Height()
		for _, line := range t.lines {
			s.Text(s.small, at, s.small.Cut(line, tileSide), canvas.Grey)
			at.Y += s.small.Height()
		}
	}
	y += tileRows(tiles) * s.tileHeight()
	s.scale(image.Pt(sheetMargin, y), high, scale)
}

// wordsLine has the words of a unit, with their signs.
func wordsLine(p *Part) string {
	var words []string
	for _, t := range p.Words {
		sign := "+"
		if t.Coefficient < 0 {
			sign = "-"
		}
		words = append(words, sign+t.Word)
	}
	return strings.Join(words, " ")
}
