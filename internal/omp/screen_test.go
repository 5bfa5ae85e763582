package omp

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/clipnh/clipnh/internal/kernel/cpu"
	"github.com/clipnh/clipnh/internal/par"
)

// TestBounds checks that every correlation that screening keeps is within the bound of
// its value in float64, and that the best atom is a candidate.
func TestBounds(t *testing.T) {
	const atoms = 16
	r := rand.New(rand.NewPCG(9, 10))
	for _, level := range cpu.Supported() {
		restore := cpu.Force(level)
		for _, rank := range []int{0, 5} {
			for _, by := range []Normalization{Columns, Rows, None} {
				d, s := synthetic(t, r, 1100, 70, 15, rank, by)
				longest := slices.Repeat([]float32{30}, d.Dims) // makes the others comparatively short
				d = mustDictionary(t, slices.Concat(d.atoms, longest, make([]float32, d.Dims)), d.Words+2, d.Dims)
				for i := range s.Rows { // lengths other than 1
					s.Rows[i] *= float32(1 + i/s.width(d.Dims)*100)
				}
				o := Options{Atoms: atoms, Team: par.NewTeam(2)}
				for name, c := range coders(d, o) {
					c.engine = &checkedEngine{engine: c.engine, t: t, d: d}
					mustCode(t, c, s)
					e := c.engine.(*checkedEngine)
					if e.worst > 1 || e.missed > 0 {
						t.Errorf("%s, %s, %s, rank %d: largest error is %.3g of its bound, %d of %d best atoms are not candidates",
							level, name, by, rank, e.worst, e.missed, e.steps)
					}
					if perStep := float64(e.candidates) / float64(e.steps); perStep > 1.5 {
						t.Errorf("%s, %s, %s, rank %d: %.1f candidates per step; the bound is too loose to be useful", level, name, by, rank, perStep)
					}
				}
			}
		}
		restore()
	}
}

// checkedEngine checks the candidates that an engine collects.
type checkedEngine struct {
	engine
	t                         *testing.T
	d                         *Dictionary
	worst                     float64 // error over bound
	steps, candidates, missed int
}

func (e *checkedEngine) screen(b *block) {
	e.engine.screen(b)
	for _, i := range b.running {
		p := &b.pursuits[i]
		length := p.length
		if _, ok := e.engine.(*gram); ok {
			length = p.norm
		}
		for w := range b.marks {
			for _, c := range b.marks[w][i].list {
				exact := math.Abs(dot(e.d.atom(int(c.word)), p.rest)) * e.d.scale / length
				bound := float64(b.marks[w][i].margin * e.d.norms[c.word])
				e.worst = max(e.worst, math.Abs(exact-(float64(c.upper)-bound))/bound)
			}
		}
		best, value := int32(0), -1.0
		for w := range e.d.Words {
			if c := math.Abs(dot(e.d.atom(w), p.rest)); c > value {
				best, value = int32(w), c
			}
		}
		words := candidates(nil, b.marks, i)
		e.steps++
		e.candidates += len(words)
		if value*value >= epsilon && !slices.Contains(words, best) {
			e.missed++
		}
	}
}

// TestMark adds correlations in an order that adds and drops candidates.
func TestMark(t *testing.T) {
	tests := []struct {
		name    string
		floor   float64
		between [][2]float32 // bounds of each word's correlation
		want    []int32
	}{
		{"below the floor", 1, [][2]float32{{0.1, 0.3}, {0.5, 0.9}}, nil},
		{"around the floor", 1, [][2]float32{{0.1, 0.3}, {0.9, 1.1}, {0.8, 1.05}}, []int32{1, 2}},
		{"best last", 0.1, [][2]float32{{0.2, 0.4}, {0.3, 0.5}, {0.7, 0.9}}, []int32{2}},
		{"best first", 0.1, [][2]float32{{0.7, 0.9}, {0.2, 0.4}, {0.3, 0.5}}, []int32{0}},
		{"overlapping", 0.1, [][2]float32{{0.5, 0.75}, {0.6, 0.69}, {0.7, 1.1}, {0.65, 0.71}}, []int32{0, 2, 3}},
		{"surer, not larger", 0.1, [][2]float32{{0.1, 2}, {0.7, 0.8}, {0, 0.6}}, []int32{0, 1}},
		{"equal and sure", 0.1, [][2]float32{{0.5, 0.5}, {0.5, 0.5}, {0.4, 0.4}}, []int32{0, 1}},
	}
	for _, test := range tests {
		for split := range len(test.between) + 1 { // the words split between two workers
			marks := [][]mark{make([]mark, 1), make([]mark, 1)}
			for w := range marks {
				marks[w][0].reset(test.floor, 0)
			}
			for word, c := range test.between {
				m := &marks[0][0]
				if word >= split {
					m = &marks[1][0]
				}
				if c[1] >= m.least {
					m.add(word, c[0], c[1])
				}
			}
			if got := candidates(nil, marks, 0); !slices.Equal(got, test.want) {
				t.Errorf("%s, split at %d: candidates %v, want %v", test.name, split, got, test.want)
			}
		}
	}
}

func TestWantGram(t *testing.T) {
	tests := []struct {
		words, dims, atoms, signals int
		want                        bool
	}{
		{30000, 768, 64, 147456, true},
		{30000, 768, 64, 3072, true},
		{30000, 768, 64, 100, false},
		{30000, 768, 64, 1, false},
		{30000, 768, 500, 147456, false}, // long codes
		{60000, 768, 64, 147456, false},  // too large a matrix
		{10000, 1024, 32, 2048, true},
	}
	for _, test := range tests {
		d := &Dictionary{Words: test.words, Dims: test.dims}
		if got := wantGram(d, Options{Atoms: test.atoms, Signals: test.signals}); got != test.want {
			t.Errorf("%d words of %d dimensions, %d signals of %d atoms: Gram matrix %t, want %t",
				test.words, test.dims, test.signals, test.atoms, got, test.want)
		}
	}
}

// TestBlockMemory checks that long codes stay within the memory of a block.
func TestBlockMemory(t *testing.T) {
	d := &Dictionary{Words: 30000, Dims: 768}
	for _, test := range []struct{ atoms, signals, least, most int }{
		{64, 147456, gramSignals, gramSignals},
		{64, 1, sweepSignals, sweepSignals},
		{768, 147456, 500, 650},
		{30000, 147456, 500, 650}, // at most 768 can be independent
	} {
		c, err := NewCoder(d, Options{Atoms: test.atoms, Signals: test.signals})
		if err != nil {
			t.Fatal(err)
		}
		if c.block < test.least || c.block > test.most {
			t.Errorf("%d atoms, %d signals: blocks of %d, want %d to %d", test.atoms, test.signals, c.block, test.least, test.most)
		}
	}
}

// TestGramIsDone checks that the Gram matrix is computed once, and not kept if the
// computation was cancelled.
func TestGramIsDone(t *testing.T) {
	d, s := synthetic(t, rand.New(rand.NewPCG(11, 12)), 100, 16, 10, 0, Rows)
	c := coders(d, Options{Atoms: 2})["gram"]
	e := c.engine.(*gram)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := c.Code(ctx, s, nil); err == nil || e.panels != nil {
		t.Fatalf("cancelled: error %v, %d panels, want an error and none", err, len(e.panels))
	}
	mustCode(t, c, s)
	first := &e.panels[0][0]
	mustCode(t, c, s)
	if &e.panels[0][0] != first {
		t.Error("the Gram matrix was computed twice")
	}
}
