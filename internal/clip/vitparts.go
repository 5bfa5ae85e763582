package clip

import (
	"math"

	"gorgonia.org/tensor"

	"github.com/clipnh/clipnh/internal/kernel"
)

// This file has what takes a vision transformer apart: the operations that give the parts
// of the class token's residual, and how the last norm's statistics make them parts
// of the feature.

// rowsOp writes a map row-major: [B,C,1,T] to [B,T,C].
type rowsOp struct{}

func (rowsOp) form() form       { return matrixForm }
func (rowsOp) overwrites() int  { return -1 }
func (rowsOp) describe() string { return "row-major" }

func (rowsOp) infer(in []tensor.Shape) (tensor.Shape, error) {
	return tensor.Shape{in[0][0], in[0][3], in[0][1]}, wantShape(in[0], -1, 1, -1)
}

func (rowsOp) run(out *activation, in []*activation, w *workspace) {
	each := out.shape[1] * out.shape[2]
	w.team.For(out.images(), func(lo, hi, _ int) {
		in[0].used.Slice(lo, hi-lo).Rows(out.rows[lo*each:])
	})
}

// moments are the mean and the deviation √(var + eps) of the channels of a pixel.
func moments(m kernel.Map, pixel int) (mean, deviation float64) {
	for b := range m.Blocks() { // the padding is zero
		for _, x := range lanesAt(m, b, pixel) {
			mean += float64(x)
		}
	}
	mean /= float64(m.C)
	variance := 0.0
	for c := range m.C {
		d := float64(m.Data[(c/kernel.Lanes*m.Stride+pixel)*kernel.Lanes+c%kernel.Lanes]) - mean
		variance += d * d
	}
	return mean, math.Sqrt(variance/float64(m.C) + layerNormEpsilon)
}

// deviationsOp is what a layer norm divides every token by: [B,W,1,T] to [B,T].
type deviationsOp struct{}

func (deviationsOp) form() form       { return vectorForm }
func (deviationsOp) overwrites() int  { return -1 }
func (deviationsOp) describe() string { return "deviations" }

func (deviationsOp) infer(in []tensor.Shape) (tensor.Shape, error) {
	return tensor.Shape{in[0][0], in[0][3]}, wantShape(in[0], -1, 1, -1)
}

func (deviationsOp) run(out *activation, in []*activation, w *workspace) {
	w.team.For(len(out.rows), func(lo, hi, _ int) {
		for p := lo; p < hi; p++ {
			_, sd := moments(in[0].used, p)
			out.rows[p] = float32(sd)
		}
	})
}

// statisticsOp is the mean and the inverse deviation of the class token: [B,W,1,1] to
// [B,2].
type statisticsOp struct{}

func (statisticsOp) form() form       { return vectorForm }
func (statisticsOp) overwrites() int  { return -1 }
func (statisticsOp) describe() string { return "mean, 1 / deviation" }

func (statisticsOp) infer(in []tensor.Shape) (tensor.Shape, error) {
	return tensor.Shape{in[0][0], 2}, wantShape(in[0], -1, 1, 1)
}

func (statisticsOp) run(out *activation, in []*activation, _ *workspace) {
	for b := range out.images() {
		mean, sd := moments(in[0].used, b)
		out.rows[2*b], out.rows[2*b+1] = float32(mean), float32(1/sd)
	}
}

// pairScoresOp scores the pairs of a layer's heads: attention [B,H,T], deviations [B,T]
// and the neurons' activations [B,T,N] to Σ_t a[h,t]·p[t,n]/sd[t], [B,H,N].
type pairScoresOp struct{ weighted []float32 } // [H,T], of one image

func newPairScoresOp(l *vitLane) pairScoresOp {
	return pairScoresOp{make([]float32, l.tower.config.Heads()*l.tower.config.Tokens())}
}

func (o pairScoresOp) form() form       { return matrixForm }
func (o pairScoresOp) overwrites() int  { return -1 }
func (o pairScoresOp) describe() string { return "class attention / deviations · neurons" }

func (o pairScoresOp) infer(in []tensor.Shape) (tensor.Shape, error) {
	if err := wantShape(in[0], -1, in[1][1]); err != nil {
		return nil, err
	}
	return tensor.Shape{in[0][0], in[0][1], in[2][2]}, wantShape(in[2], in[1][1], -1)
}

