package clip

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/testutil"
)

// layerRounding is the difference that float32 explains between a layer computed by
// our kernels (batch norms folded into weights, Winograd, sums in tiles) and by
// gorgonia's operations, as testutil.Far measures it.
const layerRounding = 1e-5

// stockTower is the image tower of one image made of gorgonia's own operations, the
// slow and plain way: batch norms are not folded, keys and values are projected for
// all tokens, and every head attends from every token. Nothing of package kernel or
// of this package's operations is in it; products are gonum's.
//
// Faults of gorgonia 0.9.18 that were seen, and what is done instead:
//
//   - AveragePool2D divides by the width of its input, not by the pixels of a
//     window. Means of 2x2 are a Conv2d of weights 1/4, channels taking the
//     place of images.
//   - BatchNorm normalises by the batch unless the machine is told not to train. It
//     is an explicit sum, product and sum.
//   - Inputs of the same name and shape are merged, whatever their values. Names are
//     unique.
//   - The tape machine lets Rectify, Add and others write over their inputs, so that
//     a node's value after a run may be a later one's. Values are read from a
//     trace, which has copies.
//
// Nothing depends on broadcasting or on views: biases are repeated to the full shape,
// heads have weights of their own, and the mean token comes from a product.
type stockTower struct {
	t      *testing.T
	ck     *Checkpoint
	graph  *G.ExprGraph
	inputs int
	layers map[string]*G.Node // by the names of our graph
}

func (s *stockTower) input(data []float32, shape ...int) *G.Node {
	s.inputs++
	dense := tensor.New(tensor.WithShape(shape...), tensor.WithBacking(data))
	return G.NewTensor(s.graph, tensor.Float32, len(shape), G.WithShape(shape...), G.WithName(fmt.Sprint("input ", s.inputs)), G.WithValue(dense))
}

// weights returns a tensor of the checkpoint.
func (s *stockTower) weights(name string) []float32 {
	s.t.Helper()
	w, err := s.ck.keep(name)
	if err != nil {
		s.t.Fatal(err)
	}
	return w
}

// repeated returns values[i/each%len(values)] for n numbers.
func repeated(values []float32, each, n int) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = values[i/each%len(values)]
	}
	return out
}

// conv is a convolution with its batch norm: gamma (w*x - mean)/√(var+ε) + beta.
func (s *stockTower) conv(x *G.Node, conv, norm string, stride int) *G.Node {
	s.t.Helper()
	shape := s.ck.tensors[conv+".weight"].Shape
	w := s.input(s.weights(conv+".weight"), shape...)
	pad := shape[2] / 2
	y := G.Must(G.Conv2d(x, w, tensor.Shape{shape[2], shape[3]}, []int{pad, pad}, []int{stride, stride}, []int{1, 1}))
	full, pixels := y.Shape(), y.Shape()[2]*y.Shape()[3]
	gamma, beta := s.weights(norm+".weight"), s.weights(norm+".bias")
	mean, variance := s.weights(norm+".running_mean"), s.weights(norm+".running_var")
	for i := range gamma {
		gamma[i] = float32(float64(gamma[i]) / math.Sqrt(float64(variance[i])+1e-5))
		mean[i] = -mean[i]
	}
	n := full.TotalSize()
	y = G.Must(G.Add(y, s.input(repeated(mean, pixels, n), full...)))
	y = G.Must(G.HadamardProd(y, s.input(repeated(gamma, pixels, n), full...)))
	return G.Must(G.Add(y, s.input(repeated(beta, pixels, n), full...)))
}

// mean is the mean of 2x2 pixels.
func (s *stockTower) mean(x *G.Node) *G.Node {
	c, h, w := x.Shape()[1], x.Shape()[2], x.Shape()[3]
	x = G.Must(G.Reshape(x, tensor.Shape{c, 1, h, w}))
	quarter := s.input([]float32{0.25, 0.25, 0.25, 0.25}, 1, 1, 2, 2)
	x = G.Must(G.Conv2d(x, quarter, tensor.Shape{2, 2}, []int{0, 0}, []int{2, 2}, []int{1, 1}))
	return G.Must(G.Reshape(x, tensor.Shape{1, c, h / 2, w / 2}))
}

