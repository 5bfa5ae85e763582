package lowrank

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/testutil"
)

// exact is the error of rounding a result to float32, plus a little for float64 sums
// in another order.
const exact = 2e-7

// problem is a small random case: neurons of H heads over B images.
type problem struct {
	images, heads, neurons, outDim, topK int
	rank                                 int // of each neuron's directions; 0 for full
	seed                                 uint64
}

func (p problem) String() string {
	return fmt.Sprintf("B=%d,H=%d,O=%d,k=%d,rank=%d", p.images, p.heads, p.outDim, p.topK, p.rank)
}

var problems = []problem{
	{images: 40, heads: 6, neurons: 20, outDim: 16, topK: 10},
	{images: 40, heads: 6, neurons: 5, outDim: 16, topK: 9},
	{images: 40, heads: 6, neurons: 5, outDim: 16, topK: 3},
	{images: 7, heads: 5, neurons: 33, outDim: 9, topK: 50}, // fewer images than asked for
	{images: 4, heads: 8, neurons: 5, outDim: 12, topK: 4},  // and fewer than heads
	{images: 30, heads: 8, neurons: 5, outDim: 5, topK: 12}, // fewer dimensions than heads
	{images: 30, heads: 6, neurons: 5, outDim: 16, topK: 10, rank: 2},
	{images: 2, heads: 3, neurons: 2, outDim: 4, topK: 2},
}

// data draws skewed scores, directions [H,C,O] and the sum of the biases.
func (p problem) data() (s Scores, v, bias []float32) {
	rng := rand.New(rand.NewPCG(p.seed, uint64(p.images*1000+p.outDim)))
	s = Scores{Images: p.images, Heads: p.heads, Neurons: p.neurons, Data: make([]float32, p.images*p.heads*p.neurons)}
	for i := range s.Data {
		s.Data[i] = float32(rng.ExpFloat64() - 0.3)
	}
	v = make([]float32, p.heads*p.neurons*p.outDim)
	for i := range v {
		v[i] = float32(rng.NormFloat64())
	}
	for n := 0; p.rank > 0 && n < p.neurons; n++ {
		for h := p.rank; h < p.heads; h++ { // multiples of earlier ones, and zero
			factor := float32((h - p.rank) / 2)
			for o := range p.outDim {
				v[(h*p.neurons+n)*p.outDim+o] = factor * v[((h-p.rank)*p.neurons+n)*p.outDim+o]
			}
		}
	}
	bias = make([]float32, p.outDim)
	for o := range bias {
		bias[o] = float32(rng.NormFloat64())
	}
	return s, v, bias
}

// rows returns the contributions of one neuron in float64, [B,O].
func rows(s Scores, v, bias []float32, n int) *mat.Dense {
	outDim := len(bias)
	m := mat.NewDense(s.Images, outDim, nil)
	for b := range s.Images {
		for o := range outDim {
			sum := float64(bias[o])
			for h := range s.Heads {
				sum += float64(s.Data[(b*s.Heads+h)*s.Neurons+n]) * float64(v[(h*s.Neurons+n)*outDim+o])
			}
			m.Set(b, o, sum)
		}
	}
	return m
}

// answer is the result of the definition for one unit's contributions.
type answer struct {
	mean, norms, direction, values []float64
	apart                          float64 // distance of the singular value from its neighbours, relative to the largest
}

// define follows the definition step by step with gonum's SVD.
func define(rows *mat.Dense, opt Options) answer {
	images, outDim := rows.Dims()
	a := answer{mean: make([]float64, outDim)}
	for o := range outDim {
		for b := range images {
			a.mean[o] += rows.At(b, o) / float64(images)
		}
	}
	norm := make([]float64, images)
	order := make([]int, images)
	for b := range images {
		order[b] = b
		for o := range outDim {
			norm[b] = math.Hypot(norm[b], rows.At(b, o)-a.mean[o])
		}
	}
	slices.SortStableFunc(order, func(x, y int) int {
		switch {
		case norm[x] > norm[y]:
			return -1
		case norm[x] < norm[y]:
			return 1
		}
		return 0
	})
	order = order[:min(opt.TopK, images)]
	top := mat.NewDense(len(order), outDim, nil)
	for i, b := range order {
		a.norms = append(a.norms, norm[b])
		for o := range outDim {
			top.Set(i, o, rows.At(b, o)-a.mean[o])
		}
	}
	slices.Sort(a.norms)
	var svd mat.SVD
	if !svd.Factorize(top, mat.SVDThin) {
		panic("test: SVD failed")
	}
	a.values = svd.Values(nil)
	if opt.Index >= len(a.values) {
		return a
	}
	var right mat.Dense
	svd.VTo(&right)
	a.direction = mat.Col(nil, opt.Index, &right)
	a.apart = math.Inf(1)
	for i, v := range a.values {
		if i != opt.Index {
			a.apart = min(a.apart, math.Abs(v-a.values[opt.Index])/a.values[0])
		}
	}
	positive := 0
	for i := range order {
		if mat.Dot(mat.NewVecDense(outDim, a.direction), top.RowView(i)) > 0 {
			positive++
		}
	}
	if 2*positive <= opt.TopK {
		for o := range a.direction {
			a.direction[o] = -a.direction[o]
		}
	}
	return a
}