func (o pairScoresOp) run(out *activation, in []*activation, w *workspace) {
	H, T, N := out.shape[1], in[1].shape[1], out.shape[2]
	for b := range out.images() {
		sd := in[1].rows[b*T : (b+1)*T]
		for i, a := range in[0].rows[b*H*T : (b+1)*H*T] {
			o.weighted[i] = a / sd[i%T]
		}
		kernel.Sgemm(1, kernel.Dense(o.weighted, H, T), kernel.Dense(in[2].rows[b*T*N:], T, N), 0, kernel.Dense(out.rows[b*H*N:], H, N), w.team)
	}
}

// readWeightsOp is how a layer's heads weigh the neurons of tokens in scores: attention
// [B,H,T] and deviations [B,T] to a[h,t]/sd[t], [B,H,T].
type readWeightsOp struct{}

func (readWeightsOp) form() form       { return matrixForm }
func (readWeightsOp) overwrites() int  { return -1 }
func (readWeightsOp) describe() string { return "class attention / deviations" }

func (readWeightsOp) infer(in []tensor.Shape) (tensor.Shape, error) {
	return in[0].Clone(), wantShape(in[0], -1, in[1][1])
}

func (readWeightsOp) run(out *activation, in []*activation, _ *workspace) {
	each, T := out.shape[1]*out.shape[2], out.shape[2]
	for b := range out.images() {
		sd := in[1].rows[b*T : (b+1)*T]
		for i, a := range in[0].rows[b*each : (b+1)*each] {
			out.rows[b*each+i] = a / sd[i%T]
		}
	}
}

// headPartsOp projects what each head gives for the class token: [B,H·Dp,1,1] to [B,H,O].
type headPartsOp struct {
	headsOf
	weights []float32 // [H·Dp,O]
	rows    []float32 // [B,H·Dp]
}

func newHeadPartsOp(l *vitLane, layer int) headPartsOp {
	h := l.tower.config.ViT.headsOf()
	return headPartsOp{h, l.tower.parts.heads[layer], make([]float32, l.capacity*h.inner())}
}

func (o headPartsOp) form() form       { return matrixForm }
func (o headPartsOp) overwrites() int  { return -1 }
func (o headPartsOp) describe() string { return "output projections of heads" }

func (o headPartsOp) infer(in []tensor.Shape) (tensor.Shape, error) {
	return tensor.Shape{in[0][0], o.heads, len(o.weights) / o.inner()}, wantShape(in[0], o.inner(), 1, 1)
}

func (o headPartsOp) run(out *activation, in []*activation, w *workspace) {
	B, O := out.images(), out.shape[2]
	in[0].used.Rows(o.rows)
	for h := range o.heads {
		kernel.Sgemm(1, kernel.Strided(o.rows[h*o.padded:], B, o.padded, o.inner()), kernel.Dense(o.weights[h*o.padded*O:], o.padded, O),
			0, kernel.Strided(out.rows[h*O:], B, O, o.heads*O), w.team)
	}
}

// headReadsOp is what each head gives for the class token, without the padding: [B,H·Dp,1,1]
// to [B,H,D].
type headReadsOp struct {
	headsOf
	rows []float32 // [B,H·Dp]
}

func newHeadReadsOp(l *vitLane) headReadsOp {
	h := l.tower.config.ViT.headsOf()
	return headReadsOp{h, make([]float32, l.capacity*h.inner())}
}

func (o headReadsOp) form() form       { return matrixForm }
func (o headReadsOp) overwrites() int  { return -1 }
func (o headReadsOp) describe() string { return "outputs of heads" }

func (o headReadsOp) infer(in []tensor.Shape) (tensor.Shape, error) {
	return tensor.Shape{in[0][0], o.heads, o.width}, wantShape(in[0], o.inner(), 1, 1)
}

func (o headReadsOp) run(out *activation, in []*activation, _ *workspace) {
	in[0].used.Rows(o.rows)
	for i := range out.images() * o.heads {
		copy(out.rows[i*o.width:(i+1)*o.width], o.rows[i*o.padded:])
	}
}

// tokenPartsOp projects what each head gives for the class token by each token that it
// reads: attention [B,H,T] and queries, keys and values [B,3·H·Dp,1,T] to [B,T,H·O].
type tokenPartsOp struct {
	headsOf
	weights []float32 // [H·Dp,O]
	values  []float32 // [T,Dp], of one image and head
}

func newTokenPartsOp(l *vitLane, layer int) tokenPartsOp {
	h := l.tower.config.ViT.headsOf()
	return tokenPartsOp{h, l.tower.parts.heads[layer], make([]float32, l.tower.config.Tokens()*h.padded)}
}

