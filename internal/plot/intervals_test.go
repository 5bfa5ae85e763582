package plot

import (
	"bytes"
	"image/png"
	"math"
	"strings"
	"testing"
)

// Every row is named, in order; the same figure has the same bytes.
func TestIntervals(t *testing.T) {
	f := Intervals{Title: "What differs", X: "change", Rows: []Interval{
		{"yellow", 1.5, &[2]float64{1, 2}, true}, {"grass", -0.25, nil, false}, {"sky", 0, &[2]float64{-1, 1}, false},
	}}
	var a, b bytes.Buffer
	if err := WriteIntervals(&a, f, SVG); err != nil {
		t.Fatal(err)
	}
	if err := WriteIntervals(&b, f, SVG); err != nil || !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Errorf("other bytes, %v", err)
	}
	for _, name := range []string{"What differs", "change", "yellow", "grass", "sky"} {
		if !strings.Contains(a.String(), ">"+name+"<") {
			t.Errorf("no %q in the figure", name)
		}
	}
	b.Reset()
	f.Rows[0].Name = strings.Repeat("é", 40)
	if err := WriteIntervals(&b, f, SVG); err != nil || !strings.Contains(b.String(), ">"+strings.Repeat("é", 27)+"…<") {
		t.Errorf("a long name is not cut, %v", err)
	}
	b.Reset()
	if err := WriteIntervals(&b, Intervals{Title: "zeros", Rows: []Interval{{Name: "sky"}}}, PNG); err != nil {
		t.Error(err)
	}
	for name, rows := range map[string][]Interval{"no rows": nil, "NaN": {{Name: "NaN", At: math.NaN()}}, "+Inf": {{Name: "x", Ends: &[2]float64{0, math.Inf(1)}}}} {
		if err := WriteIntervals(&b, Intervals{Title: "none", Rows: rows}, PNG); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The ends of the widest interval are away from the edges of the figure.
func TestIntervalsHaveRoom(t *testing.T) {
	var b bytes.Buffer
	if err := WriteIntervals(&b, Intervals{Title: "room", Rows: []Interval{{Name: "sky", Ends: &[2]float64{-1, 1}}, {Name: "sea", Ends: &[2]float64{-0.5, 0.5}}}}, PNG); err != nil {
		t.Fatal(err)
	}
	m, err := png.Decode(&b)
	if err != nil {
		t.Fatal(err)
	}
	right := 0
	for y := range m.Bounds().Dy() {
		for x := range m.Bounds().Dx() {
			if r, g, b, _ := m.At(x, y).RGBA(); [3]uint32{r >> 8, g >> 8, b >> 8} == [3]uint32{uint32(styles[0].colour.R), uint32(styles[0].colour.G), uint32(styles[0].colour.B)} {
				right = max(right, x)
			}
		}
	}
	if edge := m.Bounds().Dx() - right; right == 0 || edge < 45 {
		t.Errorf("an interval ends at %d of %d pixels", right, m.Bounds().Dx())
	}
}
