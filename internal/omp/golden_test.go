package omp

import (
	"encoding/json"
	"math"
	"os"
	"reflect"
	"slices"
	"strconv"
	"testing"

	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/testutil"
)

// goldenTolerance is the manifest's, for codes and residuals.
const goldenTolerance = 1e-3

// goldenFloats reads a golden array of vectors: how many, and of what length.
func goldenFloats(t *testing.T, name string) (data []float32, count, dims int) {
	t.Helper()
	data, shape, err := npy.ReadFloat32(testutil.Golden(name))
	if err != nil {
		t.Fatal(err)
	}
	dims = shape[len(shape)-1]
	return data, len(data) / dims, dims
}

// goldenDictionary is the dictionary of the golden words.
func goldenDictionary(t *testing.T, by Normalization) *Dictionary {
	t.Helper()
	atoms, words, dims := goldenFloats(t, "text/words.npy")
	Normalize(atoms, words, dims, by)
	return mustDictionary(t, atoms, words, dims)
}

// goldenSparse reads a matrix that SciPy saved.
func goldenSparse(t *testing.T, name string) Sparse {
	t.Helper()
	a, err := npy.OpenArchive(testutil.Golden(name))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	read := func(name string) *npy.Array {
		array, err := a.Read(name)
		if err != nil {
			t.Fatal(err)
		}
		return array
	}
	ints := func(name string) []int32 {
		wide, err := read(name).Int64()
		if err != nil {
			t.Fatal(err)
		}
		out := make([]int32, len(wide))
		for i, v := range wide {
			out[i] = int32(v)
		}
		return out
	}
	data, err := read("data").Float32()
	if err != nil {
		t.Fatal(err)
	}
	return Sparse{Data: data, Indices: ints("indices"), Starts: ints("indptr")}
}

func TestGolden(t *testing.T) {
	const atoms = 8
	tests := []struct {
		name, directions, codes string
		by                      Normalization
		compress                func(...*Codes) Sparse // as the file is
		residuals               bool                   // are there
	}{
		{"pairs", "pc0_nh.npy", "codes_nh_ref", Columns, CSC, true},
		{"pairs, unit rows", "pc0_nh.npy", "codes_nh_rows", Rows, CSC, true},
		{"neurons", "pc0_n.npy", "codes_n_ref", Columns, CSR, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := goldenDictionary(t, test.by)
			directions, n, _ := goldenFloats(t, test.directions)
			for name, c := range coders(d, Options{Atoms: atoms, Team: par.NewTeam(2)}) {
				codes := mustCode(t, c, &Signals{Count: n, Rows: directions})
				got, want := test.compress(codes), goldenSparse(t, test.codes+".npz")
				if !slices.Equal(got.Starts, want.Starts) || !slices.Equal(got.Indices, want.Indices) {
					t.Errorf("%s: supports differ", name)
					continue
				}
				if err := testutil.Far(got.Data, want.Data, goldenTolerance); err != nil {
					t.Errorf("%s: coefficients: %v", name, err)
				}
				if i := slices.IndexFunc(codes.Stops, func(s Stop) bool { return s != Full }); i >= 0 {
					t.Errorf("%s: signal %d: stop %s, want full", name, i, codes.Stops[i])
				}
				if !test.residuals {
					continue
				}
				residuals, _, _ := goldenFloats(t, test.codes+"_residual.npy")
				if err := testutil.Far(codes.Residuals, residuals, goldenTolerance); err != nil {
					t.Errorf("%s: residuals: %v", name, err)
				}
			}
		})
	}
}

// TestGoldenStable checks what TestGolden relies on: that float32 and float64
// choose the same atoms for every golden signal.
func TestGoldenStable(t *testing.T) {
	for _, name := range []string{"codes_nh_ref_stable.npy", "codes_nh_rows_stable.npy"} {
		mask, err := npy.ReadFile(testutil.Golden(name))
		if err != nil {
			t.Fatal(err)
		}
		stable, err := mask.Bool()
		if err != nil {
			t.Fatal(err)
		}
		if slices.Contains(stable, false) {
			t.Errorf("%s: not all are stable; TestGolden has to leave some out", name)
		}
	}
}

// TestGoldenFactored codes the golden directions in a basis in which they are
// exact: dimensions in another order, times powers of two.
func TestGoldenFactored(t *testing.T) {
	const stride = 40
	directions, n, dims := goldenFloats(t, "pc0_nh.npy")
	s := &Signals{Count: n, Rows: make([]float32, n*dims), Basis: make([]float32, dims*stride), Rank: dims, BasisStride: stride}
	for o := range dims {
		j := (o*7 + 3) % dims // 7 and 32 have no common factor
		f := math.Ldexp(1, o%5-2)
		s.Basis[o*stride+j] = float32(f)
		for i := range n {
			s.Rows[i*dims+j] = directions[i*dims+o] / float32(f)
		}
	}
	d := goldenDictionary(t, Columns)
	for name, c := range coders(d, Options{Atoms: 8}) {
		want := mustCode(t, c, &Signals{Count: n, Rows: directions})
		if got := mustCode(t, c, s); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: codes with a basis differ from those without", name)
		}
	}
}

// TestGoldenRanked compares codes by descending coefficient with the
// descriptions that the reference writes.
func TestGoldenRanked(t *testing.T) {
	text, err := os.ReadFile(testutil.Golden("codes_nh_descriptions.json"))
	if err != nil {
		t.Fatal(err)
	}
	var want map[string][][3]any // word index, coefficient, word
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	if len(want) == 0 {
		t.Fatal("no descriptions")
	}
	directions, n, _ := goldenFloats(t, "pc0_nh.npy")
	c := coders(goldenDictionary(t, Columns), Options{Atoms: 8})["sweep"]
	codes := mustCode(t, c, &Signals{Count: n, Rows: directions})
	for key, entries := range want {
		unit, err := strconv.Atoi(key)
		if err != nil {
			t.Fatal(err)
		}
		words, coefficients := codes.Ranked(unit)
		if len(words) != len(entries) {
			t.Fatalf("unit %d: %d words, want %d", unit, len(words), len(entries))
		}
		for i, e := range entries {
			word, c := int32(e[0].(float64)), e[1].(float64)
			if word != words[i] || math.Abs(c-float64(coefficients[i])) > goldenTolerance*math.Abs(c) {
				t.Errorf("unit %d: entry %d: word %d times %g, want %d times %g", unit, i, words[i], coefficients[i], word, c)
			}
		}
	}
}