func (o tokenPartsOp) form() form       { return matrixForm }
func (o tokenPartsOp) overwrites() int  { return -1 }
func (o tokenPartsOp) describe() string { return "output projections of tokens in heads" }

func (o tokenPartsOp) infer(in []tensor.Shape) (tensor.Shape, error) {
	if err := wantShape(in[0], o.heads, -1); err != nil {
		return nil, err
	}
	O := len(o.weights) / o.inner()
	return tensor.Shape{in[0][0], in[0][2], o.heads * O}, wantShape(in[1], 3*o.inner(), 1, in[0][2])
}

func (o tokenPartsOp) run(out *activation, in []*activation, w *workspace) {
	T, each := out.shape[1], out.shape[2]
	O, blocks := each/o.heads, o.padded/kernel.Lanes
	for i := range out.images() * o.heads {
		image, head := i/o.heads, i%o.heads
		for t, a := range in[0].rows[i*T : (i+1)*T] {
			for b := range blocks {
				value, row := lanesAt(in[1].used, (2*o.heads+head)*blocks+b, image*T+t), o.values[t*o.padded+b*kernel.Lanes:]
				for l, v := range value {
					row[l] = a * v
				}
			}
		}
		kernel.Sgemm(1, kernel.Dense(o.values, T, o.padded), kernel.Dense(o.weights[head*o.padded*O:], o.padded, O),
			0, kernel.Strided(out.rows[image*T*each+head*O:], T, O, each), w.team)
	}
}

// readsOp is what each head reads of each token for the class token: attention [B,H,T] and
// queries, keys and values [B,3·H·Dp,1,T] to [B,T,H·D].
type readsOp struct{ headsOf }

func (o readsOp) form() form       { return matrixForm }
func (o readsOp) overwrites() int  { return -1 }
func (o readsOp) describe() string { return "class attention · values, by token" }

func (o readsOp) infer(in []tensor.Shape) (tensor.Shape, error) {
	if err := wantShape(in[0], o.heads, -1); err != nil {
		return nil, err
	}
	return tensor.Shape{in[0][0], in[0][2], o.heads * o.width}, wantShape(in[1], 3*o.inner(), 1, in[0][2])
}

func (o readsOp) run(out *activation, in []*activation, w *workspace) {
	T, W, blocks := out.shape[1], out.shape[2], o.padded/kernel.Lanes
	w.team.For(out.images()*T, func(lo, hi, _ int) {
		for i := lo; i < hi; i++ {
			image, t := i/T, i%T
			for h := range o.heads {
				a, row := in[0].rows[(image*o.heads+h)*T+t], out.rows[i*W+h*o.width:][:o.width]
				for b := range blocks {
					value := lanesAt(in[1].used, (2*o.heads+h)*blocks+b, i)
					for l := range min(kernel.Lanes, o.width-b*kernel.Lanes) {
						row[b*kernel.Lanes+l] = a * value[l]
					}
				}
			}
		}
	})
}

// mlpPartOp projects what was added to the class token, the difference of its inputs, or
// its only input: [B,W,1,1] to [B,O].
type mlpPartOp struct {
	weights       []float32 // [W,O]
	after, before []float32 // [B,W]
}

func newMLPPartOp(l *vitLane) mlpPartOp {
	n := l.capacity * l.tower.config.ViT.Width
	return mlpPartOp{l.tower.parts.projection, make([]float32, n), make([]float32, n)}
}

func (o mlpPartOp) form() form       { return vectorForm }
func (o mlpPartOp) overwrites() int  { return -1 }
func (o mlpPartOp) describe() string { return "projection of what is added" }

func (o mlpPartOp) infer(in []tensor.Shape) (tensor.Shape, error) {
	for _, shape := range in {
		if err := wantShape(shape, in[0][1], 1, 1); err != nil {
			return nil, err
		}
	}
	return tensor.Shape{in[0][0], len(o.weights) / in[0][1]}, nil
}

func (o mlpPartOp) run(out *activation, in []*activation, w *workspace) {
	B, W, O := out.images(), in[0].shape[1], out.shape[1]
	in[0].used.Rows(o.after)
	if len(in) > 1 {
		in[1].used.Rows(o.before)
		for i, x := range o.before[:B*W] {
			o.after[i] -= x
		}
	}
	kernel.Sgemm(1, kernel.Dense(o.after, B, W), kernel.Dense(o.weights, W, O), 0, kernel.Dense(out.rows, B, O), w.team)
}

