package plot

import (
	"bytes"
	"image/png"
	"math"
	"slices"
	"strings"
	"testing"
)

func TestShares(t *testing.T) {
	got := shares([]float64{0, 0.1, 0.5, 1}, 0, 1, 4)
	if want := []float64{50, 0, 25, 25}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestWriteHistogram(t *testing.T) {
	h := Histogram{Title: "spread", X: "inertia", Bins: 10, Samples: []Sample{
		{"pairs", []float64{0.1, 0.2, 0.2, 0.9}}, {"neurons", []float64{0.5, 0.6}},
	}}
	var first, again, svg bytes.Buffer
	for _, b := range []*bytes.Buffer{&first, &again} {
		if err := WriteHistogram(b, h, PNG); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(first.Bytes(), again.Bytes()) {
		t.Error("the same histogram gives different bytes")
	}
	if _, err := png.Decode(&first); err != nil {
		t.Error(err)
	}
	if err := WriteHistogram(&svg, h, SVG); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"pairs", "neurons", "spread", "inertia"} {
		if !strings.Contains(svg.String(), want) {
			t.Errorf("the figure lacks %q", want)
		}
	}
}

func TestWriteHistogramRefuses(t *testing.T) {
	for want, samples := range map[string][]Sample{
		"nothing":   nil,
		"no values": {{"empty", nil}},
		"finite":    {{"bad", []float64{1, math.NaN()}}},
	} {
		err := WriteHistogram(new(bytes.Buffer), Histogram{Samples: samples, Bins: 3}, PNG)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	constant := Histogram{Samples: []Sample{{"constant", []float64{2, 2}}}, Bins: 3}
	if err := WriteHistogram(new(bytes.Buffer), constant, SVG); err != nil {
		t.Errorf("equal values: %v", err)
	}
}
