package report

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/report"
)

// otherModel has the heads of a in another order, in a space of other dimensions, one replaced and
// one removed.
func otherModel(random *rand.Rand, a *madeHeads, layers, heads, dims int, of []int) *madeHeads {
	b := makeHeads(random, a.images, layers, heads, dims)
	for h, from := range of {
		if from < 0 {
			continue
		}
		for i := range a.images {
			copy(b.factor(i, h), a.factor(i, from))
		}
		// The same matrix in the first dimensions of a larger space: its products are as they were.
		clear(b.matrix(h))
		for k := range madeWidth {
			copy(b.matrix(h)[k*dims:], a.matrix(from)[k*a.dims:(k+1)*a.dims])
		}
	}
	return b
}

// TestCompareHeadsMatched: heads of another architecture are found by what they add; one that
// nothing is like has died, or appeared; and what chance finds is far from what was found.
func TestCompareHeadsMatched(t *testing.T) {
	random := rand.New(rand.NewPCG(2, 2))
	a := makeHeads(random, 80, 2, 3, 16)
	of := []int{4, 2, -1, 0, 5, 1, -1, 3}
	b := otherModel(random, a, 4, 2, 24, of)
	for i := range a.images { // nothing is like head 3, and head 6 there is dead
		for k := range madeWidth {
			a.factor(i, 3)[k] = float32(random.NormFloat64())
			b.factor(i, 6)[k] *= 1e-4
		}
	}
	o := CompareOptions{Here: a.factored(t, npy.Float32), There: b.factored(t, npy.Float16)}
	m := compareHeads(t, o)
	if m.By != report.ByCKA || m.Shared != 80 || m.Chance == nil || *m.Chance <= 0 || *m.Chance > 0.3 || m.ThereAlive != 7 {
		t.Fatalf("%+v", m)
	}
	if m.Same != 5 || m.Differ != 0 || len(m.Died) != 1 || m.Died[0].HereName != "l1h0" || m.Died[0].There != report.None || m.Died[0].ThereName != "" {
		t.Errorf("%d are the same, %d differ; died %+v", m.Same, m.Differ, m.Died)
	}
	var appeared []int
	for _, s := range m.Appeared {
		appeared = append(appeared, s.There)
	}
	slices.Sort(appeared)
	if !slices.Equal(appeared, []int{2, 7}) {
		t.Errorf("appeared %v, want the heads 2 and 7", appeared)
	}

	// With noise they differ, and are matched as before.
	for i := range b.factors {
		b.factors[i] += float32(0.4 * random.NormFloat64())
	}
	o.There = b.dense(t)
	m = compareHeads(t, o)
	if m.Differ != 5 || m.Same != 0 {
		t.Fatalf("%d differ, %d are the same", m.Differ, m.Same)
	}
	for _, s := range m.Moved {
		if of[s.There] != s.Here || s.Shift != nil {
			t.Errorf("%s is matched with %s: %+v", s.HereName, s.ThereName, s)
		}
		want := directCKA(a.head(s.Here, all(80)), b.head(s.There, all(80)))
		if math.Abs(s.Similarity-want) > 1e-5 {
			t.Errorf("%s and %s: CKA %g, want %g", s.HereName, s.ThereName, s.Similarity, want)
		}
	}
	if !slices.IsSortedFunc(m.Moved, func(x, y report.HeadShift) int { return int(math.Copysign(1, x.Similarity-y.Similarity)) }) {
		t.Errorf("not by the lowest first: %+v", m.Moved)
	}
	chance := *m.Chance
	o.Seed = 9
	if m = compareHeads(t, o); *m.Chance == chance {
		t.Errorf("what chance finds does not depend on the seed")
	}

	// Of one architecture too where that is asked for, or where the models' names say that they are two.
	c := otherModel(random, a, 2, 3, 16, []int{5, 4, 3, 2, 1, 0})
	o = CompareOptions{Here: o.Here, There: c.factored(t, npy.Float32), Match: true}
	if m = compareHeads(t, o); m.By != report.ByCKA || m.Same != 6 {
		t.Errorf("by %s %d are the same", m.By, m.Same)
	}
	axes, shape := []string{"B", "L", "H", artefact.FactorAxis}, []int{2, 3, madeWidth}
	o.Match = false
	if m = compareHeads(t, o); m.By != report.ByHead || m.Same != 0 {
		t.Errorf("by %s %d are the same", m.By, m.Same)
	}
	o.Here = a.write(t, a.factors, npy.Float32, axes, shape, a.matrices, origin.Origin{Model: "ViT-B-32"})
	o.There = c.write(t, c.factors, npy.Float32, axes, shape, c.matrices, origin.Origin{Model: "ViT-B-16"})
	if m = compareHeads(t, o); m.By != report.ByCKA || m.Same != 6 {
		t.Errorf("of two architectures of one size: by %s %d are the same", m.By, m.Same)
	}
}

// BenchmarkCompareHeads compares two models of the size of ViT-B: by name, and by matching all heads
// with all.
func BenchmarkCompareHeads(b *testing.B) {
	const images = 4000
	random := rand.New(rand.NewPCG(6, 6))
	made := makeWide(random, images, 12, 12, decomp.FactorWidth(64), 512)
	o := CompareOptions{Here: made.factored(b, npy.Float16), There: made.factored(b, npy.Float16), Threads: 2}
	for _, o.Match = range []bool{false, true} {
		b.Run(map[bool]string{false: "by name", true: "matched"}[o.Match], func(b *testing.B) {
			used := processTime()
			for b.Loop() {
				if _, err := CompareHeads(context.Background(), o, pipelinetest.Silent()); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64((processTime()-used).Milliseconds())/float64(b.N)/images, "cpu-ms/image")
		})
	}
}
