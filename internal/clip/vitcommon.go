package clip

import (
	"gorgonia.org/tensor"

	"github.com/clipnh/clipnh/internal/decomp"
)

// This file has the published form of the effects that neurons have through later heads:
// means and biases on their way are shared out evenly among what they are of, where
// LayerPairs takes means out and leaves biases to the rest of the feature,
//
//	r[l,h,n] = s[l,h,n]·v[l,h,n] + c[l,h]
//
// The scores are the same, directions are not centred, and c depends on the image but on no
// neuron. Source: Gandelsman, Efros and Steinhardt, arXiv:2406.04341, and their program.

// A commonWeight is what makes of an image the vectors c of one layer's heads, for the neurons
// of an earlier layer. N neurons with the bias B of their projection, and the 1 + 2 l parts of
// the residual that layer l reads, have equal shares: S = (1 + 2 l) N of what enters it, and
// Z = S H (1 + 2 L) of what enters the last norm of L layers. With the sums over tokens
//
//	A = Σ_t a[h,0,t]/sd1[t]     M = Σ_t a[h,0,t]·mean1[t]/sd1[t]
//
// and T_h(x) = γ_post (W_O^h W_V^h x) proj, and the mean m and the deviation sd of the class
// token in the last norm,
//
//	c[h] = (A T_h(γ1 B)/N - M T_h(γ1)/S + T_h(β1)/S + γ_post (W_O^h B_V^h/S + B_O/(S H)) proj
//	        - m (γ_post proj)/Z) / sd + (β_post proj)/Z
type commonWeight struct {
	bias, mean, rest []float64 // that A, M and 1 go with in the sum that sd divides, [H,O]
	post, shift      []float64 // that m goes with, and that is added, [O]
}

// commonReader reads commonWeights. What all layers share is read once.
type commonReader struct {
	reader
	ck         *Checkpoint
	projection []float32 // diag(γ_post) proj, [W,O]
	mean       []float64 // γ_post proj, [O]
	shift      []float64 // β_post proj, [O]
}

func newCommonReader(ck *Checkpoint) (*commonReader, error) {
	r := &commonReader{ck: ck}
	post, err := ck.affine("visual.ln_post")
	if err != nil {
		return nil, err
	}
	if r.projection, err = ck.keep("visual.proj"); err != nil {
		return nil, err
	}
	O := ck.Config.OutDim
	r.mean, r.shift = make([]float64, O), make([]float64, O)
	addThroughRows(r.mean, post.gamma, r.projection)
	addThroughRows(r.shift, post.beta, r.projection)
	for i := range r.projection {
		r.projection[i] *= post.gamma[i/O]
	}
	return r, nil
}

// addThroughRows adds x times the rows of m, [len(x),len(dst)], to dst.
func addThroughRows[X float32 | float64](dst []float64, x []X, m []float32) {
	for i, v := range x {
		for o, w := range m[i*len(dst) : (i+1)*len(dst)] {
			dst[o] += float64(v) * float64(w)
		}
	}
}

// read returns that of a layer for the neurons of an earlier one.
func (r *commonReader) read(neuronLayer, layer int) (*commonWeight, error) {
	v, name := r.ck.Config.ViT, r.ck.Config.ViT.layer(layer)
	bias, err := r.ck.keep(v.layer(neuronLayer) + "mlp.c_proj.bias")
	if err != nil {
		return nil, err
	}
	norm, err := r.ck.affine(name + "ln_1")
	if err != nil {
		return nil, err
	}
	in, inBias, err := r.both(r.ck, name+"attn.in_proj_weight", name+"attn.in_proj_bias") // [3,H,D,W]
	if err != nil {
		return nil, err
	}
	W, D, H, O := v.Width, v.HeadWidth(), v.Heads, r.ck.Config.OutDim
	S := float64((1 + 2*layer) * v.MLP)
	Z := S * float64(H*(1+2*v.Layers))
	value := make([][3]float64, W) // W_V (γ1 B)/N, W_V γ1/-S, (W_V β1 + B_V)/S; a row for each of H·D channels
	for i := range value {
		x := &value[i]
		for w, weight := range in[(2*W+i)*W:][:W] {
			x[0] += float64(weight) * float64(norm.gamma[w]) * float64(bias[w])
			x[1] -= float64(weight) * float64(norm.gamma[w])
			x[2] += float64(weight) * float64(norm.beta[w])
		}
		*x = [3]float64{x[0] / float64(v.MLP), x[1] / S, (x[2] + float64(inBias[2*W+i])) / S}
	}
	out, outBias, err := r.both(r.ck, name+"attn.out_proj.weight", name+"attn.out_proj.bias") // [W,H,D]
	if err != nil {
		return nil, err
	}
	c := &commonWeight{make([]float64, H*O), make([]float64, H*O), make([]float64, H*O), make([]float64, O), make([]float64, O)}
	for h := range H {
		for k, dst := range [][]float64{c.bias, c.mean, c.rest} {
			x := make([]float64, W) // what the head adds to the residual
			for w := range x {
				for d, weight := range out[w*W+h*D:][:D] {
					x[w] += float64(weight) * value[h*D+d][k]
				}
				if k == 2 {
					x[w] += float64(outBias[w]) / (S * float64(H))
				}
			}
			addThroughRows(dst[h*O:(h+1)*O], x, r.projection)
		}
	}
	for o := range O {
		c.post[o], c.shift[o] = -r.mean[o]/Z, r.shift[o]/Z
	}
	return c, nil
}

