package report

import (
	"context"
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
	"time"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/omp"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/coding"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
)

// BenchmarkReport makes a report of synthetic scores, with words, components, classes and
// labels, and says how large it is:
//
//	CLIPNH_BENCH_REPORT=48,3072,768,1000 go test -run '^$' -bench Report ./internal/pipeline/report
//
// for heads, neurons, O and images.
func BenchmarkReport(b *testing.B) {
	var heads, neurons, out, images int
	if _, err := fmt.Sscanf(os.Getenv("CLIPNH_BENCH_REPORT"), "%d,%d,%d,%d", &heads, &neurons, &out, &images); err != nil {
		b.Skip("CLIPNH_BENCH_REPORT names no size")
	}
	o := synthetic(b, heads, neurons, out, images)
	o.Threads = runtime.GOMAXPROCS(0)
	for b.Loop() {
		o.Dir = filepath.Join(b.TempDir(), "report")
		in, err := o.open(context.Background(), pipelinetest.Silent())
		if err != nil {
			b.Fatal(err)
		}
		r := rand.New(rand.NewPCG(3, 4))
		in.labelNames, in.labels = in.classNames, make([]int, images)
		for i := range in.labels {
			in.labels[i] = r.IntN(len(in.labelNames))
		}
		m := &builder{inputs: in, say: pipelinetest.Silent(), result: &Result{}}
		if m.folder, err = o.openFolder(in); err != nil {
			b.Fatal(err)
		}
		b.Cleanup(m.folder.release)
		for _, part := range m.steps() {
			start := time.Now()
			if err := part.do(context.Background()); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(time.Since(start).Seconds(), "s-"+part.name)
		}
		var memory runtime.MemStats
		runtime.ReadMemStats(&memory)
		b.ReportMetric(float64(memory.Sys)/1e6, "MB-memory")
		b.ReportMetric(float64(m.folder.bytes)/1e6, "MB")
		b.ReportMetric(float64(m.folder.bytes)/float64(heads*neurons), "B/pair")
		for _, kind := range []string{"n", "i", "t", "h"} {
			b.ReportMetric(sizeOf(b, filepath.Join(o.Dir, "data", kind))/1e6, "MB-"+kind)
		}
		in.close()
	}
}

func sizeOf(t testing.TB, dir string) float64 {
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	total := 0.0
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			t.Fatal(err)
		}
		total += float64(info.Size())
	}
	return total
}

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
	dir := t.TempDir()
	store := new(cache.Store)
	scores := filepath.Join(dir, "scores")
	w, err := store.OpenChunks(scores, cache.Plan{
		Kind: artefact.KindScores, Axes: []string{"B", "H", "C"}, Row: []int{heads, neurons}, DType: npy.Float32, Inputs: images, ChunkInputs: 32, Payload: artefact.ScoresFile,
	}, false)
	if err != nil {
		t.Fatal(err)
	}
	row := heads * neurons
	gain := noise(row, 1)
	for lo := 0; lo < images; lo += 32 {
		n := min(32, images-lo)
		s := make([]float32, n*row)
		for i := range n {
			common := noise(64, 1)
			for u := range row {
				x := float64(common[u%64])*0.5 + r.NormFloat64()
				s[i*row+u] = float32(math.Exp(x*0.7)) * gain[u] * 0.1
			}
		}
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
