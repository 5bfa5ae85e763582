package clip

import (
	"math"

	"github.com/clipnh/clipnh/internal/kernel"
)

// prefixes is the set of distinct prefixes of some texts. A prefix stands for
// its last token in the context of those before it, and is one column of the
// transformer's activations: texts that begin alike share them.
type prefixes struct {
	token []int32 // last token of each prefix
	path  [][]int // indices of the prefixes of it, shortest first, itself last
	end   []int   // for each text added, the prefix that is the whole of it

	last []int // path of the text added last
	text []int32
}

func (p *prefixes) len() int { return len(p.token) }

// depth is the position of a prefix's last token in its text.
func (p *prefixes) depth(i int) int { return len(p.path[i]) - 1 }

// add adds a text. Only the prefixes that it shares with the text added just
// before are found, so texts should come in lexical order.
func (p *prefixes) add(text []int32) {
	shared := 0
	for shared < min(len(text), len(p.text)) && text[shared] == p.text[shared] {
		shared++
	}
	path := append(make([]int, 0, len(text)), p.last[:shared]...)
	for _, id := range text[shared:] {
		path = append(path, p.len())
		p.token = append(p.token, id)
		p.path = append(p.path, path)
	}
	p.last, p.text = path, text
	p.end = append(p.end, path[len(path)-1])
}

// causalAttention computes, for prefixes lo to hi, the heads' mixes of values
//
//	a[j] = softmax_j(q·k[j]/√D) over the prefixes j on the path
//	mixed = Σ_j a[j] v[j]
//
// qkv holds queries, keys and values, W channels each; mixed has W channels.
func causalAttention(mixed, qkv kernel.Map, p *prefixes, lo, hi int) {
	const blocks = HeadWidth / kernel.Lanes
	width := mixed.C
	scale := float32(1 / math.Sqrt(HeadWidth))
	// lanes is one block of a channel range of a token.
	lanes := func(m kernel.Map, token, channel int) *[kernel.Lanes]float32 {
		return (*[kernel.Lanes]float32)(m.Data[(channel/kernel.Lanes*m.Stride+token)*kernel.Lanes:])
	}
	var weights []float32
	for i := lo; i < hi; i++ {
		path := p.path[i]
		weights = append(weights[:0], make([]float32, len(path))...)
		for head := 0; head < width; head += HeadWidth {
			for j, token := range path {
				sum := float32(0)
				for b := range blocks {
					q, k := lanes(qkv, i, head+b*kernel.Lanes), lanes(qkv, token, width+head+b*kernel.Lanes)
					for l := range q {
						sum += q[l] * k[l]
					}
				}
				weights[j] = sum * scale
			}
			kernel.Softmax(weights, 1, len(weights))
			for b := range blocks {
				var sum [kernel.Lanes]float32
				for j, token := range path {
					v := lanes(qkv, token, 2*width+head+b*kernel.Lanes)
					for l := range sum {
						sum[l] += weights[j] * v[l]
					}
				}
				*lanes(mixed, i, head+b*kernel.Lanes) = sum
			}
		}
	}
}