// layer names a value as our graph does.
func (s *stockTower) layer(name string, x *G.Node) *G.Node {
	s.layers[name] = x
	return x
}

// resnet declares everything before the attention pool.
func (s *stockTower) resnet(x *G.Node) *G.Node {
	for i, stride := range []int{2, 1, 1} {
		x = s.conv(x, fmt.Sprint("visual.conv", i+1), fmt.Sprint("visual.bn", i+1), stride)
		x = s.layer(fmt.Sprint("visual.conv", i+1), G.Must(G.Rectify(x)))
	}
	x = s.layer("visual.avgpool", s.mean(x))
	for stage, blocks := range s.ck.Config.Layers {
		for i := range blocks {
			name := fmt.Sprintf("visual.layer%d.%d", stage+1, i)
			y := s.layer(name+".conv1", G.Must(G.Rectify(s.conv(x, name+".conv1", name+".bn1", 1))))
			y = s.layer(name+".conv2", G.Must(G.Rectify(s.conv(y, name+".conv2", name+".bn2", 1))))
			shortcut := x
			if stage > 0 && i == 0 {
				y = s.layer(name+".avgpool", s.mean(y))
				shortcut = s.layer(name+".downsample.-1", s.mean(x))
			}
			y = s.conv(y, name+".conv3", name+".bn3", 1)
			if i == 0 {
				shortcut = s.conv(shortcut, name+".downsample.0", name+".downsample.1", 1)
			}
			x = s.layer(name+".conv3", G.Must(G.Rectify(G.Must(G.Add(y, shortcut)))))
		}
	}
	return x
}

// attentionPool declares multi-head attention from all tokens to all tokens; row 0 of
// what it gives is the class token's.
func (s *stockTower) attentionPool(x *G.Node) {
	C, hw := x.Shape()[1], x.Shape()[2]*x.Shape()[3]
	T, H, D, O := hw+1, C/64, 64, s.ck.Config.OutDim
	spread := make([]float32, hw*T) // [HW,T]: the mean, and each pixel
	for i := range hw {
		spread[i*T] = 1 / float32(hw)
		spread[i*T+1+i] = 1
	}
	columns := G.Must(G.Mul(G.Must(G.Reshape(x, tensor.Shape{C, hw})), s.input(spread, hw, T)))
	position := s.weights("visual.attnpool.positional_embedding")
	byInput := make([]float32, len(position))
	for i, p := range position {
		byInput[i%C*T+i/C] = p
	}
	columns = G.Must(G.Add(columns, s.input(byInput, C, T)))
	tokens := s.layer("visual.attnpool.tokens", G.Must(G.Transpose(columns, 1, 0)))

	// project returns rows of one head: tokens Wᵀ + b, [T,D].
	project := func(name string, h int) *G.Node {
		w, b := s.weights("visual.attnpool."+name+".weight"), s.weights("visual.attnpool."+name+".bias")
		byInput := make([]float32, C*D)
		for d := range D {
			for n := range C {
				byInput[n*D+d] = w[(h*D+d)*C+n]
			}
		}
		y := G.Must(G.Mul(tokens, s.input(byInput, C, D)))
		return G.Must(G.Add(y, s.input(repeated(b[h*D:(h+1)*D], 1, T*D), T, D)))
	}
	out := s.weights("visual.attnpool.c_proj.weight")
	features := s.input(repeated(s.weights("visual.attnpool.c_proj.bias"), 1, T*O), T, O)
	for h := range H {
		scale := s.input(repeated([]float32{1 / float32(math.Sqrt(float64(D)))}, 1, T*D), T, D)
		q := G.Must(G.HadamardProd(project("q_proj", h), scale))
		logits := G.Must(G.Mul(q, G.Must(G.Transpose(project("k_proj", h), 1, 0))))
		a := s.layer(fmt.Sprint("attention of head ", h), G.Must(G.SoftMax(logits, 1)))
		s.layer(fmt.Sprint("scores of head ", h), G.Must(G.Mul(a, tokens)))
		byInput := make([]float32, D*O)
		for o := range O {
			for d := range D {
				byInput[d*O+o] = out[o*C+h*D+d]
			}
		}
		values := G.Must(G.Mul(a, project("v_proj", h)))
		features = G.Must(G.Add(features, G.Must(G.Mul(values, s.input(byInput, D, O)))))
	}
	s.layer("visual.attnpool.features", features)
}

