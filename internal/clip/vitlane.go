package clip

import (
	"fmt"
	"slices"

	"gorgonia.org/tensor"

	"github.com/clipnh/clipnh/internal/par"
)

// vitLane runs images through a vision transformer, up to its capacity at a time.
// Lanes share the weights and have memory of their own.
type vitLane struct {
	*network
	tower    *ViTTower
	capacity int
	work     workspace

	image     *activation // [capacity,3,S,S], the input
	pre       *value      // after the first norm, [B,W,1,T]
	features  *value      // [B,O,1,1]
	blocks    []*value    // after each layer, [B,W,1,T]; nil: not kept
	attention []*value    // of each layer, the class token's, [B,H,T]; nil: not kept

	statistics *value   // mean and 1/sd of the class token in the last norm, [B,2]
	scores     []*value // of each layer after the neurons', before division by sd, [B,H,N]; of several layers of neurons one after the other
	readSums   []*value // of what has scores, [B,H,2]; see commonWeight
	weights    []*value // of these layers, before division by sd, [B,H,T]
	neurons    *value   // of the layer whose pairs are looked at, [B,T,N]; nil: not kept
	heads      []*value // of each layer, before division by sd, [B,H,O]
	mlps       []*value // of the first token and each MLP, before division by sd, [B,O]
	tokens     []*value // of each layer, before division by sd, [B,T,H·O]
	class      []*value // of each layer's class token, before division by sd, [B,O]
	reads      []*value // of each layer, [B,T,H·D]
	headReads  []*value // of each layer, [B,H·D]
}

func newViTLane(t *ViTTower, capacity int) (*vitLane, error) {
	l := &vitLane{network: newNetwork(), tower: t, capacity: capacity}
	shape := tensor.Shape{capacity, 3, t.config.ImageSize, t.config.ImageSize}
	l.image = newActivation(form{rank: 4}, shape, make([]float32, shape.TotalSize()))
	layers := len(t.options.neuronLayers())
	d := &vitDeclaration{l: l, v: t.config.ViT, o: t.options, neurons: make([]*value, layers), scores: make([][]*value, layers), sums: make([][]*value, layers)}
	d.declare(l.input("image", l.image))
	if d.err != nil {
		return nil, d.err
	}
	return l, l.compile()
}

// run sends images lo to hi of a call through the tower.
func (l *vitLane) run(images []float32, lo, hi int, out Output, team par.Team) error {
	l.work.team = team
	each := l.tower.ImageLen()
	for start := lo; start < hi; start += l.capacity {
		count := min(l.capacity, hi-start)
		copy(l.image.all, images[start*each:(start+count)*each])
		if err := l.network.run(count, &l.work); err != nil {
			return err
		}
		l.deliver(out, start)
	}
	return nil
}

// vitDeclaration is the declaration of a lane's network under way. After an error it
// does nothing.
type vitDeclaration struct {
	l   *vitLane
	v   ViT
	o   ImageOptions
	err error

	neurons []*value   // of each of ImageOptions.neuronLayers, activations [B,T,N]; nil before its layer
	scores  [][]*value // of each of them, of the layers after it
	sums    [][]*value // the same of what makes their common vectors
}

func (d *vitDeclaration) apply(name string, op operation, in ...*value) *value {
	if d.err != nil {
		return nil
	}
	var v *value
	v, d.err = d.l.apply(name, op, in...)
	return v
}

// kept declares a value that is read after a run.
func (d *vitDeclaration) kept(name string, op operation, in ...*value) *value {
	v := d.apply(name, op, in...)
	if v != nil {
		d.l.keep(v)
	}
	return v
}

