package report

import (
	"cmp"
	"math"
	"math/rand/v2"
	"testing"
)

// BenchmarkRanker ranks the images of a pair, of 50,000 images.
func BenchmarkRanker(b *testing.B) {
	const images = 50_000
	random := rand.New(rand.NewPCG(1, 2))
	c := newColumns(1, images)
	c.spreadOf(1)
	r := &ranker{columns: c, spans: c.spans(), norms: make([]float32, images), far: make([]float32, images), bins: make([]uint16, images), top: make([]int32, strengthImages)}
	values := make([]float32, images)
	for i := range values {
		values[i] = float32(math.Exp(0.7*random.NormFloat64()) - 0.3)
		r.norms[i] = float32(math.Sqrt(float64(values[i] * values[i])))
	}
	start := processTime()
	for b.Loop() {
		if err := cmp.Or(r.add(0, values, r.norms), r.addFarness(0, values, 1)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64((processTime()-start).Nanoseconds())/float64(b.N)/images, "ns/image")
}
