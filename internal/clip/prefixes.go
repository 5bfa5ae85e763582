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
// qkv holds queries, keys and values, W channels each; mixed has W channels. Each sum is one
// chain, in the order of channels or prefixes. Chains of four prefixes go side by side, as
// one alone waits for its own additions.
func causalAttention(mixed, qkv kernel.Map, p *prefixes, lo, hi int) {
	width := mixed.C
	heads, longest := width/HeadWidth, 0
	for _, path := range p.path[lo:hi] {
		longest = max(longest, len(path))
	}
	weights := make([]float32, heads*longest)
	for i := lo; i < hi; i++ {
		path := p.path[i]
		n := len(path)
		for h := range heads {
			attend(weights[h*n:(h+1)*n], qkv, i, path, h*HeadWidth, width+h*HeadWidth)
		}
		kernel.Softmax(weights, heads, n)
		for h := range heads {
			mixValues(mixed, qkv, i, path, weights[h*n:(h+1)*n], h*HeadWidth, 2*width+h*HeadWidth)
		}
	}
}

// lanes is a block of a token's channels, from a multiple of kernel.Lanes on.
func lanes(m kernel.Map, token, channel int) *[kernel.Lanes]float32 {
	return (*[kernel.Lanes]float32)(m.Data[(channel/kernel.Lanes*m.Stride+token)*kernel.Lanes:])
}

// attend writes q·k/√D of a head to dst, for a token's q and the k of those on its path. The
// head's channels are those of qkv from query and from key on.
func attend(dst []float32, qkv kernel.Map, token int, path []int, query, key int) {
	scale := float32(1 / math.Sqrt(HeadWidth))
	for j := 0; j < len(path); j += 4 {
		last := len(path) - 1
		t0, t1, t2, t3 := path[j], path[min(j+1, last)], path[min(j+2, last)], path[min(j+3, last)]
		var s0, s1, s2, s3 float32
		for c := 0; c < HeadWidth; c += kernel.Lanes {
			q := lanes(qkv, token, query+c)
			k0, k1, k2, k3 := lanes(qkv, t0, key+c), lanes(qkv, t1, key+c), lanes(qkv, t2, key+c), lanes(qkv, t3, key+c)
			for l, x := range q {
				s0 += x * k0[l]
				s1 += x * k1[l]
				s2 += x * k2[l]
				s3 += x * k3[l]
			}
		}
		copy(dst[j:], []float32{s0 * scale, s1 * scale, s2 * scale, s3 * scale})
	}
}

// mixValues writes Σ_j a[j] v[j] of a head to a token's channels of mixed from out on, for the v of
// those on its path, the channels of qkv from value on.
func mixValues(mixed, qkv kernel.Map, token int, path []int, weights []float32, out, value int) {
	for c := 0; c < HeadWidth; c += kernel.Lanes {
		sum := lanes(mixed, token, out+c)
		*sum = [kernel.Lanes]float32{}
		j := 0
		for ; j+4 <= len(path); j += 4 {
			w0, w1, w2, w3 := weights[j], weights[j+1], weights[j+2], weights[j+3]
			v0, v1, v2, v3 := lanes(qkv, path[j], value+c), lanes(qkv, path[j+1], value+c), lanes(qkv, path[j+2], value+c), lanes(qkv, path[j+3], value+c)
			for l, s := range sum {
				s += w0 * v0[l]
				s += w1 * v1[l]
				s += w2 * v2[l]
				s += w3 * v3[l]
				sum[l] = s
			}
		}
		for ; j < len(path); j++ {
			w, v := weights[j], lanes(qkv, path[j], value+c)
			for l := range sum {
				sum[l] += w * v[l]
			}
		}
	}
}
