package clip

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"gorgonia.org/tensor"

	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/testutil"
)

// mixOp is an operation for tests: out[b,i] = factor + Σ (k+1) in[k][b,i].
type mixOp struct {
	factor float32
	over   int
}

func (o mixOp) form() form       { return vectorForm }
func (o mixOp) overwrites() int  { return o.over }
func (o mixOp) describe() string { return "mix" }

func (o mixOp) infer(in []tensor.Shape) (tensor.Shape, error) {
	for _, shape := range in {
		if err := wantShape(shape, in[0][1]); err != nil {
			return nil, err
		}
	}
	return in[0].Clone(), nil
}

func (o mixOp) run(out *activation, in []*activation, _ *workspace) {
	mix(out.rows, o.factor, o.over, func(k int) []float32 { return in[k].rows }, len(in))
}

// mix writes over the input of the given index last, as an operation must that
// overwrites it.
func mix(dst []float32, factor float32, over int, in func(k int) []float32, inputs int) {
	for i := range dst {
		sum := factor
		for k := range inputs {
			if k != over {
				sum += float32(k+1) * in(k)[i]
			}
		}
		if over >= 0 {
			sum += float32(over+1) * in(over)[i]
		}
		dst[i] = sum
	}
}

// TestNetworkMemory runs random graphs whose values share memory, and compares what
// is kept with the same sums on memory of their own.
func TestNetworkMemory(t *testing.T) {
	const capacity, width, operations = 3, 40, 40
	random := rand.New(rand.NewPCG(1, 2))
	shared := 0
	for range 30 {
		n := newNetwork()
		input := newActivation(vectorForm, tensor.Shape{capacity, width}, make([]float32, capacity*width))
		values := []*value{n.input("input", input)}
		reads := [][]int{nil}
		ops := []mixOp{{}}
		for i := range operations {
			from := []int{max(0, len(values)-1-random.IntN(4))}
			if random.IntN(2) == 0 {
				from = append(from, random.IntN(len(values)))
			}
			op := mixOp{float32(i), random.IntN(len(from)+1) - 1}
			in := make([]*value, len(from))
			for k, f := range from {
				in[k] = values[f]
			}
			v, err := n.apply(fmt.Sprint("op", i), op, in...)
			if err != nil {
				t.Fatal(err)
			}
			if random.IntN(8) == 0 {
				n.keep(v)
			}
			values, reads, ops = append(values, v), append(reads, from), append(ops, op)
		}
		if err := n.compile(); err != nil {
			t.Fatal(err)
		}
		shared += operations*capacity*width - n.floats
		for _, images := range []int{capacity, 1, 2} {
			for i := range input.all {
				input.all[i] = float32(random.IntN(3))
			}
			if err := n.run(images, new(workspace)); err != nil {
				t.Fatal(err)
			}
			want := [][]float32{input.all[:images*width]}
			for i := 1; i < len(values); i++ {
				own := make([]float32, images*width)
				mix(own, ops[i].factor, ops[i].over, func(k int) []float32 { return want[reads[i][k]] }, len(reads[i]))
				want = append(want, own)
				if v := values[i]; v.kept && !slices.Equal(v.rows, own) {
					t.Fatalf("%s on %d images: %v, want %v", v.name, images, v.rows[:5], own[:5])
				}
			}
		}
	}
	if shared <= 0 {
		t.Error("no memory was shared")
	}
}

// TestNetworkRefuses finds that shapes are compared when an operation is declared.
// A network that is no longer used is freed, with the weights that its operations hold.
func TestNetworkIsFreed(t *testing.T) {
	freed := make(chan bool, 1)
	func() {
		tower := tower(t, tiny(t), ImageOptions{Threads: 1, Batch: 1})
		runtime.AddCleanup(tower.lanes[0].front, func(freed chan bool) { freed <- true }, freed)
	}()
	for range 10 {
		runtime.GC()
		select {
		case <-freed:
			return
		case <-time.After(20 * time.Millisecond): // cleanups have a goroutine of their own
		}
	}
	t.Error("the network is still in memory after ten collections")
}

