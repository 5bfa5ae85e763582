package canvas

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"io"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// stripes is an image whose left half is black and whose right half is white.
func stripes(w, h int) Image {
	p := Image{make([]byte, 3*w*h), w, h}
	for i := range p.Pix {
		if i/3%w >= w/2 {
			p.Pix[i] = 0xff
		}
	}
	return p
}

// inked returns the smallest box around all pixels that do not have the colour ground.
func inked(c *Canvas, ground color.NRGBA) (box image.Rectangle) {
	for y := c.Bounds().Min.Y; y < c.Bounds().Max.Y; y++ {
		for x := c.Bounds().Min.X; x < c.Bounds().Max.X; x++ {
			if color.NRGBAModel.Convert(c.img.At(x, y)) != ground {
				box = box.Union(image.Rect(x, y, x+1, y+1))
			}
		}
	}
	return box
}

func TestFillAndOutline(t *testing.T) {
	c := New(20, 10, White)
	c.Fill(image.Rect(2, 3, 8, 7), Ink)
	if got, want := inked(c, White), image.Rect(2, 3, 8, 7); got != want {
		t.Errorf("filled %v, want %v", got, want)
	}
	c = New(20, 10, White)
	c.Outline(image.Rect(2, 3, 12, 9), 2, Ink)
	if got, want := inked(c, White), image.Rect(2, 3, 12, 9); got != want {
		t.Errorf("outlined %v, want %v", got, want)
	}
	if got := c.img.RGBAAt(5, 6); got != (color.RGBA{0xff, 0xff, 0xff, 0xff}) {
		t.Errorf("inside of the outline is %v", got)
	}
	c = New(20, 10, White)
	c.Outline(image.Rect(0, 0, 3, 3), 2, Ink) // nothing inside
	if got, want := inked(c, White), image.Rect(0, 0, 3, 3); got != want {
		t.Errorf("outlined %v, want %v", got, want)
	}
}

func TestFit(t *testing.T) {
	box := image.Rect(10, 10, 110, 60)
	for _, test := range []struct {
		w, h int
		want image.Rectangle
	}{
		{200, 100, image.Rect(10, 10, 110, 60)},
		{50, 50, image.Rect(35, 10, 85, 60)},
		{400, 100, image.Rect(10, 22, 110, 47)},
		{10000, 1, image.Rect(10, 34, 110, 35)},
	} {
		if got := Fit(test.w, test.h, box); got != test.want {
			t.Errorf("%dx%d: %v, want %v", test.w, test.h, got, test.want)
		}
	}
}

func TestPlace(t *testing.T) {
	for _, size := range []int{8, 40, 400} { // enlarged, as it is, shrunk
		c := New(60, 60, Ink)
		at := c.Place(stripes(size, size), image.Rect(10, 10, 50, 50))
		if at != image.Rect(10, 10, 50, 50) {
			t.Fatalf("size %d: placed at %v", size, at)
		}
		left, right := c.img.RGBAAt(13, 30), c.img.RGBAAt(46, 30)
		if left != (color.RGBA{0, 0, 0, 0xff}) || right != (color.RGBA{0xff, 0xff, 0xff, 0xff}) {
			t.Errorf("size %d: %v and %v, want black and white", size, left, right)
		}
	}
}

// A fine pattern becomes grey when shrunk; it is not sampled pixel by pixel.
func TestPlaceDoesNotAlias(t *testing.T) {
	p := Image{make([]byte, 3*300*300), 300, 300}
	for i := range p.Pix {
		if (i/3%300+i/3/300)%2 == 0 {
			p.Pix[i] = 0xff
		}
	}
	c := New(37, 37, White)
	c.Place(p, c.Bounds())
	if got := c.img.RGBAAt(18, 18).R; got < 120 || got > 135 {
		t.Errorf("a checkered pattern became %d, want about 127", got)
	}
}

func TestTextStaysInItsBox(t *testing.T) {
	for _, size := range []float64{11, 18, 31} {
		for _, f := range []*Font{NewFont(size), NewBold(size)} {
			for _, text := range []string{"Ågjpqy|ÄÖ_(", "mmm", "n00001_a_long_name_of_a_image/0007.JPEG"} {
				const margin = 20
				c := New(f.Width(text)+2*margin, f.Height()+2*margin, White)
				c.Text(f, image.Pt(margin, margin), text, Ink)
				got := inked(c, White)
				if want := c.Bounds().Inset(margin - 1); got.Empty() || !got.In(want) {
					t.Errorf("size %g: %q covers %v, want within %v", size, text, got, want)
				}
			}
		}
	}
}