// readCommonWeights reads those of all layers behind each of some layers of neurons, in the
// order of their scores.
func readCommonWeights(ck *Checkpoint, neuronLayers []int) ([]*commonWeight, error) {
	r, err := newCommonReader(ck)
	if err != nil {
		return nil, err
	}
	var all []*commonWeight
	for _, from := range neuronLayers {
		for layer := from + 1; layer < ck.Config.ViT.Layers; layer++ {
			c, err := r.read(from, layer)
			if err != nil {
				return nil, err
			}
			all = append(all, c)
		}
	}
	return all, nil
}

// write writes c of the heads, [H,O]. sums are A and M of each head, [H,2].
func (c *commonWeight) write(dst, sums []float32, mean, inverse float64) {
	O := len(c.post)
	for i := range dst {
		a, m, o := float64(sums[i/O*2]), float64(sums[i/O*2+1]), i%O
		dst[i] = float32((a*c.bias[i]+m*c.mean[i]+c.rest[i]+mean*c.post[o])*inverse + c.shift[o])
	}
}

// readSumsOp sums what a layer's first norm does to the tokens that heads read: attention
// [B,H,T] and the tokens [B,W,1,T] to A and M of a commonWeight, [B,H,2].
type readSumsOp struct{}

func (readSumsOp) form() form      { return matrixForm }
func (readSumsOp) overwrites() int { return -1 }
func (readSumsOp) describe() string {
	return "class attention · 1 / deviations, · means / deviations"
}

func (readSumsOp) infer(in []tensor.Shape) (tensor.Shape, error) {
	return tensor.Shape{in[0][0], in[0][1], 2}, wantShape(in[1], -1, 1, in[0][2])
}

func (readSumsOp) run(out *activation, in []*activation, w *workspace) {
	H, T := in[0].shape[1], in[0].shape[2]
	w.team.For(out.images(), func(lo, hi, _ int) {
		for b := lo; b < hi; b++ {
			sums := make([]float64, 2*H)
			for t := range T {
				mean, sd := moments(in[1].used, b*T+t)
				for h := range H {
					a := float64(in[0].rows[(b*H+h)*T+t]) / sd
					sums[2*h] += a
					sums[2*h+1] += a * mean
				}
			}
			for i, x := range sums {
				out.rows[b*2*H+i] = float32(x)
			}
		}
	})
}

// deliverCommon writes c [B,P·H,O] of a run's images to dst, from image start on.
func (l *vitLane) deliverCommon(dst []float32, start int) {
	if dst == nil {
		return
	}
	each := l.tower.config.ViT.Heads * l.tower.config.OutDim
	for i, v := range l.readSums {
		per := v.shape[1:].TotalSize()
		for b := range v.images() {
			mean, inverse := l.statisticsOf(b)
			l.tower.common[i].write(dst[((start+b)*len(l.readSums)+i)*each:][:each], v.rows[b*per:(b+1)*per], float64(mean), float64(inverse))
		}
	}
}

// PublishedLayerPairs is LayerPairs of the published form, whose directions are not centred:
//
//	v[l,h,n] = (γ_post W_O^h W_V^h (γ_1 w[n])) proj
func (ck *Checkpoint) PublishedLayerPairs(neuronLayer int) (*decomp.OV, error) {
	return ck.layerPairs(neuronLayer, func([]float32, int, int) {})
}
