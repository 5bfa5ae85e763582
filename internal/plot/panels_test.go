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
