package omp

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/par"
)

func BenchmarkCode(b *testing.B) {
	const words, dims, atoms = 4000, 512, 32
	for _, count := range []int{1, 64, 1024} {
		for _, rank := range []int{0, 64} {
			d, s := synthetic(b, rand.New(rand.NewPCG(1, 2)), words, dims, count, rank, Columns)
			for name, c := range coders(d, Options{Atoms: atoms, Team: par.NewTeam(runtime.NumCPU())}) {
				b.Run(fmt.Sprintf("%s/signals=%d/rank=%d", name, count, rank), func(b *testing.B) {
					mustCode(b, c, s) // computes the Gram matrix
					b.ResetTimer()
					for range b.N {
						mustCode(b, c, s)
					}
					b.ReportMetric(float64(b.N*count)/b.Elapsed().Seconds(), "signals/s")
				})
			}
		}
	}
}

// BenchmarkFiles is our half of scripts/bench_sparse.py: it codes a folder's
// signals.npy over its atoms.npy, reports the time of the preparation and of the
// coding, and writes support.npy and coefficients.npy, both [signals, atoms], to the
// same folder. CLIPNH_BENCH_SPARSE is the folder, CLIPNH_BENCH_ATOMS the number of
// atoms, and CLIPNH_BENCH_ENGINE the engine (gram, sweep, or empty to choose one).
func BenchmarkFiles(b *testing.B) {
	folder := os.Getenv("CLIPNH_BENCH_SPARSE")
	if folder == "" {
		b.Skip("CLIPNH_BENCH_SPARSE names no folder")
	}
	read := func(name string) ([]float32, int, int) {
		data, shape, err := npy.ReadFloat32(filepath.Join(folder, name))
		if err != nil {
			b.Fatal(err)
		}
		return data, shape[0], shape[1]
	}
	atoms, err := strconv.Atoi(os.Getenv("CLIPNH_BENCH_ATOMS"))
	if err != nil {
		b.Fatal(err)
	}
	dictionary, words, dims := read("atoms.npy")
	rows, count, _ := read("signals.npy")
	for range b.N {
		start := time.Now()
		d := mustDictionary(b, dictionary, words, dims)
		o := Options{Atoms: atoms, Signals: 147456, Team: par.NewTeam(runtime.NumCPU())}
		switch engine := os.Getenv("CLIPNH_BENCH_ENGINE"); engine {
		case "":
		case "gram", "sweep":
			o.Signals = map[string]int{"gram": 1 << 30, "sweep": 0}[engine]
		default:
			b.Fatalf("engine %q", engine)
		}
		c, err := NewCoder(d, o)
		if err != nil {
			b.Fatal(err)
		}
		if e, ok := c.engine.(*gram); ok {
			if err := e.build(context.Background(), c.team); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(time.Since(start).Seconds(), "s-preparation")
		start = time.Now()
		codes := mustCode(b, c, &Signals{Count: count, Rows: rows})
		b.ReportMetric(time.Since(start).Seconds(), "s-coding")
		write := func(name string, save func(f *os.File) error) {
			f, err := os.Create(filepath.Join(folder, name))
			if err != nil {
				b.Fatal(err)
			}
			if err := save(f); err != nil {
				b.Fatal(err)
			}
			if err := f.Close(); err != nil {
				b.Fatal(err)
			}
		}
		shape := []int{count, atoms}
		write("support.npy", func(f *os.File) error { return npy.Write(f, shape, codes.Support) })
		write("coefficients.npy", func(f *os.File) error { return npy.WriteFloat32(f, shape, codes.Coefficients) })
	}
}
