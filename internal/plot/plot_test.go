package plot

import (
	"bytes"
	"encoding/xml"
	"image"
	"image/color"
	"image/png"
	"io"
	"math"
	"strings"
	"testing"
)

func sample() Figure {
	return Figure{
		Title: "Mean-ablation", X: "percentile (%)", Y: "top-1 accuracy (%)", YRange: [2]float64{0, 100},
		Curves: []Curve{
			{"pairs", []float64{0, 50, 80, 90, 95}, []float64{70, 69, 65, 52, 31}},
			{"neurons", []float64{0, 50, 80, 90, 95}, []float64{70, 60, 45, 20, 4}},
		},
		Level: Level{"untouched", 70},
	}
}

func TestWritePNG(t *testing.T) {
	var first, second bytes.Buffer
	for _, b := range []*bytes.Buffer{&first, &second} {
		if err := Write(b, sample(), PNG); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("the same figure gave different bytes")
	}
	m, err := png.Decode(&first)
	if err != nil {
		t.Fatal(err)
	}
	if m.Bounds().Dx() < 600 || m.Bounds().Dy() < 400 {
		t.Errorf("image of %v", m.Bounds())
	}
	for i := range sample().Curves {
		if n := count(m, styles[i].colour); n < 200 {
			t.Errorf("curve %d: %d pixels of its colour", i, n)
		}
	}
}

// count returns how many pixels of an image have a colour.
func count(m image.Image, c color.Color) int {
	n := 0
	r, g, b, _ := c.RGBA()
	for y := range m.Bounds().Dy() {
		for x := range m.Bounds().Dx() {
			if r2, g2, b2, _ := m.At(x, y).RGBA(); r == r2 && g == g2 && b == b2 {
				n++
			}
		}
	}
	return n
}

func TestWriteSVG(t *testing.T) {
	var b bytes.Buffer
	if err := Write(&b, sample(), SVG); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	for _, want := range []string{"pairs", "neurons", "untouched", "percentile (%)", "#0072B2", "#D55E00"} {
		if !strings.Contains(text, want) {
			t.Errorf("the drawing lacks %q", want)
		}
	}
	for d := xml.NewDecoder(&b); ; {
		if _, err := d.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// TestOnePoint checks that a curve of one percentile can be drawn.
func TestOnePoint(t *testing.T) {
	f := sample()
	f.Curves = []Curve{{"pairs", []float64{90}, []float64{52}}}
	for _, level := range []Level{f.Level, {}} {
		f.Level = level
		if err := Write(io.Discard, f, PNG); err != nil {
			t.Error(err)
		}
	}
}

func TestWriteRefuses(t *testing.T) {
	for name, c := range map[string]Curve{"no points": {Name: "none"}, "NaN": {"bad", []float64{1}, []float64{math.NaN()}}} {
		f := sample()
		f.Curves = append(f.Curves, c)
		if err := Write(io.Discard, f, SVG); err == nil || !strings.Contains(err.Error(), c.Name) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestFormatOf(t *testing.T) {
	for path, want := range map[string]Format{"a.png": PNG, "b/c.SVG": SVG, "a.pdf": "", "png": "", "": ""} {
		got, err := FormatOf(path)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%q: %q, %v; want %q", path, got, err, want)
		}
	}
}

func TestRoundTicks(t *testing.T) {
	for _, test := range []struct {
		low, high float64
		want      string
	}{
		{0, 99, "0 20 40 60 80"}, {0, 100, "0 20 40 60 80 100"}, {80, 99, "80 85 90 95"}, {0, 1, "0 0.2 0.4 0.6 0.8 1"},
		{-3, 7, "-2 0 2 4 6"}, {0.13, 0.17, "0.13 0.14 0.15 0.16 0.17"},
		{1990.5, 2012.5, "1995 2000 2005 2010"}, {-0.5, 4, "0 1 2 3 4"},
	} {
		var labels []string
		for _, tick := range (roundTicks{}).Ticks(test.low, test.high) {
			labels = append(labels, tick.Label)
		}
		if got := strings.Join(labels, " "); got != test.want {
			t.Errorf("%g to %g: %s, want %s", test.low, test.high, got, test.want)
		}
	}
}

// TestCounts draws counts from 0 on apart from each other, and a mark.
func TestCounts(t *testing.T) {
	f := sample()
	f.Level, f.Counts = Level{}, true
	f.Curves[0].X, f.Curves[0].Y = []float64{0, 1, 1000}, []float64{1, 2, 3}
	f.Curves = f.Curves[:1]
	var plain, marked bytes.Buffer
	if err := Write(&plain, f, SVG); err != nil {
		t.Fatal(err)
	}
	f.Mark = Mark{"chosen: 1", 1}
	if err := Write(&marked, f, SVG); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(plain.String(), ">1000<") || strings.Contains(plain.String(), "chosen") || !strings.Contains(marked.String(), "chosen: 1") {
		t.Error("no tick at 1000, or no mark where one is wanted")
	}
	s := log1pScale{}
	if zero, one, last := s.Normalize(0, 1000, 0), s.Normalize(0, 1000, 1), s.Normalize(0, 1000, 1000); zero != 0 || one < 0.1 || last != 1 {
		t.Errorf("0, 1 and 1000 are at %g, %g and %g", zero, one, last)
	}
	f.Curves[0].X[0] = -1
	if err := Write(&plain, f, SVG); err == nil || !strings.Contains(err.Error(), "a count of -1") {
		t.Errorf("a negative count: %v", err)
	}
}