func (d *vitDeclaration) declare(image *value) {
	w, config := d.l.tower.weights, d.l.tower.config
	x := d.apply("visual.patches", patchesOp{config.ImageSize, d.v.Patch}, image)
	x = d.apply("visual.conv1", newEmbedOp(w, d.l.capacity), x)
	x = d.kept("visual.ln_pre", normOp{w.pre}, x)
	d.l.pre = x
	if d.o.FirstOrder {
		first := d.apply("visual.ln_pre.class", classOp{}, x)
		d.l.mlps = append(d.l.mlps, d.kept("visual.ln_pre.part", newMLPPartOp(d.l), first))
	}
	for i := range d.v.Layers - 1 {
		x = d.layer(i, x)
	}
	x = d.lastLayer(x)
	d.l.scores, d.l.readSums = slices.Concat(d.scores...), slices.Concat(d.sums...)
	if d.l.heads != nil || d.l.mlps != nil || d.l.tokens != nil || d.l.class != nil || d.l.scores != nil || d.l.reads != nil || d.l.headReads != nil {
		d.l.statistics = d.kept("visual.ln_post.statistics", statisticsOp{}, x)
	}
	x = d.apply("visual.ln_post", normOp{w.post}, x)
	d.l.features = d.kept("visual.proj", layerOp{w.projection, "product"}, x)
}

// layer declares a layer of all tokens on x and returns its output.
func (d *vitDeclaration) layer(i int, x *value) *value {
	w, name := d.l.tower.weights.layers[i], d.v.layer(i)
	qkv := d.attends(i, x)
	mixed := d.apply(name+"attn", allTokensOp{d.v.headsOf()}, qkv)
	if d.needsClass(i) {
		d.parts(i, x, qkv, d.kept(name+"attn.class", classAttentionOp{d.v.headsOf()}, qkv), nil)
	}
	middle := d.apply(name+"attn.out_proj", addLayerOp{layerOp{w.out, "product, sum"}}, mixed, x)
	y := d.mlp(i, middle)
	if d.o.FirstOrder {
		d.mlpPart(i, d.apply(name+"class", classOp{}, y), d.apply(name+"attn.class_token", classOp{}, middle))
	}
	if d.o.KeepBlocks {
		d.l.blocks = append(d.l.blocks, y)
		if d.err == nil {
			d.l.keep(y)
		}
	}
	return y
}

// lastLayer declares the last layer, of the class token alone, and returns its output.
// Keys and values are projected only where every token's are wanted.
func (d *vitDeclaration) lastLayer(x *value) *value {
	i := d.v.Layers - 1
	w, last, name := d.l.tower.weights.layers[i], d.l.tower.weights.last, d.v.layer(i)
	normed := d.apply(name+"ln_1", normOp{w.norm1}, x)
	rows := d.apply(name+"ln_1.rows", rowsOp{}, normed)
	attention := d.kept(name+"attn.class", newAttentionOp(last.attentionWeights, d.v.Width, d.v.HeadWidth(), d.l.capacity), rows)
	mixed := d.apply(name+"attn.mix", newHeadValuesOp(d.l), d.apply(name+"attn.tokens_mix", scoresOp{}, attention, rows))
	var qkv *value
	if d.o.KeepBlocks || d.o.TokenParts || d.o.ClassParts || d.o.Reads {
		qkv = d.apply(name+"attn.in_proj", layerOp{w.qkv, "product"}, normed)
	}
	d.parts(i, x, qkv, attention, mixed)
	middle := d.apply(name+"attn.out_proj", addLayerOp{layerOp{w.out, "product, sum"}}, mixed, d.apply(name+"in.class", classOp{}, x))
	y := d.mlp(i, middle)
	if d.o.FirstOrder {
		d.mlpPart(i, y, middle)
	}
	if d.o.KeepBlocks { // the map is computed for its own sake
		all := d.apply(name+"attn.all", allTokensOp{d.v.headsOf()}, qkv)
		all = d.apply(name+"attn.all.out_proj", addLayerOp{layerOp{w.out, "product, sum"}}, all, x)
		normed := d.apply(name+"all.ln_2", normOp{w.norm2}, all)
		wide := d.apply(name+"all.mlp.c_fc", layerOp{w.fc, "product, " + d.l.tower.config.Activation.String()}, normed)
		d.l.blocks = append(d.l.blocks, d.kept(name+"all.mlp.c_proj", addLayerOp{layerOp{w.proj, "product, sum"}}, wide, all))
	}
	return y
}

