//go:build unix

package segment

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/clipnh/clipnh/configs"
	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/heat"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
)

// BenchmarkSegment times what segmentation adds to its tower passes: an image of
// 512x384 pixels, PASCAL Context's 59 classes, the 20,000 closest pairs of each,
// method by method, in turn with the bare tower on the same windows. It needs a
// checkpoint and directions,
//
//	CLIPNH_BENCH_MODEL=RN50x16.pt CLIPNH_BENCH_PCS=pc0.npy go test -run '^$' -bench Segment ./internal/pipeline
//
// and reports medians, as a multiple of the tower's: of wall time, and of processor
// time, which other programs disturb less.
func BenchmarkSegment(b *testing.B) {
	path, pcs := os.Getenv("CLIPNH_BENCH_MODEL"), os.Getenv("CLIPNH_BENCH_PCS")
	if path == "" || pcs == "" {
		b.Skip("CLIPNH_BENCH_MODEL and CLIPNH_BENCH_PCS name no files")
	}
	ctx, threads := context.Background(), runtime.GOMAXPROCS(0)
	m, err := model.OpenWith(ctx, path, model.Details{})
	if err != nil {
		b.Fatal(err)
	}
	defer m.Close()
	setup, err := configs.ReadSegmentation("context59")
	if err != nil {
		b.Fatal(err)
	}
	img := &imageprep.RGB{W: 512, H: 384, Pix: make([]byte, 3*512*384)}
	for i := range img.Pix {
		img.Pix[i] = byte(i * i >> 7)
	}
	bare, err := clip.NewResNetTower(m.Checkpoint, clip.ImageOptions{Batch: 1, Threads: threads})
	if err != nil {
		b.Fatal(err)
	}
	texts := filepath.Join(b.TempDir(), "texts.npy")
	rows := make([]float32, len(setup.Classes)*m.Config.OutDim)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range rows {
		rows[i] = float32(r.NormFloat64())
	}
	f, err := os.Create(texts)
	if err == nil {
		err = errors.Join(npy.WriteFloat32(f, []int{len(setup.Classes), m.Config.OutDim}, rows), f.Close())
	}
	if err != nil {
		b.Fatal(err)
	}
	for _, methods := range [][]heat.Method{{heat.ByPairs}, {heat.ByPairs, heat.ByHeads, heat.ByNeurons}, {heat.ByValues}} {
		b.Run(fmt.Sprint(methods), func(b *testing.B) {
			o := &Options{
				Threads: threads, Texts: Texts{TextsPath: texts}, Scenes: Scenes{Paths: []string{path}},
				Heat: Heat{Setup: setup, PCsPath: pcs, SimBlock: -1, Methods: methods},
			}
			result := &Result{Classes: make([]string, len(setup.Classes))}
			s, err := newSegmenter(ctx, o, m, result, pipelinetest.Silent())
			if err != nil {
				b.Fatal(err)
			}
			sc := &sceneToRead{scaled: img, width: img.W, height: img.H}
			t := newTally(o.methodNames(), result)
			image := make([]float32, bare.ImageLen())
			features := make([]float32, m.Config.OutDim)
			var wall, cpu []float64
			for b.Loop() {
				before := result.Windows
				whole := timed(func() {
					if err := s.scene(ctx, sc, t); err != nil {
						b.Fatal(err)
					}
				})
				alone := timed(func() {
					for range result.Windows - before {
						if err := bare.Run(image, clip.Output{Features: features}); err != nil {
							b.Fatal(err)
						}
					}
				})
				wall, cpu = append(wall, whole[0]/alone[0]), append(cpu, whole[1]/alone[1])
			}
			b.ReportMetric(median(wall), "wall/tower")
			b.ReportMetric(median(cpu), "cpu/tower")
		})
	}
}

// timed returns the wall and processor seconds that work takes.
func timed(work func()) [2]float64 {
	var before, after syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &before)
	start := time.Now()
	work()
	wall := time.Since(start).Seconds()
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &after)
	return [2]float64{wall, float64(after.Utime.Nano()-before.Utime.Nano()) / 1e9}
}

func median(x []float64) float64 {
	slices.Sort(x)
	return x[len(x)/2]
}
