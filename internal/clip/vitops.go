package clip

import (
	"fmt"
	"math"

	"gorgonia.org/tensor"

	"github.com/clipnh/clipnh/internal/kernel"
)

// This file has the operations of the vision transformer. Tokens are the pixels of a
// map [B,C,1,T].

// patchesOp cuts images into patches: [B,3,S,S] to [B,3P²,1,T], the class token's values
// being zero.
type patchesOp struct{ side, patch int }

func (o patchesOp) form() form       { return mapForm }
func (o patchesOp) overwrites() int  { return -1 }
func (o patchesOp) describe() string { return fmt.Sprintf("patches of %dx%d pixels", o.patch, o.patch) }

func (o patchesOp) infer(in []tensor.Shape) (tensor.Shape, error) {
	grid := o.side / o.patch
	return tensor.Shape{in[0][0], 3 * o.patch * o.patch, 1, grid*grid + 1}, wantShape(in[0], 3, o.side, o.side)
}

func (o patchesOp) run(out *activation, in []*activation, w *workspace) {
	m, S, P := out.used, o.side, o.patch
	grid, T := S/P, m.W
	w.team.For(m.Images*T, func(lo, hi, _ int) {
		patch := make([]float32, m.Blocks()*kernel.Lanes) // padding included
		for i := lo; i < hi; i++ {
			image, token := i/T, i%T-1
			if token < 0 {
				clear(patch)
			} else {
				first := image*3*S*S + token/grid*P*S + token%grid*P
				for row := range 3 * P { // of the three channels
					copy(patch[row*P:][:P], in[0].rows[first+row/P*S*S+row%P*S:])
				}
			}
			for b := range m.Blocks() {
				copy(m.Data[(b*m.Stride+i)*kernel.Lanes:][:kernel.Lanes], patch[b*kernel.Lanes:])
			}
		}
	})
}

// layerOp is a fully connected layer with its bias, and in an MLP the activation.
type layerOp struct {
	*kernel.Conv
	what string
}

func (o layerOp) form() form                                    { return mapForm }
func (o layerOp) overwrites() int                               { return -1 }
func (o layerOp) describe() string                              { return o.what }
func (o layerOp) algorithm() string                             { return o.Spec().Algorithm.String() }
func (o layerOp) infer(in []tensor.Shape) (tensor.Shape, error) { return convOp{o.Conv}.infer(in) }

func (o layerOp) run(out *activation, in []*activation, w *workspace) {
	o.Run(out.used, nil, &w.scratch, w.team, in[0].used)
}

// addLayerOp is one whose output is added to the residual, its second input.
type addLayerOp struct{ layerOp }

func (o addLayerOp) overwrites() int { return 1 }

func (o addLayerOp) infer(in []tensor.Shape) (tensor.Shape, error) {
	return residualOp{o.Conv}.infer(in)
}

func (o addLayerOp) run(out *activation, in []*activation, w *workspace) {
	o.Run(out.used, &in[1].used, &w.scratch, w.team, in[0].used)
}

// embedOp turns patches into tokens with their positions: [B,3P²,1,T] to [B,W,1,T]. The
// class token's patch is zero, so that it becomes its embedding.
type embedOp struct {
	layerOp
	position kernel.Map // of all images
}

func newEmbedOp(w *vitWeights, images int) embedOp {
	W := w.patches.Spec().Out
	T := len(w.position) / W
	o := embedOp{layerOp{w.patches, "product, plus class and position"}, kernel.NewMap(W, images, 1, T)}
	for i := range images {
		o.position.Slice(i, 1).SetRows(w.position)
	}
	return o
}

func (o embedOp) run(out *activation, in []*activation, w *workspace) {
	position := o.position.Slice(0, out.images())
	o.Run(out.used, &position, &w.scratch, w.team, in[0].used)
}

// normOp is a layer norm of every token.
type normOp struct{ affine }

func (o normOp) form() form       { return mapForm }
func (o normOp) overwrites() int  { return 0 }
func (o normOp) describe() string { return "layer norm" }

func (o normOp) infer(in []tensor.Shape) (tensor.Shape, error) {
	return in[0].Clone(), wantShape(in[0], len(o.gamma), 1, -1)
}

