package plot

import (
	"bytes"
	"encoding/xml"
	"image/png"
	"io"
	"math"
	"strings"
	"testing"
)

func samplePanels() Panels {
	return Panels{
		Title: "Two concepts over the years", X: "year", Caption: []string{"what a ratio is"}, NoteMeaning: "small figures: images of a year with fewer than 10",
		At: []float64{1991, 1995, 2001, 2012},
		Panels: []Panel{
			{Title: "yellow: r = 0.92, n = 600", Y: "mean ratio", Values: []float64{0.05, 0.06, 0.11, 0.09}, Notes: []string{"", "3", "", ""}},
			{Y: "true share (%)", Style: 1, Values: []float64{2, 10, 40, 31}},
			{Title: "convertible", Y: "mean ratio", Values: []float64{0.2, math.NaN(), 0.2, 0.25}},
		},
	}
}

func TestWritePanels(t *testing.T) {
	for name, change := range map[string]func(*Panels){
		"years": func(*Panels) {},
		"names": func(p *Panels) {
			p.At, p.Names = []float64{0, 1, 2, 3}, []string{"a", "b", "a very long name indeed", "d"}
		},
	} {
		f := samplePanels()
		change(&f)
		var first, again, svg bytes.Buffer
		for _, b := range []*bytes.Buffer{&first, &again} {
			if err := WritePanels(b, f, PNG); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if !bytes.Equal(first.Bytes(), again.Bytes()) {
			t.Errorf("%s: the same figure gives different bytes", name)
		}
		m, err := png.Decode(&first)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 2 {
			if n := count(m, styles[i].colour); n < 200 {
				t.Errorf("%s: curve %d: %d pixels of its colour", name, i, n)
			}
		}
		if err := WritePanels(&svg, f, SVG); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"mean ratio", "true share (%)", "yellow: r = 0.92, n = 600", "year", "what a ratio is", ">3<", ">0<"} {
			if !strings.Contains(svg.String(), want) {
				t.Errorf("%s: the drawing lacks %q", name, want)
			}
		}
		for d := xml.NewDecoder(&svg); ; {
			if _, err := d.Token(); err == io.EOF {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestWritePanelsRefuses(t *testing.T) {
	for want, change := range map[string]func(*Panels){
		"nothing to draw": func(p *Panels) { p.Panels = nil },
		"no points":       func(p *Panels) { p.Panels[0].Values = []float64{math.NaN(), math.NaN(), math.NaN(), math.NaN()} },
		"finite":          func(p *Panels) { p.Panels[1].Values[1] = math.Inf(1) },
	} {
		f := samplePanels()
		change(&f)
		if err := WritePanels(io.Discard, f, PNG); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

// Years have no halves, however few there are.
func TestWholeTicks(t *testing.T) {
	for _, test := range []struct {
		low, high float64
		whole     bool
		want      string
	}{
		{1999.5, 2002.5, true, "2000 2001 2002"},
		{1999.5, 2002.5, false, "1999.5 2000 2000.5 2001 2001.5 2002 2002.5"},
		{1990, 2013, true, "1990 1995 2000 2005 2010"},
		{1999.5, 2000.5, true, "2000"},
	} {
		var labels []string
		for _, tick := range (roundTicks{test.whole}).Ticks(test.low, test.high) {
			labels = append(labels, tick.Label)
		}
		if got := strings.Join(labels, " "); got != test.want {
			t.Errorf("%g to %g, whole %v: %s, want %s", test.low, test.high, test.whole, got, test.want)
		}
	}
	f := samplePanels()
	f.At = []float64{2000, 2001, 2002, 2003}
	var svg bytes.Buffer
	if err := WritePanels(&svg, f, SVG); err != nil || strings.Contains(svg.String(), ">2000.5<") || !strings.Contains(svg.String(), ">2001<") {
		t.Errorf("ticks of four years: %v", err)
	}
}
