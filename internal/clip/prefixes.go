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
// chain, in the order of channels or prefixes.
func causalAttention(mixed, qkv kernel.Map, p *prefixes, lo, hi int) {
	longest := 0
	for _, path := range p.path[lo:hi] {
		longest = max(longest, len(path))
	}
	c := newCausal(mixed.C, longest)
	for i, path := range p.path[lo:hi] {
		c.follow(qkv, path)
		c.attend(qkv, lo+i)
		c.mix(mixed, lo+i)
	}
}

// causal holds what the prefixes on a path are attended to with, so that the sums of many
// prefixes, or of many channels, go side by side. Paths that come one after the other have
// their beginnings in common, which stay.
type causal struct {
	path          []int
	heads         int
	stride        int       // from one channel of keys, and one head of weights, to the next
	keys          []float32 // [W,stride]
	values        []float32 // [H,stride,D]
	query, sum    []float32 // [D]
	scores, dense []float32 // [H,stride], [H,len(path)]
}

func newCausal(width, longest int) *causal {
	c := &causal{heads: width / HeadWidth, stride: (longest + kernel.Lanes - 1) / kernel.Lanes * kernel.Lanes}
	c.keys, c.values = make([]float32, width*c.stride), make([]float32, width*c.stride)
	c.query, c.sum = make([]float32, HeadWidth), make([]float32, HeadWidth)
	c.scores, c.dense = make([]float32, c.heads*c.stride), make([]float32, c.heads*c.stride)
	return c
}

// follow takes the keys and values of the prefixes that path does not share with the one before.
func (c *causal) follow(qkv kernel.Map, path []int) {
	shared := 0
	for shared < min(len(path), len(c.path)) && path[shared] == c.path[shared] {
		shared++
	}
	width := c.heads * HeadWidth
	for j := shared; j < len(path); j++ {
		for channel := 0; channel < width; channel += kernel.Lanes {
			for l, k := range lanes(qkv, path[j], width+channel) {
				c.keys[(channel+l)*c.stride+j] = k
			}
			h, d := channel/HeadWidth, channel%HeadWidth
			copy(c.values[(h*c.stride+j)*HeadWidth+d:], lanes(qkv, path[j], 2*width+channel)[:])
		}
	}
	c.path = path
}

// attend computes the attention of a token, the last of the path, to those on it.
func (c *causal) attend(qkv kernel.Map, token int) {
	scale := float32(1 / math.Sqrt(HeadWidth))
	n := len(c.path)
	wide := (n + kernel.Lanes - 1) / kernel.Lanes * kernel.Lanes // sums behind the path's are not used
	for h := range c.heads {
		for d := 0; d < HeadWidth; d += kernel.Lanes {
			copy(c.query[d:], lanes(qkv, token, h*HeadWidth+d)[:])
		}
		sums := c.scores[h*c.stride:][:wide]
		clear(sums)
		kernel.SumRows(sums, c.query, kernel.Strided(c.keys[h*HeadWidth*c.stride:], HeadWidth, wide, c.stride))
		for j, s := range sums[:n] {
			c.dense[h*n+j] = s * scale
		}
	}
	kernel.Softmax(c.dense, c.heads, n)
}

// mix adds up the values on the path, and writes them to a token's channels.
func (c *causal) mix(mixed kernel.Map, token int) {
	n := len(c.path)
	for h := range c.heads {
		clear(c.sum)
		kernel.SumRows(c.sum, c.dense[h*n:][:n], kernel.Dense(c.values[h*c.stride*HeadWidth:], n, HeadWidth))
		for d := 0; d < HeadWidth; d += kernel.Lanes {
			copy(lanes(mixed, token, h*HeadWidth+d)[:], c.sum[d:])
		}
	}
}

// lanes is a block of a token's channels, from a multiple of kernel.Lanes on.
func lanes(m kernel.Map, token, channel int) *[kernel.Lanes]float32 {
	return (*[kernel.Lanes]float32)(m.Data[(channel/kernel.Lanes*m.Stride+token)*kernel.Lanes:])
}
