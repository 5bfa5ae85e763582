package plot

import (
	"errors"
	"fmt"
	"io"
	"math"

	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

// A Histogram overlays the distributions of several samples, in common bins of
// equal width. Heights are percent of the sample, so that samples of different
// sizes can be compared.
type Histogram struct {
	Title, X string
	Samples  []Sample
	Bins     int
}

// A Sample is a named set of values.
type Sample struct {
	Name   string
	Values []float64
}

// WriteHistogram draws h to w. It returns an error if there is no sample or bin,
// or a sample is empty or contains NaN or infinite values.
func WriteHistogram(w io.Writer, h Histogram, format Format) error {
	low, high := math.Inf(1), math.Inf(-1)
	for _, s := range h.Samples {
		if len(s.Values) == 0 {
			return fmt.Errorf("draw %s: no values", s.Name)
		}
		for _, x := range s.Values {
			if x-x != 0 {
				return fmt.Errorf("draw %s: value %g, want a finite number", s.Name, x)
			}
			low, high = min(low, x), max(high, x)
		}
	}
	if len(h.Samples) == 0 || h.Bins < 1 {
		return errors.New("draw histogram: nothing to draw")
	}
	if low == high {
		low, high = low-0.5, high+0.5
	}
	p := frame(h.Title, h.X, "share (%)")
	p.Legend.Top, p.Legend.YOffs = true, vg.Points(-6)
	for i, s := range h.Samples {
		line, err := plotter.NewLine(outline(shares(s.Values, low, high, h.Bins), low, high))
		if err != nil {
			return fmt.Errorf("draw %s: %w", s.Name, err)
		}
		style := styles[i%len(styles)]
		fill := style.colour
		fill.A = 0x40 // the samples behind show through
		line.Color, line.Width, line.Dashes, line.FillColor = style.colour, vg.Points(1.5), style.dashes, fill
		p.Add(line)
		p.Legend.Add(s.Name, line)
	}
	p.Y.Min = 0
	return encode(w, p, format)
}

// shares returns the percentage of values in each of n bins from low to high. The
// last bin includes its upper end.
func shares(values []float64, low, high float64, n int) []float64 {
	share := make([]float64, n)
	for _, x := range values {
		share[min(int(float64(n)*(x-low)/(high-low)), n-1)] += 100 / float64(len(values))
	}
	return share
}

// outline traces the tops and sides of the bars, starting and ending at zero.
func outline(bars []float64, low, high float64) plotter.XYs {
	at := func(i int) float64 { return low + (high-low)*float64(i)/float64(len(bars)) }
	line := plotter.XYs{{X: low}}
	for i, y := range bars {
		line = append(line, plotter.XY{X: at(i), Y: y}, plotter.XY{X: at(i + 1), Y: y})
	}
	return append(line, plotter.XY{X: high})
}
