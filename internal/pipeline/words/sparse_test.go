package words

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/omp"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/pipeline/coding"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/testutil"
	"github.com/clipnh/clipnh/internal/textlist"
)

// codeRounding is the goldens' tolerance for codes and residuals.
const codeRounding = 1e-3

// goldenCoding codes golden directions with eight golden words.
func goldenCoding(t testing.TB, pcs string) coding.Options {
	t.Helper()
	path := testutil.Golden("text/words.txt")
	words, err := textlist.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return coding.Options{
		PCsPath: testutil.Golden(pcs), EmbeddingsPath: testutil.Golden("text/words.npy"),
		Words: words, WordsPath: path, Components: 8, Threads: 2,
	}
}

// sparseInto are options to write both outputs to a folder.
func sparseInto(dir string, o coding.Options) SparseOptions {
	return SparseOptions{Options: o, DescriptionsPath: filepath.Join(dir, "texts.json"), DecompositionPath: filepath.Join(dir, "codes.npz")}
}

func runSparse(t testing.TB, o SparseOptions) *SparseResult {
	t.Helper()
	result, err := Sparse(context.Background(), o, pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// files returns the contents of a folder's files but for locks.
func files(t testing.TB, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, e := range entries {
		if e.IsDir() {
			all[e.Name()] = "a folder"
			continue
		}
		if data, err := os.ReadFile(filepath.Join(dir, e.Name())); err != nil {
			t.Fatal(err)
		} else if !strings.HasSuffix(e.Name(), ".lock") {
			all[e.Name()] = string(data)
		}
	}
	return all
}

func readSparse(t testing.TB, path string) *npy.Sparse {
	t.Helper()
	a, err := npy.OpenArchive(path)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	m, err := a.ReadSparse(1<<12, 1<<12)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// descriptions reads units' words as the reference has them: index, coefficient,
// word.
func descriptions(t testing.TB, path string) map[string][][3]any {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var all map[string][][3]any
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestSparse compares codes with those that scikit-learn found, and holds that
// their bytes do not depend on the number of threads.
func TestSparse(t *testing.T) {
	for _, test := range []struct {
		name, pcs, codes string
		by               omp.Normalization
		residuals        bool // are there
		unit             string
	}{
		{"pairs", "pc0_nh.npy", "codes_nh_ref", omp.Columns, true, "pair"},
		{"pairs, unit rows", "pc0_nh.npy", "codes_nh_rows", omp.Rows, true, "pair"},
		{"neurons", "pc0_n.npy", "codes_n_ref", omp.Columns, false, "neuron"},
	} {
		t.Run(test.name, func(t *testing.T) {
			want := readSparse(t, testutil.Golden(test.codes+".npz"))
			var first map[string]string
			for _, threads := range []int{1, 3} {
				o := goldenCoding(t, test.pcs)
				o.Normalize, o.Threads = test.by, threads
				dir := t.TempDir()
				result := runSparse(t, sparseInto(dir, o))
				if result.Unit != test.unit || result.Units != want.Rows || result.Stops["full"] != want.Rows || result.Complete {
					t.Errorf("result %+v", result)
				}
				m := readSparse(t, filepath.Join(dir, "codes.npz"))
				if m.ByRow {
					t.Error("compressed by rows, want columns")
				}
				got, want := m.Rowwise(), want.Rowwise()
				if !slices.Equal(got.Starts, want.Starts) || !slices.Equal(got.Indices, want.Indices) {
					t.Fatal("other words than scikit-learn's")
				}
				if err := testutil.Far(got.Data, want.Data, codeRounding); err != nil {
					t.Errorf("coefficients: %v", err)
				}
				d, err := (artefact.Reader{}).Codes(filepath.Join(dir, "codes.npz"), nil)
				if err != nil {
					t.Fatal(err)
				}
				if test.residuals {
					residuals, _ := pipelinetest.ReadGolden(t, test.codes+"_residual.npy")
					if err := testutil.Far(d.Residuals, residuals, codeRounding); err != nil {
						t.Errorf("residuals: %v", err)
					}
				}
				sum := 0.0
				for _, r := range d.Residuals {
					sum += float64(r)
				}
				if mean := sum / float64(len(d.Residuals)); math.Abs(mean-*result.Residual) > 1e-12 {
					t.Errorf("mean residual %g, want %g", *result.Residual, mean)
				}
				all := files(t, dir)
				if len(all) != 4 {
					t.Errorf("%d files, want both outputs and their manifests", len(all))
				}
				if first == nil {
					first = all
				}
				if !reflect.DeepEqual(all, first) {
					t.Errorf("other bytes with %d threads", threads)
				}
			}
		})
	}
}

// TestSparseDescriptions compares the JSON with the reference's.
func TestSparseDescriptions(t *testing.T) {
	dir := t.TempDir()
	runSparse(t, sparseInto(dir, goldenCoding(t, "pc0_nh.npy")))
	want, got := descriptions(t, testutil.Golden("codes_nh_descriptions.json")), descriptions(t, filepath.Join(dir, "texts.json"))
	if len(got) != 1024 || len(want) == 0 {
		t.Errorf("%d units, want 1024; %d golden ones", len(got), len(want))
	}
	for unit, entries := range want {
		if len(got[unit]) != len(entries) {
			t.Fatalf("unit %s: %d words, want %d", unit, len(got[unit]), len(entries))
		}
		for i, e := range entries {
			g := got[unit][i]
			if g[0] != e[0] || g[2] != e[2] || math.Abs(g[1].(float64)-e[1].(float64)) > codeRounding*math.Abs(entries[0][1].(float64)) {
				t.Errorf("unit %s: entry %d: %v, want %v", unit, i, g, e)
			}
		}
	}
}

// TestSparseUnits codes some units only: each as if all were coded, the others
// zero.
func TestSparseUnits(t *testing.T) {
	whole, some := t.TempDir(), t.TempDir()
	o := goldenCoding(t, "pc0_nh.npy")
	runSparse(t, sparseInto(whole, o))
	o.Units = []string{"h3n255", "n7", "h0n7"}
	units := []int{7, 256 + 7, 2*256 + 7, 3*256 + 7, 3*256 + 255}
	if result := runSparse(t, sparseInto(some, o)); result.Units != len(units) {
		t.Errorf("%d units, want %d", result.Units, len(units))
	}
	want, got := readSparse(t, filepath.Join(whole, "codes.npz")).Rowwise(), readSparse(t, filepath.Join(some, "codes.npz")).Rowwise()
	if got.Rows != want.Rows || got.Cols != want.Cols {
		t.Fatalf("matrix of %d by %d", got.Rows, got.Cols)
	}
	for u := range want.Rows {
		words, values := got.Slice(u)
		if !slices.Contains(units, u) {
			if len(words) > 0 {
				t.Errorf("unit %d: %d words, want none", u, len(words))
			}
			continue
		}
		if w, v := want.Slice(u); !slices.Equal(words, w) || !slices.Equal(values, v) {
			t.Errorf("unit %d: words %v %v, want %v %v", u, words, values, w, v)
		}
	}
	a, b := descriptions(t, filepath.Join(some, "texts.json")), descriptions(t, filepath.Join(whole, "texts.json"))
	if len(a) != len(units) || !reflect.DeepEqual(a["775"], b["775"]) {
		t.Errorf("%d units described; 775 is %v, want %v", len(a), a["775"], b["775"])
	}
	// The one must not pass for the other.
	o.Units = nil
	if _, err := Sparse(context.Background(), sparseInto(some, o), pipelinetest.Silent()); !errors.Is(err, cache.ErrStale) {
		t.Errorf("all units over some: %v, want stale", err)
	}
	redo := sparseInto(some, o)
	redo.Restart = true
	runSparse(t, redo)
	if !reflect.DeepEqual(files(t, some), files(t, whole)) {
		t.Error("started over, it differs from a fresh run")
	}
}

// manyDirections repeats the golden directions, longer each time, so that there
// are several batches and no two are alike.
func manyDirections(t testing.TB, times int) string {
	t.Helper()
	golden, shape := pipelinetest.ReadGolden(t, "pc0_nh.npy")
	var data []float32
	for i := range times {
		for _, x := range golden {
			data = append(data, x*(1+float32(i)/16))
		}
	}
	path := filepath.Join(t.TempDir(), "pcs.npy")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(npy.WriteFloat32(f, []int{times * shape[0], shape[1], shape[2]}, data), f.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestSparseHalf reads embeddings that torch saved in fp16: codes are those of
// the same numbers in a .npy.
func TestSparseHalf(t *testing.T) {
	words, err := (artefact.Reader{}).Embeddings(testutil.Golden("text/words_fp16.pt"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	o := goldenCoding(t, "pc0_nh.npy")
	o.EmbeddingsPath = filepath.Join(t.TempDir(), "words.npy")
	half, err := npy.AppendFloat16(npy.AppendHeader(nil, npy.Float16, []int{words.Texts, words.OutDim}), words.Rows)
	if err != nil {
		t.Fatal(err)
	}
	err = os.WriteFile(o.EmbeddingsPath, half, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	a, b := t.TempDir(), t.TempDir()
	runSparse(t, sparseInto(a, o))
	o.EmbeddingsPath = testutil.Golden("text/words_fp16.pt")
	runSparse(t, sparseInto(b, o))
	if files(t, a)["codes.npz"] != files(t, b)["codes.npz"] {
		t.Error("codes differ")
	}
}

// saveRows writes rows as an artefact of embeddings or directions.
func saveRows(t testing.TB, kind, name string, shape []int, rows []float32, origin origin.Origin) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	_, err := new(cache.Store).Save(path, cache.Manifest{Kind: kind, Shape: shape, Origin: origin}, func(w io.Writer) error {
		return npy.WriteFloat32(w, shape, rows)
	})
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSparseRefuses(t *testing.T) {
	good := goldenCoding(t, "pc0_nh.npy")
	rows, shape := pipelinetest.ReadGolden(t, "text/words.npy")
	hash := cache.ListHash(good.Words)
	embeddings := func(change func(rows []float32), origin origin.Origin) string {
		copied := slices.Clone(rows)
		change(copied)
		return saveRows(t, artefact.KindEmbeddings, "words.npy", shape, copied, origin)
	}
	same := func([]float32) {}
	made := func(texts, weights string) origin.Origin {
		return origin.Origin{Weights: weights, Texts: texts}
	}
	pcs, pcShape := pipelinetest.ReadGolden(t, "pc0_n.npy")
	for name, test := range map[string]struct {
		change func(o *SparseOptions)
		want   string
		is     error
	}{
		"too few words": {func(o *SparseOptions) { o.Words = o.Words[1:] }, "300 words, but " + good.WordsPath + " has 299", nil},
		"other dimensions": {func(o *SparseOptions) {
			o.EmbeddingsPath = saveRows(t, artefact.KindEmbeddings, "w.npy", []int{300, 16}, make([]float32, 4800), made(hash, ""))
		}, "shape 300x16, want [texts,32]", nil},
		"other words": {func(o *SparseOptions) { o.EmbeddingsPath = embeddings(same, made(strings.Repeat("0", 64), "")) }, "texts", cache.ErrStale},
		"not embeddings": {func(o *SparseOptions) {
			o.EmbeddingsPath = saveRows(t, artefact.KindMeans, "w.npy", shape, rows, origin.Origin{})
		}, "it holds mean contributions, want embeddings", cache.ErrStale},
		"not components": {func(o *SparseOptions) {
			o.PCsPath = saveRows(t, artefact.KindMeans, "w.npy", pcShape, pcs, origin.Origin{})
		}, "it holds mean contributions, want principal components", cache.ErrStale},
		"another model": {func(o *SparseOptions) {
			o.EmbeddingsPath = embeddings(same, made(hash, strings.Repeat("1", 64)))
			o.PCsPath = saveRows(t, artefact.KindComponents, "pcs.npy", pcShape, pcs, origin.Origin{Weights: strings.Repeat("2", 64)})
		}, "made with other weights than this run uses", cache.ErrStale},
		"NaN in a word": {func(o *SparseOptions) {
			o.EmbeddingsPath = embeddings(func(rows []float32) { rows[33] = float32(math.NaN()) }, made(hash, ""))
		}, "element [1,1] is NaN", nil},
		"NaN in a component": {func(o *SparseOptions) {
			bad := slices.Clone(pcs)
			bad[64] = float32(math.Inf(1))
			o.PCsPath = saveRows(t, artefact.KindComponents, "pcs.npy", pcShape, bad, origin.Origin{})
		}, "component of n2: element 0 is +Inf", nil},
		"huge component": {func(o *SparseOptions) {
			bad := slices.Clone(pcs)
			bad[64] = 1e20
			o.PCsPath = saveRows(t, artefact.KindComponents, "pcs.npy", pcShape, bad, origin.Origin{})
		}, "from n0 on: signal 2: norm", nil},
		"nothing there": {func(o *SparseOptions) { o.PCsPath = "nowhere.npy" }, "missing", cache.ErrMissing},
		"flat components": {func(o *SparseOptions) {
			o.PCsPath = saveRows(t, artefact.KindComponents, "p.npy", []int{8192}, pcs, origin.Origin{})
		}, "want [H,C,O] of pairs", nil},
		"more words than are": {func(o *SparseOptions) { o.Components = 301 }, "{num-components} 301: ", nil},
		"head too large":      {func(o *SparseOptions) { o.Units = []string{"h4n0"} }, `unit "h4n0": want a pair, h0n0 to h3n255, or all pairs of a neuron, n0 to n255`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			o := sparseInto(t.TempDir(), good)
			test.change(&o)
			_, err := Sparse(context.Background(), o, pipelinetest.Silent())
			if err == nil || !strings.Contains(err.Error(), test.want) || test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("error %v, want one that says %q and is %v", err, test.want, test.is)
			}
			for _, path := range []string{o.DescriptionsPath, o.DecompositionPath} {
				if _, err := os.Stat(path); err == nil {
					t.Errorf("%s was written", path)
				}
			}
		})
	}
}