func to32(x []float64) []float32 {
	out := make([]float32, len(x))
	for i, v := range x {
		out[i] = float32(v)
	}
	return out
}

// agree compares unit u of r with the definition.
func agree(t *testing.T, r *Result, u int, want answer, index int, tolerance float64) {
	t.Helper()
	if err := testutil.Far(r.Mean[u*r.OutDim:(u+1)*r.OutDim], to32(want.mean), tolerance); err != nil {
		t.Errorf("unit %d: mean: %v", u, err)
	}
	if err := testutil.Far(r.Norms[u*r.Kept:(u+1)*r.Kept], to32(want.norms), tolerance); err != nil {
		t.Errorf("unit %d: norms: %v", u, err)
	}
	got := r.Direction[u*r.OutDim : (u+1)*r.OutDim]
	if null := index >= len(want.values) || want.values[index] < 1e-9*want.values[0]; null || r.State[u] == Null {
		if null != (r.State[u] == Null) || slices.ContainsFunc(got, func(x float32) bool { return x != 0 }) {
			t.Errorf("unit %d: state %d, direction %v, singular values %v", u, r.State[u], got, want.values)
		}
		return
	}
	direction := to32(want.direction)
	if r.State[u] == Open {
		dot := float32(0)
		for o := range got {
			dot += got[o] * direction[o]
		}
		if dot < 0 {
			for o := range direction {
				direction[o] = -direction[o]
			}
		}
	}
	// A direction changes by the perturbation divided by the distance of its singular
	// value from the others; with the Gram matrix, by the square of that.
	strength := want.values[index] / want.values[0]
	if err := testutil.Far(got, direction, tolerance/min(1, want.apart*strength)); err != nil {
		t.Errorf("unit %d, singular values %v: direction: %v", u, want.values, err)
	}
}

func TestAgainstSVD(t *testing.T) {
	// denseRounding is the error of float32 contributions, in units of exact.
	const denseRounding = 3e-6
	for _, p := range problems {
		t.Run(p.String(), func(t *testing.T) {
			for p.seed = range 8 {
				s, v, bias := p.data()
				for index := range 4 {
					opt := Options{p.topK, index}
					r := NewResult(p.neurons, p.outDim, p.images, p.topK)
					if err := Neurons(r, s, 0, v, bias, opt, par.NewTeam(2)); err != nil {
						t.Fatal(err)
					}
					d := NewResult(p.neurons, p.outDim, p.images, p.topK)
					dense := make([]float32, p.images*p.neurons*p.outDim)
					for n := range p.neurons {
						for b := range p.images {
							copy(dense[(b*p.neurons+n)*p.outDim:], to32(rows(s, v, bias, n).RawRowView(b)))
						}
					}
					if err := Dense(d, dense, p.images, opt, par.NewTeam(2)); err != nil {
						t.Fatal(err)
					}
					for n := range p.neurons {
						want := define(rows(s, v, bias, n), opt)
						agree(t, r, n, want, index, exact)
						agree(t, d, n, want, index, denseRounding)
					}
				}
				// A pair is a neuron of one head.
				for h := range p.heads {
					r := NewResult(p.neurons, p.outDim, p.images, p.topK)
					directions := v[h*p.neurons*p.outDim : (h+1)*p.neurons*p.outDim]
					if err := Pairs(r, s, h, directions, bias, p.topK, par.NewTeam(2)); err != nil {
						t.Fatal(err)
					}
					one := Scores{Images: p.images, Heads: 1, Neurons: p.neurons}
					for b := range p.images {
						one.Data = append(one.Data, s.Data[(b*p.heads+h)*p.neurons:(b*p.heads+h+1)*p.neurons]...)
					}
					for n := range p.neurons {
						want := define(rows(one, directions, bias, n), Options{p.topK, 0})
						if !slices.ContainsFunc(directions[n*p.outDim:(n+1)*p.outDim], func(x float32) bool { return x != 0 }) {
							want.values = nil // the definition finds only rounding of the bias
							clear(want.norms)
						}
						agree(t, r, n, want, 0, exact)
					}
				}
				if t.Failed() {
					t.Fatalf("seed %d", p.seed)
				}
			}
		})
	}
}

