package score

import (
	"bufio"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/describe"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/omp"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
)

// BenchmarkScore measures random pairs on random scores. CLIPNH_BENCH_SCORE=RN50x16
// makes them as many as that model has: 147,456 pairs, 1,000 images, 10,000 words of
// 768 dimensions, which takes 1.1 GB below TMPDIR.
func BenchmarkScore(b *testing.B) {
	H, C, O, B, M := 12, 768, 192, 300, 2000
	if os.Getenv("CLIPNH_BENCH_SCORE") == "RN50x16" {
		H, C, O, B, M = 48, 3072, 768, 1000, 10000
	}
	o := synthetic(b, H, C, O, B, M)
	for _, way := range []Way{{describe.Nearest, omp.Rows}, {describe.OMP, omp.None}, {describe.NonNegative, omp.None}} {
		b.Run(way.String(), func(b *testing.B) {
			o := o
			o.Ways, o.Components, o.Threads = []Way{way}, 8, runtime.NumCPU()
			for range b.N {
				measureOf(b, o)
			}
			b.ReportMetric(float64(b.N*H*C)/b.Elapsed().Seconds(), "pairs/s")
		})
	}
}

// synthetic writes random weights, scores and words, with the components that follow.
func synthetic(b *testing.B, H, C, O, B, M int) Options {
	random := rand.New(rand.NewPCG(9, 9))
	normal := func(n int) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(random.NormFloat64())
		}
		return x
	}
	ov := decomp.NewOV(H, normal(C*C), normal(C), normal(O*C), normal(O))
	dir := b.TempDir()
	o := Options{PCsPath: filepath.Join(dir, "pcs.npy"), EmbeddingsPath: filepath.Join(dir, "words.npy"), WordsPath: "words"}
	names := make([]string, B)
	for i := range names {
		names[i] = fmt.Sprint(i)
	}
	o.ScoresPath = pipelinetest.ScoresOf(b, ov, names, normal(B*H*C), origin.Origin{})
	for i := range M {
		o.Words = append(o.Words, fmt.Sprint("word ", i))
	}
	f, err := os.Create(o.EmbeddingsPath)
	if err == nil {
		err = errors.Join(npy.WriteFloat32(f, []int{M, O}, normal(M*O)), f.Close())
	}
	if err != nil {
		b.Fatal(err)
	}
	if f, err = os.Create(o.PCsPath); err != nil {
		b.Fatal(err)
	}
	w := bufio.NewWriter(f)
	if _, err := w.Write(npy.AppendHeader(nil, npy.Float32, []int{H, C, O})); err != nil {
		b.Fatal(err)
	}
	v := make([]float32, C*O)
	for h := range H {
		ov.Directions(v, h, 0, C, par.NewTeam(runtime.NumCPU()))
		for n := range C {
			row := v[n*O:][:O]
			norm := float32(math.Sqrt(dot(row, row)))
			for i := range row {
				row[i] /= norm
			}
		}
		if err := artefact.Put(w, v); err != nil {
			b.Fatal(err)
		}
	}
	if err := errors.Join(w.Flush(), f.Close()); err != nil {
		b.Fatal(err)
	}
	return o
}