func TestCut(t *testing.T) {
	f := NewFont(16)
	long := "n00017_green_butterfly_house_0123.JPEG"
	for _, width := range []int{0, 5, 16, 40, 100, 150, 1000} {
		for _, got := range []string{f.Cut(long, width), f.CutMiddle(long, width), f.Cut("ä日本"+long, width)} {
			if f.Width(got) > width || !utf8.ValidString(got) {
				t.Errorf("width %d: %q is %d wide", width, got, f.Width(got))
			}
		}
	}
	if got := f.CutMiddle(long, 1000); got != long {
		t.Errorf("cut to %q without need", got)
	}
	got := f.CutMiddle(long, 150)
	if !strings.HasPrefix(got, "n000") || !strings.HasSuffix(got, "0123.JPEG") || !strings.Contains(got, "…") {
		t.Errorf("cut to %q, want both ends", got)
	}
	if got := f.Cut(long, 150); !strings.HasPrefix(got, "n00017_gr") || !strings.HasSuffix(got, "…") {
		t.Errorf("cut to %q, want the beginning", got)
	}
	if got := f.Cut(strings.Repeat("x", 1<<20), 150); f.Width(got) > 150 {
		t.Error("a very long text was not cut")
	}
}

// Characters that the font lacks are escaped, and no others.
func TestWritten(t *testing.T) {
	f := NewFont(17)
	for text, want := range map[string]string{
		"cat, café, Кот, γάτα": "cat, café, Кот, γάτα",
		"動物/猫.jpg":             `\u52d5\u7269/\u732b.jpg`,
		"a\tb 🐈":               `a\tb \U0001f408`,
	} {
		if got := f.written(text); got != want {
			t.Errorf("%q is written %q, want %q", text, got, want)
		}
	}
	if name := "猫猫猫猫猫猫"; f.Width(f.CutMiddle(name, 100)) > 100 || f.Width(name) != f.Width(f.written(name)) {
		t.Errorf("%q: width %d and cut %d, want at most 100", name, f.Width(name), f.Width(f.CutMiddle(name, 100)))
	}
}

func TestWrap(t *testing.T) {
	f := NewFont(16)
	text := "The images of largest norm, and averyveryveryverylongwordthatfitsnowhere beside  them."
	for _, width := range []int{60, 150, 400, 2000} {
		lines := f.Wrap(text, width)
		for _, line := range lines {
			if f.Width(line) > width {
				t.Errorf("width %d: %q is %d wide", width, line, f.Width(line))
			}
		}
		if joined := strings.Join(lines, " "); width == 2000 && (len(lines) != 1 || joined != strings.Join(strings.Fields(text), " ")) {
			t.Errorf("wrapped to %q", lines)
		}
	}
	if lines := f.Wrap(text, 150); len(lines) < 3 || lines[0] != "The images of" {
		t.Errorf("wrapped to %q", lines)
	}
}

func TestHeat(t *testing.T) {
	ground := Image{bytes.Repeat([]byte{100}, 3*40*40), 40, 40}
	h := Heat{Values: []float32{0, 1, 0, 1}, W: 2, H: 2, High: 1}
	p := h.Over(ground)
	at := func(x, y int) [3]byte { return [3]byte(p.Pix[3*(y*p.W+x):]) }
	for y := 0; y < 40; y += 13 {
		if at(0, y) != at(9, y) || at(39, y) != at(31, y) {
			t.Error("the heat changes outside the outermost locations")
		}
		for x := 11; x < 30; x++ {
			if at(x, y)[1] < at(x-1, y)[1] {
				t.Errorf("green falls from %v to %v though the heat rises", at(x-1, y), at(x, y))
			}
		}
	}
	want := Heat{Values: []float32{1}, W: 1, H: 1, High: 1}.Over(ground)
	if at(39, 0) != [3]byte(want.Pix[:3]) {
		t.Errorf("the hottest is %v, want %v", at(39, 0), want.Pix[:3])
	}
	if at(0, 0) != [3]byte{100, 100, 100} {
		t.Errorf("where the heat is 0 the image became %v", at(0, 0))
	}
	flat := Heat{Values: []float32{0, 0, 0, 0}, W: 2, H: 2}.Over(ground) // no range
	cold := Heat{Values: []float32{0}, W: 1, H: 1, High: 1}.Over(ground)
	if !bytes.Equal(flat.Pix, cold.Pix) {
		t.Error("values without a range are not drawn as the lowest")
	}
}

// The colours of a heat get lighter for every kind of colour vision.
func TestColourRises(t *testing.T) {
	before := seenBy(Colour(0))
	for i := 1; i <= 100; i++ {
		now := seenBy(Colour(float64(i) / 100))
		for eyes := range now {
			if now[eyes][0] <= before[eyes][0] {
				t.Errorf("vision %d: no lighter at %d %% than before", eyes, i)
			}
		}
		before = now
	}
	if Colour(-1) != Colour(0) || Colour(2) != Colour(1) {
		t.Error("shares outside 0 to 1 are not clamped")
	}
}