func TestNetworkRefuses(t *testing.T) {
	n := newNetwork()
	a := n.input("a", newActivation(vectorForm, tensor.Shape{2, 3}, make([]float32, 6)))
	b := n.input("b", newActivation(vectorForm, tensor.Shape{2, 4}, make([]float32, 8)))
	if _, err := n.apply("sum", mixOp{}, a, b); err == nil || !strings.Contains(err.Error(), "declare sum") {
		t.Errorf("widths 3 and 4: error %v", err)
	}
}

// TestInferredShapes compares shapes that the operations infer with those that the
// sizes of the model call for, and finds that inputs that do not fit are refused.
func TestInferredShapes(t *testing.T) {
	tw := tower(t, tiny(t), ImageOptions{Batch: 3, Threads: 1, KeepBlocks: true, AllAttention: true, SelfSelf: true})
	c, l := tw.Config(), tw.lanes[0]
	T, H, C := c.Tokens(), c.Heads(), c.Neurons()
	want := map[string]tensor.Shape{
		"visual.conv1":                  {1, c.Width / 2, c.ImageSize / 2, c.ImageSize / 2},
		"visual.conv3":                  {1, c.Width, c.ImageSize / 2, c.ImageSize / 2},
		"visual.avgpool":                {1, c.Width, c.ImageSize / 4, c.ImageSize / 4},
		"visual.attnpool.tokens":        {3, T, C},
		"visual.attnpool.attention":     {3, H, T},
		"visual.attnpool.scores":        {3, H, C},
		"visual.attnpool.features":      {3, c.OutDim},
		"visual.attnpool.all_attention": {3, H, T, T},
		"visual.attnpool.self_self":     {3, T, C},
	}
	for _, b := range c.blocks() {
		images, side := 1, c.ImageSize/b.scale
		if b.stage >= frontStages {
			images = 3
		}
		want[b.name+".conv2"] = tensor.Shape{images, b.planes, side, side}
		want[b.name+".conv3"] = tensor.Shape{images, b.out(), side / b.stride, side / b.stride}
	}
	for _, n := range []*network{l.front, l.back, l.pool.network} {
		for _, v := range n.order {
			if shape, ok := want[v.name]; ok && !shape.Eq(v.node.Shape()) {
				t.Errorf("%s: shape %v, want %v", v.name, v.node.Shape(), shape)
			}
			delete(want, v.name)
			for _, wrong := range []tensor.Shape{{3, 5}, {3, 5, 5}, {3, 5, 5, 5}} {
				in := make([]tensor.Shape, len(v.in))
				for i := range in {
					in[i] = wrong
				}
				shape, err := v.op.infer(in)
				_, pools := v.op.(averageOp) // of any map
				if err == nil && !(pools && len(wrong) == 4) && !(len(wrong) == 3 && v.name == "visual.attnpool.scores") {
					t.Errorf("%s of inputs %v: shape %v, want an error", v.name, wrong, shape)
				}
			}
		}
	}
	for name := range want {
		t.Errorf("%s is not in the graph", name)
	}
}

// TestOperationsUseInputs runs the attention pool's network on other inputs than those
// that it was declared with: values flow along the graph's edges.
func TestOperationsUseInputs(t *testing.T) {
	tw := tower(t, tiny(t), ImageOptions{Batch: 2, Threads: 1})
	c, p := tw.Config(), tw.lanes[0].pool
	tokens, _ := golden(t, "tokens.npy")
	each := c.Tokens() * c.Neurons()
	for image := range 2 {
		n := newNetwork()
		other := kernel.Alloc(each)
		copy(other, tokens[image*each:])
		x := n.input("other tokens", newActivation(matrixForm, tensor.Shape{1, c.Tokens(), c.Neurons()}, other))
		a, err := n.apply("attention", p.attention.op, x)
		if err != nil {
			t.Fatal(err)
		}
		s, err := n.apply("scores", p.scores.op, a, x)
		if err != nil {
			t.Fatal(err)
		}
		if err := n.compile(); err != nil {
			t.Fatal(err)
		}
		if err := n.run(1, new(workspace)); err != nil {
			t.Fatal(err)
		}
		want, _ := golden(t, "s.npy")
		if err := testutil.Far(s.rows, want[image*len(s.rows):][:len(s.rows)], rounding); err != nil {
			t.Errorf("image %d: %v", image, err)
		}
	}
}
