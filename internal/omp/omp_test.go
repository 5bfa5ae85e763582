package omp

import (
	"context"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/clipnh/clipnh/internal/par"
)

// coders returns a Coder with each engine, with blocks smaller than the tests'
// batches.
func coders(d *Dictionary, o Options) map[string]*Coder {
	return map[string]*Coder{
		"sweep": newCoder(d, o, newSweep(d, o.Team), 700, 0),
		"gram":  newCoder(d, o, newGram(d, o.Team), 700, 0),
	}
}

func mustDictionary(t testing.TB, atoms []float32, words, dims int) *Dictionary {
	t.Helper()
	d, err := NewDictionary(atoms, words, dims)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func mustCode(t testing.TB, c *Coder, s *Signals) *Codes {
	t.Helper()
	codes, err := c.Code(context.Background(), s, nil)
	if err != nil {
		t.Fatal(err)
	}
	return codes
}

// synthetic returns a dictionary, and signals of length 1, with a spectrum that decays
// like that of text embeddings. With a rank, the signals are given in a random basis.
func synthetic(t testing.TB, r *rand.Rand, words, dims, count, rank int, by Normalization) (*Dictionary, *Signals) {
	t.Helper()
	vectors := func(n int) []float32 {
		x := make([]float32, n*dims)
		for i := range x {
			x[i] = float32(r.NormFloat64() / math.Sqrt(1+float64(i%dims)/16))
		}
		return x
	}
	atoms := vectors(words)
	Normalize(atoms, words, dims, by)
	d := mustDictionary(t, atoms, words, dims)
	s := &Signals{Count: count}
	if rank > 0 {
		s.Rank, s.BasisStride = rank, rank+3
		s.Basis = make([]float32, dims*s.BasisStride)
		for i := range s.Basis {
			s.Basis[i] = float32(r.NormFloat64())
		}
		s.Rows = make([]float32, count*rank)
		for i := range s.Rows {
			s.Rows[i] = float32(r.NormFloat64())
		}
	} else {
		s.Rows = vectors(count)
	}
	y := make([]float64, dims)
	for i := range count {
		norm := s.expand(y, i)
		row := s.row(i, s.width(dims))
		for j := range row {
			row[j] /= float32(norm)
		}
	}
	return d, s
}

// naive is textbook matching pursuit in float64: each step computes the residual's
// correlation with every atom, in scikit-learn's order, and solves a new
// least-squares problem.
func naive(d *Dictionary, y []float64, atoms int) (support []int32, coefficients []float64, residual float64, full bool) {
	order := make([]int32, d.Words)
	for w := range order {
		order[w] = int32(w)
	}
	rest := slices.Clone(y)
	for n := range atoms {
		best, value := 0, -1.0
		for place, w := range order {
			if c := math.Abs(dot(d.atom(int(w)), rest)); c > value {
				best, value = place, c
			}
		}
		if value*value < epsilon || best < n {
			break
		}
		// Distance of the atom from the span of the support.
		x := mat.NewDense(d.Dims, n+1, nil)
		next := append(slices.Clone(support), order[best])
		for j, w := range next {
			for o, v := range d.atom(int(w)) {
				x.Set(o, j, float64(v))
			}
		}
		var qr mat.QR
		qr.Factorize(x)
		var tri mat.Dense
		qr.RTo(&tri)
		if last := tri.At(n, n); n > 0 && last*last <= epsilon {
			break
		}
		order[n], order[best] = order[best], order[n]
		support = next
		var solution mat.Dense
		if err := qr.SolveTo(&solution, false, mat.NewDense(d.Dims, 1, slices.Clone(y))); err != nil {
			panic(err)
		}
		coefficients = mat.Col(nil, 0, &solution)
		copy(rest, y)
		for j, w := range support {
			subtract(rest, coefficients[j], d.atom(int(w)))
		}
	}
	sum := 0.0
	for _, v := range rest {
		sum += v * v
	}
	return support, coefficients, math.Sqrt(sum), len(support) == atoms
}

// codeTolerance bounds the difference of codes with equal supports: coefficients and
// residuals are rounded to float32.
const codeTolerance = 1e-6

func TestAgainstNaive(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 40 {
		words, dims := 2+r.IntN(200), 2+r.IntN(40)
		atoms, rank := 1+r.IntN(min(words, dims, 12)), max(0, r.IntN(2*dims)-dims)
		by := Normalization(r.IntN(3))
		d, s := synthetic(t, r, words, dims, 1+r.IntN(12), rank, by)
		for name, c := range coders(d, Options{Atoms: atoms, Team: par.NewTeam(1 + r.IntN(3))}) {
			codes := mustCode(t, c, s)
			y := make([]float64, dims)
			for i := range s.Count {
				s.expand(y, i)
				support, want, residual, full := naive(d, y, atoms)
				got, coefficients := codes.Code(i)
				if !slices.Equal(got, support) || (codes.Stops[i] == Full) != full {
					t.Fatalf("%s: %d atoms of %d words, %d dimensions, rank %d, %s: signal %d: support %v (%s), want %v",
						name, atoms, words, dims, rank, by, i, got, codes.Stops[i], support)
				}
				for j, c := range want {
					if math.Abs(float64(coefficients[j])-c) > codeTolerance*math.Abs(c)+1e-9 {
						t.Errorf("%s: signal %d: coefficient %d is %g, want %g", name, i, j, coefficients[j], c)
					}
				}
				if math.Abs(float64(codes.Residuals[i])-residual) > codeTolerance*residual+1e-9 {
					t.Errorf("%s: signal %d: residual %g, want %g", name, i, codes.Residuals[i], residual)
				}
			}
		}
	}
}

// TestOddBases has bases for which screening works badly or not at all.
func TestOddBases(t *testing.T) {
	const dims, atoms, rank = 24, 8, 4
	tests := []struct {
		name               string
		basis, coordinates float64 // factors
		cancel             float64 // size of the last vector's difference from the first
	}{
		{"long vectors", 1e20, 1e-20, 0},
		{"longest vectors", 1e37, 1e-38, 0},
		{"short vectors", 1e-20, 1e20, 0},
		{"much cancels", 1, 1, 1e-2},
		{"nearly all cancels", 1, 1, 1e-6},
	}
	for _, test := range tests {
		r := rand.New(rand.NewPCG(13, 14))
		d, s := synthetic(t, r, 300, dims, 20, rank, Columns)
		for o := range dims {
			if basis := s.basis(o); test.cancel != 0 {
				basis[rank-1] = basis[0] + float32(test.cancel*r.NormFloat64())
			}
		}
		for i := range s.Count {
			row := s.row(i, rank)
			if test.cancel != 0 {
				clear(row)
				row[0], row[rank-1] = float32(1/test.cancel), float32(-1/test.cancel)
				row[1] = float32(r.NormFloat64())
			}
			for j := range row {
				row[j] *= float32(test.coordinates)
			}
		}
		for i := range s.Basis {
			s.Basis[i] *= float32(test.basis)
		}
		y := make([]float64, dims)
		for name, c := range coders(d, Options{Atoms: atoms}) {
			codes := mustCode(t, c, s)
			for i := range s.Count {
				s.expand(y, i)
				want, _, _, _ := naive(d, y, atoms)
				if got, _ := codes.Code(i); !slices.Equal(got, want) {
					t.Errorf("%s: %s: signal %d: support %v, want %v", test.name, name, i, got, want)
				}
			}
		}
	}
}

// TestTies compares with scikit-learn where several atoms are equally good; see
// testdata/make_ties.py.
func TestTies(t *testing.T) {
	text, err := os.ReadFile("testdata/ties.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Atoms               int
		Dictionary, Signals [][]float32
		Codes               [][][2]float32 // word and coefficient, by word
	}
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) == 0 {
		t.Fatal("no cases")
	}
	for _, test := range cases {
		d := mustDictionary(t, slices.Concat(test.Dictionary...), len(test.Dictionary), len(test.Dictionary[0]))
		s := &Signals{Count: len(test.Signals), Rows: slices.Concat(test.Signals...)}
		for name, c := range coders(d, Options{Atoms: test.Atoms}) {
			codes := mustCode(t, c, s)
			m := CSR(codes)
			for i, want := range test.Codes {
				var got [][2]float32
				for k := m.Starts[i]; k < m.Starts[i+1]; k++ {
					got = append(got, [2]float32{float32(m.Indices[k]), m.Data[k]})
				}
				if !slices.Equal(got, want) {
					t.Errorf("%s: %d words: signal %v: %v, want %v", name, d.Words, test.Signals[i], got, want)
				}
				if stop := codes.Stops[i]; (stop == Weak) != (len(want) < test.Atoms) {
					t.Errorf("%s: %d words: signal %v: stop %s with %d of %d atoms", name, d.Words, test.Signals[i], stop, len(want), test.Atoms)
				}
			}
		}
	}
}

