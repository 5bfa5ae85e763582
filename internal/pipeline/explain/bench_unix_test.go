//go:build unix

package explain

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/coding"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/testutil"
)

// BenchmarkExplain times what explanations add to the tower's passes, of batches of 8
// images. It needs a checkpoint,
//
//	CLIPNH_BENCH_MODEL=RN50.pt go test -run '^$' -bench Explain ./internal/pipeline/explain
//
// and reports medians of processor time, the whole as a multiple of the tower's. With
// 1,000 classes, no target is kept from one batch to the next, which is the worst case.
func BenchmarkExplain(b *testing.B) {
	path := os.Getenv("CLIPNH_BENCH_MODEL")
	if path == "" {
		b.Skip("CLIPNH_BENCH_MODEL names no file")
	}
	ck, err := clip.OpenWith(path, clip.Details{})
	if err != nil {
		b.Fatal(err)
	}
	defer ck.Close()
	const images = 8
	team := par.NewTeam(runtime.GOMAXPROCS(0))
	pairs, err := ck.Pairs(nil)
	if err != nil {
		b.Fatal(err)
	}
	tower, err := clip.NewPairTower(pairs, clip.ImageOptions{Batch: images, Threads: team.Size()})
	if err != nil {
		b.Fatal(err)
	}
	c := tower.Config()
	r := rand.New(rand.NewPCG(1, 2))
	noise := func(n int) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(r.NormFloat64())
		}
		return x
	}
	pixels := noise(images * tower.ImageLen())
	out := tower.Room(images)
	for _, classes := range []int{3, 1000} {
		b.Run(fmt.Sprint("classes=", classes), func(b *testing.B) {
			e := &explainer{
				o: &Options{Texts: Texts{Classes: make([]string, classes)}, Units: 5, Maps: 6}, team: team, tower: tower,
				texts: noise(classes * c.OutDim), words: &coding.Words{UnitWords: &artefact.UnitWords{}}, usual: &usual{}, class: winner, versus: nobody,
			}
			var bare, whole []float64
			for b.Loop() {
				start := processorTime()
				if err := tower.Run(pixels, out); err != nil {
					b.Fatal(err)
				}
				middle := processorTime()
				if classes > keptTargets {
					e.targets = nil
				}
				if err := e.batch(make([]dataset.Item, images), pixels, out); err != nil {
					b.Fatal(err)
				}
				bare, whole = append(bare, (middle-start).Seconds()), append(whole, (processorTime()-start).Seconds())
				e.waiting = nil
			}
			b.ReportMetric(1e3*median(bare)/images, "tower-ms/image")
			b.ReportMetric(median(whole)/median(bare), "x-tower")
		})
	}
}

func median(x []float64) float64 {
	slices.Sort(x)
	return x[len(x)/2]
}

// processorTime is what the process has taken so far, by all threads.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkSheet is how long a sheet takes to draw and to encode.
func BenchmarkSheet(b *testing.B) {
	o := tinyOptions(pipelinetest.TinyModel(), filepath.Join(testutil.Golden("dataset"), pipelinetest.GoldenNames(b)[0]))
	o.SaveDir, o.Maps = b.TempDir(), 6
	var x *Explanation
	_, err := Run(b.Context(), o, Sink{
		Begin:       func(*Setup) error { return nil },
		Explanation: func(e *Explanation) error { x = e; return nil },
	}, pipelinetest.Silent())
	if err != nil {
		b.Fatal(err)
	}
	x.crop.W, x.crop.H, x.crop.Pix = 224, 224, make([]byte, 3*224*224)
	for i := range x.crop.Pix {
		x.crop.Pix[i] = byte(i * i >> 7)
	}
	for b.Loop() {
		if err := drawSheet(x).WritePNG(io.Discard, sheetMaker); err != nil {
			b.Fatal(err)
		}
	}
}
