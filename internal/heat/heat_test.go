package heat

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/testutil"
)

func random(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

func TestCentre(t *testing.T) {
	text := []float32{1, 0, 0, 1, 1, 1}
	if err := Centre(text, 2); err != nil {
		t.Fatal(err)
	}
	// The mean is (2/3,2/3): rows are (1,-2), (-2,1) and (1,1), all over 3.
	five, two := float32(math.Sqrt(5)), float32(math.Sqrt2)
	if err := testutil.Far(text, []float32{1 / five, -2 / five, -2 / five, 1 / five, 1 / two, 1 / two}, 1e-6); err != nil {
		t.Error(err)
	}
	for _, alike := range [][]float32{{1, 2}, {0.1, 0.7, 0.1, 0.7, 0.1, 0.7}} {
		if err := Centre(alike, 2); err == nil || !strings.Contains(err.Error(), "query 0") {
			t.Errorf("texts that are alike: error %v", err)
		}
	}
}

// TestBest breaks ties by number and orders all kinds of scores.
func TestBest(t *testing.T) {
	c := NewChoice([]float32{1}, 1, 7)
	c.Add(0, []float32{-1, 2, float32(math.Copysign(0, -1)), 2, 0, -3, 1e-30}, par.Team{})
	want := []int32{1, 3, 6, 2, 4, 0, 5}
	for k := 1; k <= len(want); k++ {
		if got := c.Best(k, par.NewTeam(2)).Index; !slices.Equal(got, want[:k]) {
			t.Errorf("k %d: %v, want %v", k, got, want[:k])
		}
	}
}

// TestHeat compares the three methods that use pairs with their definitions,
// pair by pair and in float64, on windows of several shapes.
func TestHeat(t *testing.T) {
	const H, C, O, P, K = 3, 12, 7, 5, 9
	const D = C / H
	r := rand.New(rand.NewPCG(1, 2))
	value, valueBias, out, outBias := random(r, C*C), random(r, C), random(r, O*C), random(r, O)
	ov := decomp.NewOV(H, value, valueBias, out, outBias)
	text := random(r, P*O)
	if err := Centre(text, O); err != nil {
		t.Fatal(err)
	}
	choice := NewChoice(text, O, H*C)
	choice.Add(0, random(r, H*C*O), par.Team{})
	pairs := choice.Best(K, par.Team{})
	for _, sink := range []bool{true, false} {
		heat := NewMapper(ov, text, pairs, Options{Methods: allMethods[:3], Sink: sink}, par.NewTeam(2))
		for _, shape := range [][2]int{{2, 2}, {3, 4}, {1, 5}, {4, 1}, {1, 1}} {
			rows, cols := shape[0], shape[1]
			cells, T := rows*cols, rows*cols+1
			w := &Window{Rows: rows, Cols: cols, Map: random(r, cells*C), Attention: random(r, H*T), Values: random(r, T*C)}
			got := [][]float32{make([]float32, P*cells), make([]float32, P*cells), make([]float32, P*cells)}
			heat.Logits(got, w, par.NewTeam(2))

			// t[m,h,:] and Z[m,:], the last of them calmed.
			contribution, acts := make([][]float64, cells*H), make([][]float64, cells)
			for m := range cells {
				for h := range H {
					x := make([]float64, O)
					for o := range x {
						x[o] = float64(outBias[o]) / float64(T*H)
						for d := range D {
							x[o] += float64(w.Attention[h*T+m+1]) * float64(w.Values[(m+1)*C+h*D+d]) * float64(out[o*C+h*D+d])
						}
					}
					contribution[m*H+h] = x
				}
				for n := range C {
					acts[m] = append(acts[m], float64(w.Map[m*C+n]))
				}
			}
			if sink && rows > 1 && cols > 1 {
				last := cells - 1
				mean := func(at func(m int) []float64) {
					for i := range at(last) {
						at(last)[i] = (at(last - 1)[i] + at(last - cols)[i] + at(last - cols - 1)[i]) / 3
					}
				}
				mean(func(m int) []float64 { return acts[m] })
				for h := range H {
					mean(func(m int) []float64 { return contribution[m*H+h] })
				}
			}
			want := [][]float32{make([]float32, P*cells), make([]float32, P*cells), make([]float32, P*cells)}
			for p := range P {
				for m := range cells {
					var product, head, neuron float64
					for _, u := range pairs.Index[p*K : (p+1)*K] {
						x := contribution[m*H+int(u)/C]
						along, square := 0.0, 0.0
						for o, v := range x {
							along += v * float64(text[p*O+o])
							square += v * v
						}
						cos, z := along/math.Sqrt(square), acts[m][int(u)%C]
						product, head, neuron = product+z*cos/K, head+cos/K, neuron+z/K
					}
					want[0][p*cells+m], want[1][p*cells+m], want[2][p*cells+m] = float32(product), float32(head), float32(neuron)
				}
			}
			for i, method := range allMethods[:3] {
				const tolerance = 1e-5 // float32 sums of a few dozen terms
				if err := testutil.Far(got[i], want[i], tolerance); err != nil {
					t.Errorf("%v, %dx%d, sink %v: %v", method, rows, cols, sink, err)
				}
			}
		}
	}
}

// TestNormCancels has a bias that takes nearly all of a head's contribution
// away, where the sum of squares is rounding alone.
func TestNormCancels(t *testing.T) {
	const H, C, O, P = 1, 4, 4, 2
	identity := make([]float32, C*C)
	for i := range C {
		identity[i*C+i] = 1
	}
	outBias := []float32{-2, -2, -2, -2}
	ov := decomp.NewOV(H, identity, make([]float32, C), identity, outBias)
	text := []float32{1, 0, 0, 0, 0, 1, 0, 0}
	pairs := &Pairs{K: 1, Index: []int32{0, 1}, Score: []float32{1, 1}}
	heat := NewMapper(ov, text, pairs, Options{Methods: []Method{ByHeads}}, par.Team{})
	const near = 1 + 0x1p-20
	w := &Window{Rows: 1, Cols: 1, Attention: []float32{0, 1}, Values: []float32{0, 0, 0, 0, near, 1, 1, 1}} // β is -1 each
	got := make([]float32, P)
	heat.Logits([][]float32{got}, w, par.Team{})
	if err := testutil.Far(got, []float32{1, 0}, 1e-3); err != nil {
		t.Error(err)
	}
}

func TestAxis(t *testing.T) {
	for _, c := range []struct {
		name                 string
		length, crop, stride int
		starts               []int
		size, padded, before int
	}{
		{"one window", 64, 64, 32, []int{0}, 64, 64, 0},
		{"whole steps", 128, 64, 32, []int{0, 32, 64}, 64, 64, 0},
		{"the last moved back", 100, 64, 32, []int{0, 32, 36}, 64, 64, 0},
		{"one pixel more", 65, 64, 64, []int{0, 1}, 64, 64, 0},
		{"shorter than the window", 336, 384, 192, []int{0}, 336, 352, 8},
		{"odd", 33, 64, 32, []int{0}, 33, 64, 15},
		{"crop that is no multiple", 224, 112, 56, []int{0, 56, 112}, 112, 128, 8},
	} {
		a := NewAxis(c.length, c.crop, c.stride, 32, false)
		if !slices.Equal(a.Starts, c.starts) || a.Size != c.size || a.Padded != c.padded || a.Before != c.before {
			t.Errorf("%s: %+v, want %+v", c.name, a, c)
		}
		// Every pixel is a mean of locations, whatever the size it is shown at.
		for _, length := range []int{c.length, 3*c.length + 1, c.length/2 + 1, 1} {
			weights := a.Weights(length)
			width := len(a.Starts) * a.Cells()
			for i := range length {
				sum := float32(0)
				for _, w := range weights[i*width : (i+1)*width] {
					if w < 0 {
						t.Fatalf("%s at %d: weight %v", c.name, i, w)
					}
					sum += w
				}
				if math.Abs(float64(sum)-1) > 1e-5 {
					t.Fatalf("%s at %d of %d: weights sum to %v", c.name, i, length, sum)
				}
			}
		}
	}
}

// TestBands gives the same labels by every number of workers, and pixels that
// are the plain product of weights and logits.
func TestBands(t *testing.T) {
	const P, rows, cols = 3, 37, 21
	r := rand.New(rand.NewPCG(3, 4))
	down, across := NewAxis(70, 64, 32, 32, false), NewAxis(64, 64, 32, 32, false)
	f := NewField(P, down, across, rows, cols)
	for i := range down.Starts {
		f.Set(i, 0, 2, 2, random(r, P*4))
	}
	v, h := down.Weights(rows), across.Weights(cols)
	want := make([]float32, P*rows*cols)
	for p := range P {
		for y := range rows {
			for x := range cols {
				for i := range f.m {
					for j := range f.n {
						want[(p*rows+y)*cols+x] += v[y*f.m+i] * h[x*f.n+j] * f.cells[(p*f.m+i)*f.n+j]
					}
				}
			}
		}
	}
	got := f.Logits(par.NewTeam(3))
	if err := testutil.Far(got, want, 1e-5); err != nil {
		t.Error(err)
	}
	if !slices.Equal(f.Logits(par.Team{}), got) {
		t.Error("logits depend on the number of workers")
	}
}
