package lowrank

import (
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/clipnh/clipnh/internal/par"
)

// TestExtremes holds that pairs computed from sums and extremes have the bits of
// those computed from all scores, for skewed scores, equal ones, and fewer or
// more images than are kept.
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
		if recover() != "lowrank: too few scores were kept" {
			t.Error("no panic where 2 scores are kept and 3 images are asked for")
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