func (o normOp) run(out *activation, in []*activation, w *workspace) {
	kernel.LayerNorm(out.used, in[0].used, o.gamma, o.beta, layerNormEpsilon, w.team)
}

// classOp takes the class token of every image: [B,C,1,T] to [B,C,1,1].
type classOp struct{}

func (classOp) form() form       { return mapForm }
func (classOp) overwrites() int  { return -1 }
func (classOp) describe() string { return "class token" }

func (classOp) infer(in []tensor.Shape) (tensor.Shape, error) {
	return tensor.Shape{in[0][0], in[0][1], 1, 1}, wantShape(in[0], -1, 1, -1)
}

func (classOp) run(out *activation, in []*activation, _ *workspace) {
	tokens := make([]int, out.images())
	for b := range tokens {
		tokens[b] = b * in[0].used.W
	}
	pick(out.used, in[0].used, tokens)
}

// headsOf is what the operations on heads know of them.
type headsOf struct{ heads, width, padded int }

func (v ViT) headsOf() headsOf { return headsOf{v.Heads, v.HeadWidth(), v.paddedWidth()} }

// inner is the channels of all heads with their padding.
func (h headsOf) inner() int { return h.heads * h.padded }

// allTokensOp is the attention of all tokens: queries, keys and values [B,3·H·Dp,1,T] to
// the heads' outputs [B,H·Dp,1,T].
type allTokensOp struct{ headsOf }

func (o allTokensOp) form() form       { return mapForm }
func (o allTokensOp) overwrites() int  { return -1 }
func (o allTokensOp) describe() string { return "attention of all tokens" }

func (o allTokensOp) infer(in []tensor.Shape) (tensor.Shape, error) {
	return tensor.Shape{in[0][0], o.inner(), 1, in[0][3]}, wantShape(in[0], 3*o.inner(), 1, -1)
}

func (o allTokensOp) run(out *activation, in []*activation, w *workspace) {
	kernel.Attention(out.used, in[0].used, o.heads, o.padded, o.width, &w.scratch, w.team)
}

// classAttentionOp is the class token's attention in every head: queries, keys and values
// [B,3·H·Dp,1,T] to [B,H,T].
type classAttentionOp struct{ headsOf }

func (o classAttentionOp) form() form       { return matrixForm }
func (o classAttentionOp) overwrites() int  { return -1 }
func (o classAttentionOp) describe() string { return "softmax of class query · keys" }

func (o classAttentionOp) infer(in []tensor.Shape) (tensor.Shape, error) {
	return tensor.Shape{in[0][0], o.heads, in[0][3]}, wantShape(in[0], 3*o.inner(), 1, -1)
}

func (o classAttentionOp) run(out *activation, in []*activation, w *workspace) {
	m, T, scale := in[0].used, in[0].used.W, float32(1/math.Sqrt(float64(o.width)))
	blocks := o.padded / kernel.Lanes
	w.team.For(m.Images*o.heads, func(lo, hi, _ int) {
		for i := lo; i < hi; i++ {
			image, head := i/o.heads, i%o.heads
			row := out.rows[i*T : (i+1)*T]
			clear(row)
			for b := range blocks {
				query := lanesAt(m, head*blocks+b, image*T)
				for t := range row {
					key, sum := lanesAt(m, (o.heads+head)*blocks+b, image*T+t), float32(0)
					for l, q := range query {
						sum += q * key[l]
					}
					row[t] += sum
				}
			}
			for t := range row {
				row[t] *= scale
			}
			kernel.Softmax(row, 1, T)
		}
	})
}

// lanesAt is one block of one pixel.
func lanesAt(m kernel.Map, block, pixel int) *[kernel.Lanes]float32 {
	return (*[kernel.Lanes]float32)(m.Data[(block*m.Stride+pixel)*kernel.Lanes:])
}

// classMixOp is what the heads give for the class token: its attention [B,H,T] and
// queries, keys and values [B,3·H·Dp,1,T] to [B,H·Dp,1,1].
type classMixOp struct{ headsOf }

func (o classMixOp) form() form       { return mapForm }
func (o classMixOp) overwrites() int  { return -1 }
func (o classMixOp) describe() string { return "class attention · values" }