func TestStops(t *testing.T) {
	tests := []struct {
		name          string
		dims, atoms   int
		dictionary, y []float32
		support       []int32
		residual      float64
		stop          Stop
	}{
		{"as many as asked for", 2, 1, []float32{1, 0, 0, 1}, []float32{1, 2}, []int32{1}, 1, Full},
		{"zero signal", 2, 2, []float32{1, 0, 0, 1}, []float32{0, 0}, nil, 0, Weak},
		{"signal below the threshold", 2, 2, []float32{1, 0, 0, 1}, []float32{3e-4, 3.4e-4}, nil, 4.534e-4, Weak},
		{"one dimension below the threshold", 2, 2, []float32{1, 0, 0, 1}, []float32{3e-4, 3.5e-4}, []int32{1}, 3e-4, Weak},
		{"described with fewer", 2, 2, []float32{3, 0, 0, 1}, []float32{5, 0}, []int32{0}, 0, Weak},
		{"described but for rounding", 3, 3, []float32{1, 2, 3, 3, 1, 1, 1, 1, 0}, []float32{0.1, 0.2, 0.3}, []int32{0}, 4.4526e-9, Weak},
		{"duplicate atoms", 2, 3, []float32{0, 1, 1, 0, 1, 0}, []float32{2, 1}, []int32{1, 0}, 0, Weak},
		{"opposite atoms", 2, 3, []float32{-1, 0, 1, 0, 0, 1}, []float32{2, 1}, []int32{0, 2}, 0, Weak},
		{"zero atoms", 2, 3, []float32{0, 0, 1, 0, 0, 0}, []float32{2, 1}, []int32{1}, 1, Weak},
		{"only zero atoms", 2, 2, []float32{0, 0, 0, 0}, []float32{2, 1}, nil, math.Sqrt(5), Weak},
		{"signal outside of the span", 3, 2, []float32{1, 0, 0, 0, 1, 0}, []float32{0, 0, 7}, nil, 7, Weak},
		{"nearly equal atoms", 2, 2, []float32{1, 0, 1, 2e-4}, []float32{1, 10}, []int32{1}, 9.9998, Dependent},
		{"nearly equal atoms, apart enough", 2, 2, []float32{1, 0, 1, 1e-3}, []float32{1, 10}, []int32{1, 0}, 0, Full},
		{"one word", 1, 1, []float32{2}, []float32{3}, []int32{0}, 0, Full},
	}
	for _, test := range tests {
		d := mustDictionary(t, test.dictionary, len(test.dictionary)/test.dims, test.dims)
		const copies = sweepDirect + 3 // the sweep may treat the last few differently
		s := &Signals{Count: copies, Rows: slices.Repeat(test.y, copies)}
		for name, c := range coders(d, Options{Atoms: test.atoms, Team: par.NewTeam(2)}) {
			codes := mustCode(t, c, s)
			for i := range s.Count {
				support, _ := codes.Code(i)
				if !slices.Equal(support, test.support) || codes.Stops[i] != test.stop {
					t.Errorf("%s: %s: support %v, stop %s, want %v, %s", test.name, name, support, codes.Stops[i], test.support, test.stop)
				}
				if got := float64(codes.Residuals[i]); math.Abs(got-test.residual) > 1e-4*test.residual+1e-8*float64(slices.Max(test.y)) {
					t.Errorf("%s: %s: residual %g, want %g", test.name, name, got, test.residual)
				}
			}
		}
	}
}

