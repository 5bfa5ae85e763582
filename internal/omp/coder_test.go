package omp

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/par"
)

// TestSame checks that every engine, number of workers and split of the batch gives
// the same bytes.
func TestSame(t *testing.T) {
	for _, rank := range []int{0, 9} {
		d, s := synthetic(t, rand.New(rand.NewPCG(5, 6)), 1571, 64, 60, rank, Columns)
		var want *Codes
		for _, workers := range []int{1, 2, 5} {
			o := Options{Atoms: 16, Team: par.NewTeam(workers)}
			for _, block := range []int{60, 25, 7} {
				for _, c := range []*Coder{newCoder(d, o, newSweep(d, o.Team), block, 0), newCoder(d, o, newGram(d, o.Team), block, 0)} {
					got := mustCode(t, c, s)
					if want == nil {
						want = got
					}
					if !reflect.DeepEqual(got, want) {
						t.Fatalf("rank %d: %T with %d workers, blocks of %d: codes differ from the first", rank, c.engine, workers, c.block)
					}
				}
			}
		}
	}
}

func TestErrors(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	dictionaries := []struct {
		name        string
		atoms       []float32
		words, dims int
		want        string
	}{
		{"no words", nil, 0, 3, "shape [0,3]"},
		{"no dimensions", nil, 3, 0, "shape [3,0]"},
		{"NaN", []float32{1, 2, 3, nan}, 2, 2, "atom 1: element 1 is NaN"},
		{"infinity", []float32{1, 2, -inf, 1}, 2, 2, "atom 1: element 0 is -Inf"},
		{"too long", []float32{1, 2, 1e10, 1}, 2, 2, "atom 1: norm 1e+10"},
		{"too short", []float32{1e-10, 0, 0, 0}, 2, 2, "atom 0: norm 1e-10"},
	}
	for _, test := range dictionaries {
		if _, err := NewDictionary(test.atoms, test.words, test.dims); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("dictionary with %s: error %v, want one with %q", test.name, err, test.want)
		}
	}
	d := mustDictionary(t, []float32{1, 0, 0, 1, 1, 1}, 3, 2)
	for _, atoms := range []int{-1, 0, 4} {
		if _, err := NewCoder(d, Options{Atoms: atoms}); err == nil || !strings.Contains(err.Error(), "want 1 to 3") {
			t.Errorf("%d atoms: error %v, want one with the limits", atoms, err)
		}
	}
	signals := []struct {
		name string
		s    Signals
		want string
	}{
		{"NaN", Signals{Count: 2, Rows: []float32{1, 2, nan, 4}}, "signal 1: element 0 is NaN"},
		{"infinity", Signals{Count: 2, Rows: []float32{1, inf, 3, 4}}, "signal 0: element 1 is +Inf"},
		{"too long", Signals{Count: 2, Rows: []float32{1, 2, 1e10, 4}}, "signal 1: norm 1e+10"},
		{"NaN in the basis", Signals{Count: 1, Rows: []float32{1}, Basis: []float32{1, nan}, Rank: 1, BasisStride: 1}, "basis vector 0: element 1 is NaN"},
	}
	for _, test := range signals {
		for name, c := range coders(d, Options{Atoms: 2}) {
			if _, err := c.Code(context.Background(), &test.s, nil); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("signals with %s: %s: error %v, want one with %q", test.name, name, err, test.want)
			}
		}
	}
}

func TestCancel(t *testing.T) {
	d, s := synthetic(t, rand.New(rand.NewPCG(7, 8)), 100, 16, 1500, 0, Rows)
	for name, c := range coders(d, Options{Atoms: 4}) {
		ctx, cancel := context.WithCancel(context.Background())
		var heard []int
		_, err := c.Code(ctx, s, func(done int) {
			heard = append(heard, done)
			if done >= 700*4+1400 {
				cancel()
			}
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: error %v, want context.Canceled", name, err)
		}
		if want := []int{700, 1400, 2100, 2800, 3500, 4200}; !slices.Equal(heard, want) {
			t.Errorf("%s: progress %v, want %v", name, heard, want)
		}
		if _, err := c.Code(ctx, s, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: again: error %v, want context.Canceled", name, err)
		}
		// A cancelled batch must not affect later ones.
		last := 0
		codes, err := c.Code(context.Background(), s, func(done int) { last = done })
		if err != nil {
			t.Fatal(err)
		}
		if last != 1500*4 {
			t.Errorf("%s: progress ends with %d, want %d", name, last, 1500*4)
		}
		if fresh := mustCode(t, coders(d, Options{Atoms: 4})[name], s); !reflect.DeepEqual(codes, fresh) {
			t.Errorf("%s: codes after a cancelled batch differ", name)
		}
	}
}

func TestEmptyBatch(t *testing.T) {
	d := mustDictionary(t, []float32{1, 0, 0, 1}, 2, 2)
	for name, c := range coders(d, Options{Atoms: 2}) {
		if codes := mustCode(t, c, &Signals{}); codes.Count != 0 || len(codes.Support) != 0 {
			t.Errorf("%s: %d codes of no signals", name, codes.Count)
		}
	}
}
