package lowrank

import (
	"math"
	"math/big"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/clipnh/clipnh/internal/par"
)

// TestExtremes checks that pairs computed from sums and extremes have the same bits
// as pairs computed from all scores, for skewed and for equal scores, and for fewer
// and more images than scores are kept.
func TestExtremes(t *testing.T) {
	const heads, neurons, outDim = 2, 150, 5
	random := rand.New(rand.NewPCG(1, 2))
	draws := map[string]func() float32{
		"skewed":     func() float32 { return float32(random.ExpFloat64()) },
		"few values": func() float32 { return float32(random.IntN(4)) },
		"constant":   func() float32 { return 3 },
		"opposite":   func() float32 { return -float32(random.ExpFloat64()) },
	}
	for name, draw := range draws {
		for _, test := range []struct{ images, keep, topK int }{
			{1, 10, 10}, {9, 10, 10}, {10, 10, 10}, {15, 10, 10}, {20, 10, 7}, {33, 10, 10}, {500, 10, 10}, {500, 50, 20}, {5, 4, 1}, {6, 10, 20},
		} {
			s := Scores{Images: test.images, Heads: heads, Neurons: neurons, Data: make([]float32, test.images*heads*neurons)}
			for i := range s.Data {
				s.Data[i] = draw()
			}
			directions, bias := make([]float32, neurons*outDim), make([]float32, outDim)
			for i := range directions {
				directions[i] = float32(random.NormFloat64())
			}
			for _, team := range []par.Team{par.NewTeam(1), par.NewTeam(3)} {
				e := NewExtremes(heads*neurons, test.keep)
				for lo := 0; lo < s.Images; {
					n := min(s.Images-lo, 1+random.IntN(40))
					e.Add(s.Data[lo*heads*neurons:(lo+n)*heads*neurons], team)
					lo += n
				}
				for head := range heads {
					want := NewResult(neurons, outDim, s.Images, test.topK)
					got := NewResult(neurons, outDim, s.Images, test.topK)
					if err := Pairs(want, s, head, directions, bias, test.topK, team); err != nil {
						t.Fatal(err)
					}
					if err := e.PairsOf(got, head, directions, bias, test.topK, team); err != nil {
						t.Fatal(err)
					}
					if !reflect.DeepEqual(got, want) {
						t.Errorf("%s, %+v: head %d differs from all scores'", name, test, head)
					}
				}
			}
		}
	}
}

func TestExtremesPanics(t *testing.T) {
	e := NewExtremes(3, 2)
	e.Add(make([]float32, 9), par.NewTeam(1))
	defer func() {
		if recover() != "lowrank: not enough scores were kept" {
			t.Error("no panic with 2 scores kept and 3 images requested")
		}
	}()
	e.PairsOf(NewResult(3, 1, 3, 3), 0, make([]float32, 3), make([]float32, 1), 3, par.NewTeam(1))
}

func BenchmarkExtremes(b *testing.B) {
	const pairs, images = 48 * 3072, 32
	random := rand.New(rand.NewPCG(1, 2))
	scores := make([]float32, pairs*images)
	e := NewExtremes(pairs, 50)
	for b.Loop() {
		b.StopTimer()
		for i := range scores {
			scores[i] = random.Float32()
		}
		b.StartTimer()
		e.Add(scores, par.NewTeam(2))
	}
	b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N*images), "ms/image")
}

// TestMerge checks that merged statistics of parts of the images have the same bits
// as the statistics of all images, for scores of very different sizes.
func TestMerge(t *testing.T) {
	const pairs, images = 70, 90
	random := rand.New(rand.NewPCG(3, 4))
	scores := make([]float32, pairs*images)
	for i := range scores {
		scores[i] = float32(random.NormFloat64() * math.Pow(10, float64(random.IntN(9)-6)))
		if i%7 == 0 {
			scores[i] = float32(random.IntN(3)) // ties
		}
	}
	for _, keep := range []int{1, 10, 40, 200} {
		all := NewExtremes(pairs, keep)
		all.Add(scores, par.NewTeam(1))
		for _, cuts := range [][]int{{90}, {1, 89}, {30, 60}, {30, 30, 30}, {5, 6, 7, 8, 64}} {
			merged := NewExtremes(pairs, keep)
			first := 0
			for _, n := range cuts {
				part := NewExtremes(pairs, keep)
				part.Add(scores[first*pairs:(first+n)*pairs], par.NewTeam(2))
				merged.Merge(part, par.NewTeam(2))
				first += n
			}
			if !reflect.DeepEqual(merged, all) {
				t.Errorf("the %d most extreme of parts of %v images differ from those of all", keep, cuts)
			}
		}
	}
}

// TestSums checks that sums do not depend on the order, that they are as close to the
// true sum as float64 allows, and that NaN and infinite values give a NaN or infinite
// sum.
func TestSums(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for _, size := range []float64{1e-8, 1e-3, 1, 700} {
		values := make([]float32, 10000)
		exact := new(big.Float).SetPrec(300)
		for i := range values {
			values[i] = float32(size * (random.NormFloat64() + 0.3))
			exact.Add(exact, big.NewFloat(float64(values[i])))
		}
		want, _ := exact.Float64()
		got := sumOf(values)
		if math.Abs(got-want) > float64(len(values))*0x1p-53+1e-15*math.Abs(want) {
			t.Errorf("values about %g: sum %g, want %g", size, got, want)
		}
		for range 5 {
			random.Shuffle(len(values), func(i, j int) { values[i], values[j] = values[j], values[i] })
			if again := sumOf(values); again != got {
				t.Errorf("values about %g: sum %g in another order, %g before", size, again, got)
			}
		}
	}
	for _, odd := range []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))} {
		if sum := sumOf([]float32{1, odd, 2}); isFinite(sum) {
			t.Errorf("sum with %g is %g", odd, sum)
		}
	}
}