func (o classMixOp) infer(in []tensor.Shape) (tensor.Shape, error) {
	if err := wantShape(in[0], o.heads, -1); err != nil {
		return nil, err
	}
	return tensor.Shape{in[0][0], o.inner(), 1, 1}, wantShape(in[1], 3*o.inner(), 1, in[0][2])
}

func (o classMixOp) run(out *activation, in []*activation, w *workspace) {
	m, T, blocks := in[1].used, in[1].used.W, o.padded/kernel.Lanes
	w.team.For(m.Images*o.heads, func(lo, hi, _ int) {
		for i := lo; i < hi; i++ {
			image, head := i/o.heads, i%o.heads
			for b := range blocks {
				var sum [kernel.Lanes]float32
				for t, a := range in[0].rows[i*T : (i+1)*T] {
					value := lanesAt(m, (2*o.heads+head)*blocks+b, image*T+t)
					for l := range sum {
						sum[l] += a * value[l]
					}
				}
				*lanesAt(out.used, head*blocks+b, image) = sum
			}
		}
	})
}

// classPartOp projects what the heads of a layer give together for the class token by that
// token itself: attention [B,H,T] and queries, keys and values [B,3·H·Dp,1,T] to [B,O].
type classPartOp struct {
	headsOf
	weights []float32 // [H·Dp,O]
	values  []float32 // [B,H·Dp]
}

func newClassPartOp(h headsOf, weights []float32, capacity int) classPartOp {
	return classPartOp{h, weights, make([]float32, capacity*h.inner())}
}

func (o classPartOp) form() form       { return vectorForm }
func (o classPartOp) overwrites() int  { return -1 }
func (o classPartOp) describe() string { return "output projection of the class token" }

func (o classPartOp) infer(in []tensor.Shape) (tensor.Shape, error) {
	if err := wantShape(in[0], o.heads, -1); err != nil {
		return nil, err
	}
	return tensor.Shape{in[0][0], len(o.weights) / o.inner()}, wantShape(in[1], 3*o.inner(), 1, in[0][2])
}

func (o classPartOp) run(out *activation, in []*activation, w *workspace) {
	B, O, T := out.images(), out.shape[1], in[0].shape[2]
	blocks := o.padded / kernel.Lanes
	for i := range B * o.heads {
		image, head := i/o.heads, i%o.heads
		a := in[0].rows[i*T]
		for b := range blocks {
			value, row := lanesAt(in[1].used, (2*o.heads+head)*blocks+b, image*T), o.values[i*o.padded+b*kernel.Lanes:]
			for l, v := range value {
				row[l] = a * v
			}
		}
	}
	kernel.Sgemm(1, kernel.Dense(o.values, B, o.inner()), kernel.Dense(o.weights, o.inner(), O), 0, kernel.Dense(out.rows, B, O), w.team)
}

// headValuesOp is what the heads give for the class token, of the tokens as it attends to
// them, s[h] = Σ_t a[h,t] x[t]: [B,H,W] to W_V^h s[h] + B_V^h, [B,H·Dp,1,1].
type headValuesOp struct {
	headsOf
	weights classWeights
	values  []float32 // [B,H·Dp], the padding zero
}

func newHeadValuesOp(l *vitLane) headValuesOp {
	h := l.tower.config.ViT.headsOf()
	return headValuesOp{h, l.tower.weights.last, make([]float32, l.capacity*h.inner())}
}

func (o headValuesOp) form() form       { return mapForm }
func (o headValuesOp) overwrites() int  { return -1 }
func (o headValuesOp) describe() string { return "value projections" }

func (o headValuesOp) infer(in []tensor.Shape) (tensor.Shape, error) {
	return tensor.Shape{in[0][0], o.inner(), 1, 1}, wantShape(in[0], o.heads, len(o.weights.valueBias))
}

func (o headValuesOp) run(out *activation, in []*activation, w *workspace) {
	B, W, D := out.images(), in[0].shape[2], o.width
	for h := range o.heads {
		values := o.values[h*o.padded:]
		for b := range B {
			copy(values[b*o.inner():], o.weights.valueBias[h*D:(h+1)*D])
		}
		kernel.Sgemm(1, kernel.Strided(in[0].rows[h*W:], B, W, o.heads*W), o.weights.value.Strided(h*D, W, D, W),
			1, kernel.Strided(values, B, D, o.inner()), w.team)
	}
	out.used.SetRows(o.values)
}