func TestPaletteIsDistinct(t *testing.T) {
	// The smallest distance between two colours, for the vision that sees least of it.
	// Side by side, differences of 0.02 and more are visible.
	for n, least := range map[int]float64{7: 0.075, 21: 0.06, 60: 0.035, 171: 0.015} {
		colours := around(nil, n)
		if len(colours) != n {
			t.Fatalf("%d colours, want %d", len(colours), n)
		}
		nearest := 1.0
		for i, c := range colours {
			a := seenBy(c)
			for _, d := range colours[:i] {
				b := seenBy(d)
				nearest = min(nearest, a.distance(&b))
			}
		}
		if nearest < least {
			t.Errorf("two of %d colours are %.4f apart, want at least %g", n, nearest, least)
		}
	}
}

func TestPaletteBegins(t *testing.T) {
	if !slices.Equal(around(nil, 171)[:30], around(nil, 30)) || !slices.Equal(around(nil, 30)[:7], okabeIto[:]) || len(around(nil, 0)) != 0 {
		t.Error("a shorter palette is not the beginning of a longer one")
	}
}

func TestLegendFits(t *testing.T) {
	f := NewFont(16)
	var entries []Entry
	for i, colour := range around(nil, 60) {
		entries = append(entries, Entry{colour, []string{"sky", "potted plant", "keyboard of a very large computer that nobody has seen yet"}[i%3]})
	}
	for _, width := range []int{30, 200, 700, 2000} {
		l := NewLegend(f, entries, width)
		c := New(width+40, l.Height()+40, White)
		c.Legend(l, image.Pt(20, 20))
		if got, want := inked(c, White), image.Rect(20, 20, 20+width, 20+l.Height()); !got.In(want) || got.Dy() < l.Height()-2 {
			t.Errorf("width %d: the legend covers %v, want %v", width, got, want)
		}
	}
	if l := NewLegend(f, nil, 100); l.Height() != 0 {
		t.Error("a legend without entries has a height")
	}
}

// drawing uses every kind of element once.
func drawing() *Canvas {
	c := New(300, 200, Shaded)
	f := NewFont(15)
	c.Place(Heat{Values: []float32{0, 1, 2, 3}, W: 2, H: 2, High: 3}.Over(stripes(90, 60)), image.Rect(10, 10, 100, 100))
	c.TextCentred(NewBold(20), image.Rect(100, 10, 300, 40), "n624", Ink)
	c.Bar(f, image.Pt(110, 60), 150, "0", "0.25")
	c.Legend(NewLegend(f, []Entry{{around(nil, 1)[0], "sky"}}, 200), image.Pt(110, 120))
	return c
}

func TestSameBytes(t *testing.T) {
	var first, second bytes.Buffer
	for _, b := range []*bytes.Buffer{&first, &second} {
		if err := drawing().WritePNG(b, "clipnh"); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("the same drawing gave different bytes")
	}
}

func TestWritePNG(t *testing.T) {
	p := stripes(5, 3)
	var b bytes.Buffer
	if err := p.WritePNG(&b, "clipnh retrieve"); err != nil {
		t.Fatal(err)
	}
	if got, err := Maker(bytes.NewReader(b.Bytes())); got != "clipnh retrieve" || err != nil {
		t.Errorf("made by %q, %v", got, err)
	}
	m, err := png.Decode(&b)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 15 {
		want := color.RGBA{p.Pix[3*i], p.Pix[3*i+1], p.Pix[3*i+2], 0xff}
		if got := color.RGBAModel.Convert(m.At(i%5, i/5)); got != want {
			t.Errorf("pixel %d is %v, want %v", i, got, want)
		}
	}
}

func TestMakerOfOthers(t *testing.T) {
	var plain, ours bytes.Buffer
	if err := png.Encode(&plain, image.NewGray(image.Rect(0, 0, 2, 2))); err != nil {
		t.Fatal(err)
	}
	if err := stripes(2, 2).WritePNG(&ours, "x"); err != nil {
		t.Fatal(err)
	}
	for name, file := range map[string][]byte{
		"empty": nil, "text": []byte("hello"), "another program's": plain.Bytes(),
		"truncated in the name": ours.Bytes()[:headerSize+4+4+5], "truncated before it": ours.Bytes()[:headerSize],
	} {
		if got, err := Maker(bytes.NewReader(file)); got != "" || err != nil {
			t.Errorf("%s: made by %q, %v, want no maker", name, got, err)
		}
	}
	if _, err := Maker(failing{}); err == nil {
		t.Error("a file that cannot be read has a maker, want an error")
	}
}

func FuzzMaker(f *testing.F) {
	var ours bytes.Buffer
	if err := stripes(2, 2).WritePNG(&ours, "x"); err != nil {
		f.Fatal(err)
	}
	f.Add(ours.Bytes())
	f.Add(ours.Bytes()[:headerSize+6])
	f.Add([]byte(signature))
	f.Fuzz(func(t *testing.T, file []byte) {
		maker, err := Maker(bytes.NewReader(file))
		if err != nil || len(maker) > maxMaker || !bytes.Contains(file, []byte(maker)) {
			t.Errorf("made by %q, %v", maker, err)
		}
	})
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrClosedPipe }
