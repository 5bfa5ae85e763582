package clip

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/clipnh/clipnh/internal/kernel"
)

// textsOf are prefixes of n random texts of up to 20 tokens, and random queries, keys and
// values for them.
func textsOf(n, width int) (*prefixes, kernel.Map) {
	random := rand.New(rand.NewPCG(1, 2))
	p := &prefixes{}
	for i := range n {
		text := []int32{int32(i / 4)}
		for range random.IntN(20) {
			text = append(text, int32(random.IntN(3)))
		}
		p.add(text)
	}
	qkv := kernel.NewMap(3*width, 1, 1, p.len())
	for i := range qkv.Data {
		qkv.Data[i] = float32(random.NormFloat64())
	}
	return p, qkv
}

// TestCausalAttention compares with the definition, sums added up in order, to the last bit,
// for all prefixes at once and for some.
func TestCausalAttention(t *testing.T) {
	const width = 2 * HeadWidth
	p, qkv := textsOf(30, width)
	got := kernel.NewMap(width, 1, 1, p.len())
	causalAttention(got, qkv, p, 0, p.len()/3)
	causalAttention(got, qkv, p, p.len()/3, p.len())
	at := func(m kernel.Map, token, channel int) *float32 {
		return &m.Data[(channel/kernel.Lanes*m.Stride+token)*kernel.Lanes+channel%kernel.Lanes]
	}
	for i, path := range p.path {
		for head := 0; head < width; head += HeadWidth {
			weights := make([]float32, len(path))
			for j, token := range path {
				for c := head; c < head+HeadWidth; c++ {
					weights[j] += *at(qkv, i, c) * *at(qkv, token, width+c)
				}
				weights[j] *= float32(1 / math.Sqrt(HeadWidth))
			}
			kernel.Softmax(weights, 1, len(weights))
			for c := head; c < head+HeadWidth; c++ {
				want := float32(0)
				for j, token := range path {
					want += weights[j] * *at(qkv, token, 2*width+c)
				}
				if x := *at(got, i, c); x != want {
					t.Fatalf("prefix %d of %d tokens, channel %d: %g, want %g", i, len(path), c, x, want)
				}
			}
		}
	}
}

func BenchmarkCausalAttention(b *testing.B) {
	for _, width := range []int{512, 768} {
		b.Run(fmt.Sprintf("W=%d", width), func(b *testing.B) {
			p, qkv := textsOf(80, width)
			mixed := kernel.NewMap(width, 1, 1, p.len())
			b.ReportAllocs()
			for b.Loop() {
				causalAttention(mixed, qkv, p, 0, p.len())
			}
			b.ReportMetric(float64(p.len())*float64(b.N)/b.Elapsed().Seconds(), "tokens/s")
		})
	}
}