// attends declares the queries, keys and values of a layer.
func (d *vitDeclaration) attends(i int, x *value) *value {
	w, name := d.l.tower.weights.layers[i], d.v.layer(i)
	return d.apply(name+"attn.in_proj", layerOp{w.qkv, "product"}, d.apply(name+"ln_1", normOp{w.norm1}, x))
}

// mlp declares the second half of a layer.
func (d *vitDeclaration) mlp(i int, x *value) *value {
	w, name := d.l.tower.weights.layers[i], d.v.layer(i)
	normed := d.apply(name+"ln_2", normOp{w.norm2}, x)
	wide := d.apply(name+"mlp.c_fc", layerOp{w.fc, "product, " + d.l.tower.config.Activation.String()}, normed)
	if k := slices.Index(d.o.neuronLayers(), i); k >= 0 {
		d.neurons[k] = d.kept(name+"mlp.neurons", rowsOp{}, wide)
		if d.o.PairTokens {
			d.l.neurons = d.neurons[k]
		}
	}
	return d.apply(name+"mlp.c_proj", addLayerOp{layerOp{w.proj, "product, sum"}}, wide, x)
}

// needsClass says whether more than all tokens' attention is wanted of a layer.
func (d *vitDeclaration) needsClass(i int) bool {
	return d.o.ClassAttention || d.o.FirstOrder || d.o.TokenParts || d.o.ClassParts || d.o.Reads || d.o.HeadReads || d.o.Pairs && i > d.o.NeuronLayer
}

// parts declares what is wanted of a layer's heads. mixed is what they give for the class
// token, or nil where that is not known yet.
func (d *vitDeclaration) parts(i int, x, qkv, attention, mixed *value) {
	name := d.v.layer(i)
	if d.o.ClassAttention {
		d.l.attention = append(d.l.attention, attention)
	}
	if mixed == nil && (d.o.FirstOrder || d.o.HeadReads) {
		mixed = d.apply(name+"attn.mix", classMixOp{d.v.headsOf()}, attention, qkv)
	}
	if d.o.HeadReads {
		d.l.headReads = append(d.l.headReads, d.kept(name+"attn.head_reads", newHeadReadsOp(d.l), mixed))
	}
	if d.o.FirstOrder {
		d.l.heads = append(d.l.heads, d.kept(name+"attn.heads", newHeadPartsOp(d.l, i), mixed))
	}
	if d.o.TokenParts {
		d.l.tokens = append(d.l.tokens, d.kept(name+"attn.tokens", newTokenPartsOp(d.l, i), attention, qkv))
	}
	if d.o.ClassParts {
		d.l.class = append(d.l.class, d.kept(name+"attn.class_part", newClassPartOp(d.v.headsOf(), d.l.tower.parts.heads[i], d.l.capacity), attention, qkv))
	}
	if d.o.Reads {
		d.l.reads = append(d.l.reads, d.kept(name+"attn.reads", readsOp{d.v.headsOf()}, attention, qkv))
	}
	if d.o.Pairs && i > d.o.NeuronLayer {
		deviations := d.apply(name+"ln_1.deviations", deviationsOp{}, x)
		var sums *value
		if d.o.Common {
			sums = d.kept(name+"ln_1.read_sums", readSumsOp{}, attention, x)
		}
		for k, layer := range d.o.neuronLayers() {
			if layer >= i {
				break
			}
			of := name + "attn.scores"
			if k > 0 {
				of = fmt.Sprintf("%s.%d", of, layer)
			}
			d.scores[k] = append(d.scores[k], d.kept(of, newPairScoresOp(d.l), attention, deviations, d.neurons[k]))
			if d.o.Common {
				d.sums[k] = append(d.sums[k], sums)
			}
		}
		if d.o.PairTokens {
			d.l.weights = append(d.l.weights, d.kept(name+"attn.weights", readWeightsOp{}, attention, deviations))
		}
	}
}

// mlpPart declares what an MLP adds to the class token.
func (d *vitDeclaration) mlpPart(i int, after, before *value) {
	d.l.mlps = append(d.l.mlps, d.kept(d.v.layer(i)+"mlp.part", newMLPPartOp(d.l), after, before))
}