// run runs the tower on an image and returns the layers, row-major.
func (s *stockTower) run(image []float32) map[string][]float32 {
	s.t.Helper()
	s.graph, s.layers = G.NewGraph(), make(map[string]*G.Node)
	side := s.ck.Config.ImageSize
	s.attentionPool(s.resnet(s.input(image, 1, 3, side, side)))
	machine := G.NewTapeMachine(s.graph, G.TraceExec())
	defer machine.Close()
	if err := machine.RunAll(); err != nil {
		s.t.Fatal(err)
	}
	values := make(map[string][]float32)
	for name, node := range s.layers {
		values[name] = rowMajor(node.Value().(*tensor.Dense))
	}
	// The class token's row of each head, as our graph has them.
	for _, name := range []string{"attention", "scores"} {
		var rows []float32
		for h := range s.ck.Config.Heads() {
			all := values[fmt.Sprintf("%s of head %d", name, h)]
			rows = append(rows, all[:len(all)/s.ck.Config.Tokens()]...)
			if name == "attention" {
				values["visual.attnpool.all_attention"] = append(values["visual.attnpool.all_attention"], all...)
			}
		}
		values["visual.attnpool."+name] = rows
	}
	values["visual.attnpool.features"] = values["visual.attnpool.features"][:s.ck.Config.OutDim]
	return values
}

// rowMajor copies a tensor element by element, since a transposed one may be a view.
func rowMajor(d *tensor.Dense) []float32 {
	data, shape, strides := d.Float32s(), d.Shape(), d.Strides()
	var out []float32
	var walk func(axis, at int)
	walk = func(axis, at int) {
		if axis == len(shape) {
			out = append(out, data[at])
			return
		}
		for i := range shape[axis] {
			walk(axis+1, at+i*strides[axis])
		}
	}
	walk(0, 0)
	return out
}

// ownLayers runs the operations of the tower's networks on an image one by one, each
// result on memory of its own, and returns the results, row-major.
func ownLayers(tw *ResNetTower, image []float32) (names []string, values map[string][]float32) {
	l := tw.lanes[0]
	copy(l.image.all, image)
	results := map[string]*activation{"image": l.image}
	values = make(map[string][]float32)
	for _, n := range []*network{l.front, l.back, l.pool.network} {
		for _, v := range n.order {
			out := newActivation(v.form, v.node.Shape(), kernel.Alloc(activationLen(v.form, v.node.Shape())))
			var in []*activation
			for _, from := range v.in {
				in = append(in, results[from.name])
			}
			v.op.run(out, in, &l.work)
			results[v.name] = out
			flat := make([]float32, out.Size())
			if out.blocked {
				out.used.Planar(flat)
			} else {
				copy(flat, out.rows)
			}
			names, values[v.name] = append(names, v.name), flat
		}
	}
	return names, values
}

// TestStockReference compares every layer of the tower with gorgonia's stock
// operations, in forward order, and what the tower delivers with the same layers.
func TestStockReference(t *testing.T) {
	ck := tiny(t)
	images, _ := golden(t, "dataset_pre4.npy")
	tw := tower(t, ck, ImageOptions{Batch: 1, Threads: 1, AllAttention: true})
	c := ck.Config
	stock := stockTower{t: t, ck: ck}
	for i := range 2 {
		image := images[i*tw.ImageLen():][:tw.ImageLen()]
		want := stock.run(slices.Clone(image))
		names, got := ownLayers(tw, image)
		if layers := strings.Join(names, " "); !strings.Contains(layers, "visual.layer4.1.conv3") || len(names) != 30 {
			t.Fatalf("%d layers: %s", len(names), layers)
		}
		for _, name := range names {
			if want[name] == nil {
				t.Errorf("%s: the reference lacks it", name)
			} else if err := testutil.Far(got[name], want[name], layerRounding); err != nil {
				t.Errorf("image %d, %s: %v", i, name, err)
			}
		}
		features := make([]float32, c.OutDim)
		if err := tw.Run(image, Output{Features: features}); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(features, got["visual.attnpool.features"]) {
			t.Errorf("image %d: the tower's features are not those of its layers one by one", i)
		}
	}
}
