package report

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/omp"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/coding"
)

// synthetic writes scores, components, codes, words and classes of a random model.
func synthetic(t testing.TB, heads, neurons, out, images int) Options {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	noise := func(n int, scale float64) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(scale * r.NormFloat64())
		}
		return x
	}
	width := max(neurons/heads, 1)
	ov := decomp.OVFromSlices(heads, neurons, out, noise(heads*width*neurons, 0.05), noise(out*heads*width, 0.05), noise(heads*out, 1e-5))
	dir := cmp.Or(os.Getenv("CLIPNH_BENCH_DIR"), t.TempDir())
	store := new(cache.Store)
	scores := filepath.Join(dir, fmt.Sprintf("scores-%dx%dx%d", heads, neurons, images))
	if _, err := os.Stat(filepath.Join(scores, "manifest.json")); err != nil {
		syntheticScores(t, store, scores, ov, images)
	}
	row := heads * neurons
	o := Options{Store: store, ScoresPath: scores}
	const classes, texts = 1000, 10000
	words := make([]string, texts)
	for i := range words {
		words[i] = fmt.Sprintf("word number %d", i)
	}
	save := func(name string, shape []int, values []float32) string {
		path := filepath.Join(dir, name)
		err := store.WriteFile(path, func(w io.Writer) error { return npy.WriteFloat32(w, shape, values) })
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	o.ClassesPath = save("classes.npy", []int{classes, out}, noise(classes*out, 1))
	directions := ov.AllDirections(par.NewTeam(2))
	o.PCsPath = save("pc0.npy", []int{heads, neurons, out}, directions)
	codes := &omp.Codes{Count: row, Atoms: 8, Words: texts, Sizes: make([]int32, row), Support: make([]int32, row*8), Coefficients: noise(row*8, 1), Residuals: noise(row, 1), Stops: make([]omp.Stop, row)}
	all := make([]int, row)
	for u := range row {
		all[u], codes.Sizes[u] = u, 8
		for i := range 8 {
			for {
				word := int32(math.Pow(r.Float64(), 2) * texts)
				if !slices.Contains(codes.Support[u*8:u*8+i], word) {
					codes.Support[u*8+i] = word
					break
				}
			}
		}
	}
	path := filepath.Join(dir, "codes.npz")
	from := origin.Origin{Texts: cache.ListHash(words), Code: &origin.Code{Components: 8, Heads: heads, Neurons: neurons}}
	if err := artefact.NewCodes(codes, all, row).Save(store, path, from); err != nil {
		t.Fatal(err)
	}
	o.WordsOptions = coding.WordsOptions{
		WordsOptions: artefact.WordsOptions{DecompositionPaths: []string{path}, Words: words}, WordsPath: save("words.npy", []int{1}, []float32{1}),
		EmbeddingsPath: save("embeddings.npy", []int{texts, out}, noise(texts*out, 1)),
	}
	return o
}

// syntheticScores writes scores of a heavy-tailed distribution, in half precision. Some of what
// a score is multiplied with is common to every 64th pair, so that there are neighbours.
func syntheticScores(t testing.TB, store *cache.Store, path string, ov *decomp.OV, images int) {
	t.Helper()
	const chunk = 64
	w, err := store.OpenChunks(path, cache.Plan{
		Kind: artefact.KindScores, Axes: []string{"B", "H", "C"}, Row: []int{ov.Heads, ov.Neurons}, DType: npy.Float16, Inputs: images, ChunkInputs: chunk, Payload: artefact.ScoresFile,
	}, false)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(6, 7))
	row := ov.Heads * ov.Neurons
	team := par.NewTeam(runtime.GOMAXPROCS(0))
	heavy, gain := make([]float32, 1<<16), make([]float32, row) // random numbers take longer to draw than to look up
	for i := range heavy {
		heavy[i] = float32(math.Exp(0.7 * r.NormFloat64()))
	}
	for i := range gain {
		gain[i] = float32(0.1 * r.NormFloat64())
	}
	for lo := 0; lo < images; lo += chunk {
		n := min(chunk, images-lo)
		s := make([]float32, n*row)
		team.For(n, func(first, last, _ int) {
			for i := first; i < last; i++ {
				own := rand.New(rand.NewPCG(5, uint64(lo+i)))
				common := [64]float32{}
				for j := range common {
					common[j] = float32(math.Exp(0.35 * own.NormFloat64()))
				}
				bits := uint64(0)
				for u := range row {
					if u%4 == 0 {
						bits = own.Uint64()
					}
					s[i*row+u] = heavy[bits&0xffff] * common[u%64] * gain[u]
					bits >>= 16
				}
			}
		})
		if err := w.Append(s, nil); err != nil {
			t.Fatal(err)
		}
	}
	names := make([]string, images)
	for i := range names {
		names[i] = fmt.Sprintf("val/%08d.jpg", i)
	}
	list := func(to io.Writer) error {
		_, err := io.WriteString(to, strings.Join(names, "\n")+"\n")
		return err
	}
	if err := w.AddFile(artefact.ImagesFile, list); err != nil {
		t.Fatal(err)
	}
	if err := artefact.AddOV(w, ov, false, par.NewTeam(2)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Finish(); err != nil {
		t.Fatal(err)
	}
}