// TestRounding has pursuits that only a rounding error keeps from being Weak. The test
// adds the error itself, because natural rounding differs between machines.
func TestRounding(t *testing.T) {
	tests := []struct {
		name       string
		dictionary []float32
		steps      int // number of normal steps
		want       Stop
	}{
		{"best atom in the support", []float32{1, 0, 0, 1}, 1, Repeated},
		{"support spans all dimensions", []float32{1, 0, 0, 2, 3, 0.5}, 2, Dependent},
	}
	for _, test := range tests {
		d := mustDictionary(t, test.dictionary, len(test.dictionary)/2, 2)
		p := &newPursuits(1, 2, len(test.dictionary)/2)[0]
		p.start(&Signals{Count: 1, Rows: []float32{3, 1}}, 0)
		wide := make([]float64, 2)
		for range test.steps {
			p.extend(d, []int32{0, 1}, wide)
		}
		if p.size != test.steps || !p.running {
			t.Fatalf("%s: %d atoms, running %t, want %d and true", test.name, p.size, p.running, test.steps)
		}
		p.rest[0], p.rest[1] = 1, 0
		p.extend(d, []int32{0, int32(d.Words) - 1}, wide)
		if p.size != test.steps || p.running || p.stop != test.want {
			t.Errorf("%s: %d atoms, running %t, stop %s, want %d, false, %s", test.name, p.size, p.running, p.stop, test.steps, test.want)
		}
	}
}

