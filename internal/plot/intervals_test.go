package plot

import (
	"bytes"
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
