package canvas

import (
	"image"
	"image/color"
	"strconv"
	"strings"
	"sync"

	"codeberg.org/go-fonts/liberation/liberationsansbold"
	"codeberg.org/go-fonts/liberation/liberationsansregular"
	"golang.org/x/image/font"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"
)

// A Font is Liberation Sans in one size. It is not safe for concurrent use.
type Font struct {
	typeface *opentype.Font
	face     font.Face
	metrics  font.Metrics
	buffer   sfnt.Buffer
}

var regular, bold = parsed(liberationsansregular.TTF), parsed(liberationsansbold.TTF)

func parsed(ttf []byte) func() *opentype.Font {
	return sync.OnceValue(func() *opentype.Font {
		f, err := opentype.Parse(ttf)
		if err != nil {
			panic("canvas: " + err.Error()) // the font is embedded in the program
		}
		return f
	})
}

// NewFont returns the regular font; size is in pixels per em.
func NewFont(size float64) *Font { return newFont(regular(), size) }

// NewBold returns the bold font; size is in pixels per em.
func NewBold(size float64) *Font { return newFont(bold(), size) }

func newFont(typeface *opentype.Font, size float64) *Font {
	face, err := opentype.NewFace(typeface, &opentype.FaceOptions{Size: size, DPI: 72, Hinting: font.HintingNone})
	if err != nil {
		panic("canvas: " + err.Error())
	}
	return &Font{typeface: typeface, face: face, metrics: face.Metrics()}
}

// written is a text as it is drawn: characters that the font lacks, such as Chinese ones,
// are escaped, \u732b, so that names stay apart.
func (f *Font) written(text string) string {
	var b strings.Builder
	for _, r := range text {
		if glyph, err := f.typeface.GlyphIndex(&f.buffer, r); err == nil && glyph != 0 {
			b.WriteRune(r)
			continue
		}
		b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
	}
	return b.String()
}

// Height returns the height of a line in pixels, from the top of the highest letter
// to the bottom of the lowest.
func (f *Font) Height() int { return f.metrics.Ascent.Ceil() + f.metrics.Descent.Ceil() }

// Width returns the width of a text in pixels, rounded up.
func (f *Font) Width(text string) int { return font.MeasureString(f.face, f.written(text)).Ceil() }

// Text draws a line of text with its upper left corner at a point.
func (c *Canvas) Text(f *Font, at image.Point, text string, with color.NRGBA) {
	d := font.Drawer{
		Dst: c.img, Src: image.NewUniform(with), Face: f.face,
		Dot: fixed.Point26_6{X: fixed.I(at.X), Y: fixed.I(at.Y + f.metrics.Ascent.Ceil())},
	}
	d.DrawString(f.written(text))
}

// TextCentred draws a line of text at the top of a box, horizontally centred.
func (c *Canvas) TextCentred(f *Font, box image.Rectangle, text string, with color.NRGBA) {
	c.Text(f, image.Pt(box.Min.X+(box.Dx()-f.Width(text))/2, box.Min.Y), text, with)
}

// ellipsis replaces the omitted part of a text.
const ellipsis = "…"

// Cut returns text, truncated at the end if it is wider than width pixels.
func (f *Font) Cut(text string, width int) string {
	return f.shorten(text, width, func(letters []rune, keep int) string {
		return string(letters[:keep]) + ellipsis
	})
}

// CutMiddle is Cut for names that differ towards their ends, such as file names: it
// omits the middle, and keeps twice as much of the end as of the beginning.
func (f *Font) CutMiddle(text string, width int) string {
	return f.shorten(text, width, func(letters []rune, keep int) string {
		begin := keep / 3
		return string(letters[:begin]) + ellipsis + string(letters[len(letters)-keep+begin:])
	})
}

// Wrap breaks a text at white space into lines of at most width pixels. Longer words
// are truncated.
func (f *Font) Wrap(text string, width int) []string {
	var lines []string
	for _, word := range strings.Fields(text) {
		if last := len(lines) - 1; last >= 0 && f.Width(lines[last]+" "+word) <= width {
			lines[last] += " " + word
		} else {
			lines = append(lines, f.Cut(word, width))
		}
	}
	return lines
}

// shorten returns the longest text of keeping that fits into width, or the empty
// string if not even the ellipsis fits.
func (f *Font) shorten(text string, width int, keeping func(letters []rune, keep int) string) string {
	const maxLetters = 1 << 10 // more than fits into any line; bounds the time
	letters := []rune(text)
	if len(letters) <= maxLetters && f.Width(text) <= width {
		return text
	}
	for keep := min(len(letters)-1, maxLetters); keep >= 0; keep-- {
		if short := keeping(letters, keep); f.Width(short) <= width {
			return short
		}
	}
	return ""
}