func TestAnyTeamAndBlock(t *testing.T) {
	p := problem{images: 50, heads: 5, neurons: 150, outDim: 8, topK: 12, seed: 3}
	s, v, bias := p.data()
	opt := Options{p.topK, 0}
	dense := make([]float32, p.images*p.neurons*p.outDim)
	for n := range p.neurons {
		for b := range p.images {
			copy(dense[(b*p.neurons+n)*p.outDim:], to32(rows(s, v, bias, n).RawRowView(b)))
		}
	}
	run := func(workers int) (results [3]*Result) {
		for i := range results {
			results[i] = NewResult(p.neurons, p.outDim, p.images, p.topK)
		}
		team := par.NewTeam(workers)
		if err := errors.Join(
			Pairs(results[0], s, 2, v[2*p.neurons*p.outDim:3*p.neurons*p.outDim], bias, p.topK, team),
			Neurons(results[1], s, 0, v, bias, opt, team),
			Dense(results[2], dense, p.images, opt, team),
		); err != nil {
			t.Fatal(err)
		}
		return results
	}
	want := run(1)
	for _, workers := range []int{2, 3, 7, 64} {
		if got := run(workers); !reflect.DeepEqual(got, want) {
			t.Errorf("%d workers give a different result than one", workers)
		}
	}
	// A range of neurons gives the same result as among all.
	const first, units = 37, 50
	part := NewResult(units, p.outDim, p.images, p.topK)
	var directions []float32
	for h := range p.heads {
		directions = append(directions, v[(h*p.neurons+first)*p.outDim:(h*p.neurons+first+units)*p.outDim]...)
	}
	if err := Neurons(part, s, first, directions, bias, opt, par.NewTeam(2)); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(part.Direction, want[1].Direction[first*p.outDim:(first+units)*p.outDim]) ||
		!slices.Equal(part.Norms, want[1].Norms[first*p.topK:(first+units)*p.topK]) {
		t.Error("a range of neurons differs from the same neurons among all")
	}
}

func TestUnitsWithoutVariation(t *testing.T) {
	const images, outDim, topK = 6, 3, 4
	s := Scores{Images: images, Heads: 1, Neurons: 2, Data: slices.Repeat([]float32{0.7, 0.1}, images)}
	s.Data[1] = 5 // the first image's score of the second neuron
	v := []float32{3, 0, 4, 0, 0, 0}
	bias := []float32{1, 1, 1}
	pairs := NewResult(2, outDim, images, topK)
	if err := Pairs(pairs, s, 0, v, bias, topK, par.Team{}); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(pairs.Direction, make([]float32, 6)) || pairs.Count(Null) != 2 {
		t.Errorf("pairs: directions %v, states %v; want zeros and null", pairs.Direction, pairs.State)
	}
	neurons := NewResult(2, outDim, images, topK)
	if err := Neurons(neurons, s, 0, v, bias, Options{topK, 0}, par.Team{}); err != nil {
		t.Fatal(err)
	}
	if neurons.Count(Null) != 2 || !slices.Equal(neurons.Direction, make([]float32, 6)) || !slices.Equal(neurons.Norms, make([]float32, 8)) {
		t.Errorf("neurons: directions %v, states %v", neurons.Direction, neurons.State)
	}
	if !slices.Equal(neurons.Mean, pairs.Mean) {
		t.Errorf("means %v and %v", neurons.Mean, pairs.Mean)
	}
	single := NewResult(1, 1, 1, topK)
	if err := Dense(single, []float32{2}, 1, Options{topK, 0}, par.Team{}); err != nil {
		t.Fatal(err)
	}
	if single.State[0] != Null || single.Mean[0] != 2 || !slices.Equal(single.Norms, []float32{0}) {
		t.Errorf("one image: %+v", single)
	}
}

func TestNotFinite(t *testing.T) {
	p := problem{images: 9, heads: 3, neurons: 100, outDim: 4, topK: 3}
	for _, bad := range []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))} {
		for _, workers := range []int{1, 2, 5} {
			team := par.NewTeam(workers)
			for name, run := range map[string]func(s Scores, v, bias []float32) error{
				"pairs": func(s Scores, v, bias []float32) error {
					return Pairs(NewResult(p.neurons, p.outDim, p.images, p.topK), s, 1, v[400:800], bias, p.topK, team)
				},
				"neurons": func(s Scores, v, bias []float32) error {
					return Neurons(NewResult(p.neurons, p.outDim, p.images, p.topK), s, 0, v, bias, Options{p.topK, 0}, team)
				},
			} {
				s, v, bias := p.data()
				for _, n := range []int{80, 33} {
					s.Data[(4*p.heads+1)*p.neurons+n] = bad
				}
				var unit *UnitError
				if err := run(s, v, bias); !errors.As(err, &unit) || unit.Unit != 33 || unit.Reason != reasonScores {
					t.Errorf("%s: score %g: error %v, want one of unit 33", name, bad, err)
				}
				s, v, bias = p.data()
				v[(p.neurons+70)*p.outDim+2] = bad
				if err := run(s, v, bias); !errors.As(err, &unit) || unit.Unit != 70 || unit.Reason != reasonDirections {
					t.Errorf("%s: direction %g: error %v, want one of unit 70", name, bad, err)
				}
			}
			rows := make([]float32, 5*7*2)
			rows[(3*7+6)*2], rows[(4*7+2)*2+1] = bad, bad
			var unit *UnitError
			if err := Dense(NewResult(7, 2, 5, 2), rows, 5, Options{2, 0}, team); !errors.As(err, &unit) || unit.Unit != 2 {
				t.Errorf("dense: %g: error %v, want one of unit 2", bad, err)
			}
		}
	}
}
