package heat

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/testutil"
)

// pixels is a field of one row whose logits are given, [P,n].
func pixels(logits ...[]float32) *Field {
	f := &Field{Queries: len(logits), Rows: 1, Cols: len(logits[0])}
	for _, row := range logits {
		f.planes = append(f.planes, row...)
	}
	return f
}

func TestLabelRules(t *testing.T) {
	ln := func(v float64) float32 { return float32(math.Log(v)) }
	// Probabilities of three queries at five pixels.
	f := pixels(
		[]float32{ln(.5), ln(.2), ln(.1), ln(.4), ln(.3)},
		[]float32{ln(.3), ln(.5), ln(.3), ln(.2), ln(.3)},
		[]float32{ln(.2), ln(.3), ln(.6), ln(.4), ln(.4)},
	)
	for _, c := range []struct {
		name string
		o    LabelOptions
		want []uint16
	}{
		{"largest, and the lower class of equal ones", LabelOptions{Class: []int{0, 1, 2}}, []uint16{0, 1, 2, 0, 2}},
		{"the class with the best word", LabelOptions{Class: []int{0, 1, 0}}, []uint16{0, 1, 0, 0, 0}},
		{"the lower class even if its word comes later", LabelOptions{Class: []int{1, 1, 0}}, []uint16{1, 1, 0, 0, 0}},
		{"unlikely ones become class 0", LabelOptions{Class: []int{0, 1, 2}, ProbThd: .55}, []uint16{0, 0, 2, 0, 0}},
		// Of the three pixels that are not of class 0, class 1 has a third.
		{"a small class gives way to the next", LabelOptions{Class: []int{0, 1, 2}, AreaThd: .34}, []uint16{0, 2, 2, 0, 2}},
		{"just large enough", LabelOptions{Class: []int{0, 1, 2}, AreaThd: .33}, []uint16{0, 1, 2, 0, 2}},
		{"all gone", LabelOptions{Class: []int{0, 1, 2}, AreaThd: .7}, []uint16{0, 0, 0, 0, 0}},
		{"area first, then likelihood", LabelOptions{Class: []int{0, 1, 2}, AreaThd: .34, ProbThd: .35}, []uint16{0, 0, 2, 0, 2}},
	} {
		c.o.LogitScale = 1
		got := make([]uint16, 5)
		f.Labels(got, c.o, par.NewTeam(2))
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// TestConfusion has counts and scores that were worked out by hand.
func TestConfusion(t *testing.T) {
	c := NewConfusion(4)
	c.Add([]uint16{0, 0, 1, 1, 2, 0}, []uint16{0, 0, 0, 1, 1, 65535})
	c.Add([]uint16{1, 2, 0}, []uint16{1, 1, 255})
	if want := []int64{2, 1, 0, 0, 0, 2, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0}; !slices.Equal(c.Counts, want) {
		t.Errorf("counts %v, want %v", c.Counts, want)
	}
	s := c.Scores()
	// Class 0: 2 of 3. Class 1: 2 right, 4 true, 3 given. Class 2 is given twice
	// without being there; class 3 neither occurs nor is given.
	nan := math.NaN()
	for _, m := range []struct {
		what      string
		got, want []float64
	}{
		{"IoU", s.IoU, []float64{2. / 3, 2. / 5, 0, nan}},
		{"accuracy", s.Accuracy, []float64{2. / 3, 1. / 2, nan, nan}},
		{"means", []float64{s.MIoU, s.MeanAccuracy, s.PixelAccuracy}, []float64{(2./3 + 2./5) / 3, (2./3 + 1./2) / 2, 4. / 7}},
	} {
		for i, want := range m.want {
			if got := m.got[i]; math.IsNaN(want) != math.IsNaN(got) || math.Abs(got-want) > 1e-15 {
				t.Errorf("%s %d: %v, want %v", m.what, i, got, want)
			}
		}
	}
	if s := NewConfusion(2).Scores(); !math.IsNaN(s.MIoU) || !math.IsNaN(s.PixelAccuracy) {
		t.Errorf("nothing counted: %+v, want NaN", s)
	}
}

// TestPAMR compares a refinement with its definition, pixel by pixel.
func TestPAMR(t *testing.T) {
	const rows, cols, steps = 9, 7, 3
	r := rand.New(rand.NewPCG(5, 6))
	pix := make([]byte, 3*rows*cols)
	for i := range pix {
		pix[i] = byte(r.IntN(256))
	}
	copy(pix[3*cols:], make([]byte, 9*cols)) // three rows of one colour
	f := &Field{Queries: 2, Rows: rows, Cols: cols, planes: random(r, 2*rows*cols)}
	want := slices.Clone(f.planes)
	p := PAMR{Steps: steps, Dilations: []int{1, 4}}
	inside := func(y, x int) int { return min(max(y, 0), rows-1)*cols + min(max(x, 0), cols-1) }
	for q := range 2 {
		plane := want[q*rows*cols:][:rows*cols]
		for range steps {
			before := slices.Clone(plane)
			for y := range rows {
				for x := range cols {
					var around []int
					for _, d := range p.Dilations {
						for i := range 9 {
							if i != 4 {
								around = append(around, inside(y+d*(i/3-1), x+d*(i%3-1)))
							}
						}
					}
					like := make([]float64, len(around))
					for c := range 3 {
						values := []float64{float64(pix[3*(y*cols+x)+c])}
						for _, at := range around {
							values = append(values, float64(pix[3*at+c]))
						}
						for range p.Dilations[1:] { // the pixel counts with each of them
							values = append(values, values[0])
						}
						mean, variance := 0.0, 0.0
						for _, v := range values {
							mean += v / float64(len(values))
						}
						for _, v := range values {
							variance += (v - mean) * (v - mean) / float64(len(values)-1)
						}
						for i, v := range values[1 : 1+len(around)] {
							like[i] -= math.Abs(v-values[0]) / (0.1*math.Sqrt(variance) + 1e-9) / 3
						}
					}
					sum, weight := 0.0, 0.0
					for i, at := range around {
						sum += math.Exp(like[i]) * float64(before[at])
						weight += math.Exp(like[i])
					}
					plane[y*cols+x] = float32(sum / weight)
				}
			}
		}
	}
	p.Refine(f, pix, par.NewTeam(2))
	if err := testutil.Far(f.planes, want, 1e-4); err != nil {
		t.Error(err)
	}
}

// Probabilities are the softmax of all queries' scaled logits, of a class the largest of its
// queries', row by row; the most probable class is the label.
func TestProbabilities(t *testing.T) {
	const P, rows, cols, scale = 3, 37, 21, 2.5
	r := rand.New(rand.NewPCG(5, 6))
	down, across := NewAxis(70, 64, 32, 32, false), NewAxis(64, 64, 32, 32, false)
	f := NewField(P, down, across, rows, cols)
	for i := range down.Starts {
		f.Set(i, 0, 2, 2, random(r, P*4))
	}
	o := LabelOptions{Class: []int{0, 1, 0}, LogitScale: scale}
	logits, labels := f.Logits(par.NewTeam(2)), make([]uint16, rows*cols)
	f.Labels(labels, o, par.NewTeam(2))
	var got []float32
	if err := f.Probabilities(o, func(row []float32) error { got = append(got, row...); return nil }); err != nil {
		t.Fatal(err)
	}
	want := make([]float32, rows*cols*2)
	for i := range rows * cols {
		total := 0.0
		for p := range P {
			total += math.Exp(scale * float64(logits[p*rows*cols+i]))
		}
		for p, class := range o.Class {
			at := i*2 + class
			want[at] = max(want[at], float32(math.Exp(scale*float64(logits[p*rows*cols+i]))/total))
		}
		if best := got[2*i+1] > got[2*i]; best != (labels[i] == 1) {
			t.Errorf("pixel %d: probabilities %v, label %d", i, got[2*i:2*i+2], labels[i])
		}
	}
	if err := testutil.Far(got, want, 1e-5); err != nil {
		t.Error(err)
	}
}
