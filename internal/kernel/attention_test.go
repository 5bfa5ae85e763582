package kernel

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"unsafe"

	"github.com/clipnh/clipnh/internal/par"
)

// attentionLoop is Attention by its definition, in float64, on rows qkv [images,tokens,3,
// heads,width].
func attentionLoop(qkv []float32, images, tokens, heads, width, depth int) []float32 {
	dst := make([]float32, images*tokens*heads*width)
	row := 3 * heads * width
	for i := range images * heads {
		image, h := i/heads, i%heads
		at := func(t, part int) []float32 {
			return qkv[(image*tokens+t)*row+(part*heads+h)*width:][:width]
		}
		for t := range tokens {
			weights, total := make([]float64, tokens), 0.0
			for u := range weights {
				dot := 0.0
				for d, q := range at(t, 0) {
					dot += float64(q) * float64(at(u, 1)[d])
				}
				weights[u] = math.Exp(dot / math.Sqrt(float64(depth)))
				total += weights[u]
			}
			for d := range width {
				sum := 0.0
				for u, w := range weights {
					sum += w / total * float64(at(u, 2)[d])
				}
				dst[((image*tokens+t)*heads+h)*width+d] = float32(sum)
			}
		}
	}
	return dst
}

// attentionTolerance bounds the error of two products and a softmax between them.
const attentionTolerance = 3e-6

// TestAttention compares the attention of all tokens with its definition, around whole
// blocks of keys and whole parts of queries, and its bytes for several teams. The memory
// after an image's tokens holds NaN, which must not enter.
func TestAttention(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		for _, s := range []struct{ images, tokens, heads, width, depth int }{
			{1, 1, 1, 16, 16}, {1, 15, 3, 16, 12}, {2, 16, 2, 32, 32}, {3, 17, 1, 64, 64}, {1, 50, 2, 64, 64}, {1, attentionRows + 1, 1, 80, 80}, {2, 101, 2, 48, 40},
		} {
			t.Run(fmt.Sprint(s), func(t *testing.T) {
				inner := s.heads * s.width
				rows := random(uint64(s.tokens), s.images*s.tokens*3*inner, 1)
				for i := range rows {
					if i%s.width >= s.depth {
						rows[i] = 0
					}
				}
				qkv := NewMap(3*inner, s.images, 1, s.tokens)
				for i := range qkv.Data {
					qkv.Data[i] = float32(math.NaN())
				}
				qkv.SetRows(rows)
				want := attentionLoop(rows, s.images, s.tokens, s.heads, s.width, s.depth)
				var first []float32
				scratch := new(Scratch)
				for team := 1; team <= 3; team++ {
					dst := NewMap(inner, s.images, 1, s.tokens)
					Attention(dst, qkv, s.heads, s.width, s.depth, scratch, par.NewTeam(team))
					got := make([]float32, len(want))
					dst.Rows(got)
					if e := relativeError(got, want); e > attentionTolerance {
						t.Errorf("team %d: error %g, want at most %g", team, e, attentionTolerance)
					}
					if first == nil {
						first = got
					} else if !slices.Equal(got, first) {
						t.Errorf("team %d: other bytes than a team of 1", team)
					}
				}
			})
		}
	})
}

// TestSoftmaxPixel compares the softmax of one pixel with plain Go, on blocks with guards
// between them.
func TestSoftmaxPixel(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(-1))
	eachFamily(t, func(t *testing.T, f *family) {
		for blocks := 1; blocks <= 5; blocks++ {
			for variant := range 5 {
				const stride = 3 * Lanes
				got, touched := guarded((blocks-1)*stride+Lanes, variant)
				values := random(uint64(blocks*5+variant), blocks*Lanes, 20)
				switch variant {
				case 1: // padding
					for i := len(values) - 15; i < len(values); i++ {
						values[i] = inf
					}
				case 2:
					values[3] = nan
				case 3:
					for i := range values {
						values[i] = inf
					}
				}
				for b := range blocks {
					copy(got[b*stride:], values[b*Lanes:(b+1)*Lanes])
				}
				want := slices.Clone(got)
				f.softmaxPixel(&softmaxArgs{x: unsafe.Pointer(&got[0]), block: stride * 4, blocks: blocks})
				softmaxPixelRef(&softmaxArgs{x: unsafe.Pointer(&want[0]), block: stride * 4, blocks: blocks})
				for i := range got {
					if elementError(got[i], want[i]) > 2*vectorTolerance {
						t.Errorf("%d blocks, variant %d: element %d is %g, want %g", blocks, variant, i, got[i], want[i])
					}
				}
				if touched() {
					t.Errorf("%d blocks, variant %d: wrote outside of the pixel", blocks, variant)
				}
			}
		}
	})
}