// deliver copies the values of a run to a call's output from image start on, and
// finishes the parts with the last norm's statistics.
func (l *vitLane) deliver(out Output, start int) {
	if out.Lenses != nil || out.AllAttention != nil || out.TokenValues != nil || out.SelfSelf != nil {
		panic("clip: output of a ResNet's attention pool, which a vision transformer has not")
	}
	l.features.copyTo(out.Features, start)
	l.pre.copyTo(out.Tokens, start)
	if len(out.Blocks) > 0 && l.blocks == nil || out.Attention != nil && l.attention == nil || out.Scores != nil && l.scores == nil ||
		(out.Heads != nil || out.MLPs != nil) && l.heads == nil || out.TokenParts != nil && l.tokens == nil || out.ClassParts != nil && l.class == nil ||
		(out.Weights != nil || out.Neurons != nil) && l.neurons == nil || out.Reads != nil && l.reads == nil || out.HeadReads != nil && l.headReads == nil || out.Common != nil && l.readSums == nil || out.Statistics != nil && l.statistics == nil {
		panic("clip: output that the tower's options did not ask for")
	}
	for i, dst := range out.Blocks {
		l.blocks[i].copyTo(dst, start)
	}
	l.interleave(out.Attention, l.attention, start, func(dst, src []float32, _, _ int) { copy(dst, src) })
	scaled := func(dst, src []float32, image, _ int) {
		_, inverse := l.statisticsOf(image)
		for i, s := range src {
			dst[i] = s * inverse
		}
	}
	l.interleave(out.Scores, l.scores, start, scaled)
	l.interleave(out.Weights, l.weights, start, scaled)
	l.deliverCommon(out.Common, start)
	if out.Neurons != nil {
		l.neurons.copyTo(out.Neurons, start)
	}
	if out.Statistics != nil {
		l.statistics.copyTo(out.Statistics, start)
	}
	l.interleave(out.Reads, l.reads, start, func(dst, src []float32, _, _ int) { copy(dst, src) })
	l.interleave(out.HeadReads, l.headReads, start, func(dst, src []float32, _, _ int) { copy(dst, src) })
	v, T := l.tower.config.ViT, l.tower.config.Tokens()
	parts := 2*v.Layers + 1
	l.interleave(out.MLPs, l.mlps, start, func(dst, src []float32, image, _ int) { l.finish(dst, src, nil, image, parts) })
	l.interleave(out.Heads, l.heads, start, func(dst, src []float32, image, layer int) {
		l.finish(dst, src, l.tower.parts.outBias[layer], image, parts*v.Heads)
	})
	l.interleave(out.TokenParts, l.tokens, start, func(dst, src []float32, image, layer int) {
		l.finish(dst, src, l.tower.parts.outBias[layer], image, parts*v.Heads*T)
	})
	l.interleave(out.ClassParts, l.class, start, func(dst, src []float32, image, layer int) {
		l.finish(dst, src, l.tower.parts.outBias[layer], image, parts*T)
	})
}

// statisticsOf is the mean and the inverse deviation of an image's class token.
func (l *vitLane) statisticsOf(image int) (mean, inverse float32) {
	return l.statistics.rows[2*image], l.statistics.rows[2*image+1]
}

// interleave writes what values of several layers have of each image, one layer after
// the other, to dst [B,layers,...] from image start on. Nothing is written to a nil dst.
func (l *vitLane) interleave(dst []float32, layers []*value, start int, write func(dst, src []float32, image, layer int)) {
	if dst == nil {
		return
	}
	for i, v := range layers {
		each := v.shape[1:].TotalSize()
		for b := range v.images() {
			write(dst[((start+b)*len(layers)+i)*each:][:each], v.rows[b*each:(b+1)*each], b, i)
		}
	}
}

// finish makes parts of the residual, of which there are count equal ones, parts of the
// feature; see partWeights. outBias is what the parts of one attention share, nil
// if nothing.
func (l *vitLane) finish(dst, src, outBias []float32, image, count int) {
	p, O := l.tower.parts, l.tower.config.OutDim
	mean, inverse := l.statisticsOf(image)
	shared := float32(count / (2*l.tower.config.ViT.Layers + 1)) // by how many parts of one attention
	constant := make([]float32, O)
	for o := range constant {
		constant[o] = p.shift[o]/float32(count) - inverse*mean*p.mean[o]/float32(count)
		if outBias != nil {
			constant[o] += inverse * outBias[o] / shared
		}
	}
	for i, x := range src {
		dst[i] = x*inverse + constant[i%O]
	}
}
