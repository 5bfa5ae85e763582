package lowrank

import (
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/clipnh/clipnh/internal/par"
)

// The size of RN50x16 over 1,000 images.
const benchB, benchH, benchC, benchO, benchK = 1000, 48, 3072, 768, 50

func random(n int) []float32 {
	rng := rand.New(rand.NewPCG(1, uint64(n)))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.Float64()+rng.Float64()+rng.Float64()) - 1.5
	}
	return x
}

func benchScores() Scores {
	return Scores{Images: benchB, Heads: benchH, Neurons: benchC, Data: random(benchB * benchH * benchC)}
}

// BenchmarkPairs runs all heads of the model, all with the directions of one head.
func BenchmarkPairs(b *testing.B) {
	s, v, bias := benchScores(), random(benchC*benchO), random(benchO)
	team := par.NewTeam(runtime.GOMAXPROCS(0))
	r := NewResult(benchC, benchO, benchB, benchK)
	for b.Loop() {
		for h := range benchH {
			if err := Pairs(r, s, h, v, bias, benchK, team); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(benchH*benchC)*float64(b.N)/b.Elapsed().Seconds(), "units/s")
}

// BenchmarkNeurons runs all neurons of the model, 128 at a time with the same
// directions.
func BenchmarkNeurons(b *testing.B) {
	const units = 128
	s, v, bias := benchScores(), random(benchH*units*benchO), random(benchO)
	team := par.NewTeam(runtime.GOMAXPROCS(0))
	r := NewResult(units, benchO, benchB, benchK)
	for b.Loop() {
		for first := 0; first < benchC; first += units {
			if err := Neurons(r, s, first, v, bias, Options{benchK, 0}, team); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(benchC*float64(b.N)/b.Elapsed().Seconds(), "units/s")
}

func BenchmarkDense(b *testing.B) {
	const units = 64
	rows := random(benchB * units * benchO)
	team := par.NewTeam(runtime.GOMAXPROCS(0))
	r := NewResult(units, benchO, benchB, benchK)
	for b.Loop() {
		if err := Dense(r, rows, benchB, Options{benchK, 0}, team); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(units*float64(b.N)/b.Elapsed().Seconds(), "units/s")
}