// TestInvariants checks that a longer code extends a shorter one, that its residual is
// not larger, and that the residual is orthogonal to the support.
func TestInvariants(t *testing.T) {
	// Coefficients are rounded to float32.
	const tolerance = 1e-6
	for _, by := range []Normalization{Columns, Rows, None} {
		d, s := synthetic(t, rand.New(rand.NewPCG(3, 4)), 500, 48, 40, 0, by)
		c, err := NewCoder(d, Options{Atoms: 24, Signals: s.Count})
		if err != nil {
			t.Fatal(err)
		}
		long := mustCode(t, c, s)
		for atoms := 1; atoms <= 24; atoms++ {
			c, err := NewCoder(d, Options{Atoms: atoms, Signals: s.Count})
			if err != nil {
				t.Fatal(err)
			}
			short := mustCode(t, c, s)
			for i := range s.Count {
				support, coefficients := short.Code(i)
				if all, _ := long.Code(i); !slices.Equal(support, all[:atoms]) {
					t.Fatalf("%s: signal %d: support %v of %d atoms, of 24 %v", by, i, support, atoms, all)
				}
				if before := float32(1 + tolerance); atoms == 1 && short.Residuals[i] > before {
					t.Errorf("%s: signal %d: residual %g of a signal of length 1", by, i, short.Residuals[i])
				}
				if short.Residuals[i] < long.Residuals[i] {
					t.Errorf("%s: signal %d: residual %g with %d atoms, %g with 24", by, i, short.Residuals[i], atoms, long.Residuals[i])
				}
				rest := make([]float64, d.Dims)
				s.expand(rest, i)
				sum, scale := 0.0, 0.0
				for j, w := range support {
					subtract(rest, float64(coefficients[j]), d.atom(int(w)))
					scale += math.Abs(float64(coefficients[j])) * math.Sqrt(d.squares[w])
				}
				for _, v := range rest {
					sum += v * v
				}
				if math.Abs(math.Sqrt(sum)-float64(short.Residuals[i])) > tolerance {
					t.Errorf("%s: signal %d: %g left by the code, residual %g", by, i, math.Sqrt(sum), short.Residuals[i])
				}
				for _, w := range support {
					if c := dot(d.atom(int(w)), rest); math.Abs(c) > tolerance*scale*math.Sqrt(d.squares[w]) {
						t.Errorf("%s: signal %d: correlation %g of the residual with word %d of the support", by, i, c, w)
					}
				}
			}
			if atoms > 1 {
				c, err := NewCoder(d, Options{Atoms: atoms - 1, Signals: s.Count})
				if err != nil {
					t.Fatal(err)
				}
				for i, r := range mustCode(t, c, s).Residuals {
					if short.Residuals[i] > r {
						t.Errorf("%s: signal %d: residual grows from %g to %g with atom %d", by, i, r, short.Residuals[i], atoms)
					}
				}
			}
		}
	}
}
