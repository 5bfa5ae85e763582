package omp

import (
	"math"
	"reflect"
	"slices"
	"testing"

	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/testutil"
)

// goldenTolerance is the manifest's, for codes and residuals.
const goldenTolerance = 1e-3

// goldenFloats reads a golden array of vectors, and returns their number and length.
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
	m, err := a.ReadSparse(1<<20, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	m = m.Rowwise()
	want := Sparse{Starts: m.Starts}
	for i := range len(m.Starts) - 1 { // indices may be in any order
		words, values := m.Slice(i)
		order := make([]int, len(words))
		for j := range order {
			order[j] = j
		}
		slices.SortFunc(order, func(a, b int) int { return int(words[a] - words[b]) })
		for _, j := range order {
			want.Indices, want.Data = append(want.Indices, words[j]), append(want.Data, values[j])
		}
	}
	return want
}

func TestGolden(t *testing.T) {
	const atoms = 8
	tests := []struct {
		name, directions, codes string
		by                      Normalization
		residuals               bool // whether there are golden residuals
	}{
		{"pairs", "pc0_nh.npy", "codes_nh_ref", Columns, true},
		{"pairs, unit rows", "pc0_nh.npy", "codes_nh_rows", Rows, true},
		{"neurons", "pc0_n.npy", "codes_n_ref", Columns, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := goldenDictionary(t, test.by)
			directions, n, _ := goldenFloats(t, test.directions)
			for name, c := range coders(d, Options{Atoms: atoms, Team: par.NewTeam(2)}) {
				codes := mustCode(t, c, &Signals{Count: n, Rows: directions})
				got, want := CSR(codes), goldenSparse(t, test.codes+".npz")
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
			t.Errorf("%s: not all are stable; TestGolden must skip some", name)
		}
	}
}

// TestGoldenFactored codes the golden directions in a basis that represents them
// exactly: dimensions in another order, times powers of two.
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
