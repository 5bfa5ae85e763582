package clip

import (
	"errors"
	"fmt"
	"hash"
	"hash/fnv"
	"runtime"
	"slices"

	"github.com/chewxy/hm"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/par"
)

// network is a gorgonia expression graph whose operations are calls of kernels,
// with the tape machine that runs it.
//
// The graph decides: the shape of a value is what its operation infers from the
// shapes of its inputs; the order of execution is the tape's; and compile finds from
// that order how long each value is needed, and gives the same memory to values
// that are never needed together. A run allocates nothing of size.
type network struct {
	graph *gorgonia.ExprGraph
	tape  interface {
		gorgonia.VM
		Close() error
	}
	values map[*gorgonia.Node]*value
	order  []*value // operations, as the tape runs them
	floats int      // of memory for the operations' outputs

	work   *workspace // of the run in hand
	next   int        // index in order
	failed *par.Panic // of an operation of this run
}

// workspace holds what operations share: scratch memory and worker threads.
type workspace struct {
	scratch kernel.Scratch
	team    par.Team
}

// operation computes one node of a network.
type operation interface {
	// infer returns the output's shape for inputs of the given shapes, as many
	// as the operation takes, or an error that says what does not fit.
	infer(in []tensor.Shape) (tensor.Shape, error)
	// form is the layout of the output.
	form() form
	// overwrites is the index of the input whose memory the output may take, or -1.
	// The other inputs do not overlap the output.
	overwrites() int
	// run computes out from in for all images in use.
	run(out *activation, in []*activation, w *workspace)
	// describe names the operation for people, such as "3x3 convolution".
	describe() string
}

// value is a node of a network and what is bound to it. Before compile, only inputs
// and placed values have an activation.
type value struct {
	name string
	node *gorgonia.Node
	form form
	*activation
	op     operation // nil: an input
	in     []*value
	kept   bool // needed after the run
	placed bool // its memory is the caller's
	index  int  // in the network's order
}

func newNetwork() *network {
	return &network{graph: gorgonia.NewGraph(), values: make(map[*gorgonia.Node]*value)}
}

// input declares a value that the caller fills before each run.
func (n *network) input(name string, a *activation) *value {
	node := gorgonia.NewTensor(n.graph, tensor.Float32, a.rank, gorgonia.WithShape(a.shape...), gorgonia.WithName(name))
	v := &value{name: name, node: node, form: a.form, activation: a, placed: true}
	n.values[node] = v
	return v
}

// apply declares an operation on values of this network. The error is a mistake in
// the declaration: inputs that do not fit.
func (n *network) apply(name string, op operation, in ...*value) (*value, error) {
	v := &value{name: name, form: op.form(), op: op, in: in}
	nodes := make([]*gorgonia.Node, len(in))
	for i, from := range in {
		nodes[i] = from.node
	}
	node, err := gorgonia.ApplyOp(&tapeOp{network: n, value: v, id: len(n.values)}, nodes...)
	if err != nil {
		return nil, fmt.Errorf("declare %s: %w", name, err)
	}
	gorgonia.WithName(name)(node)
	v.node = node
	n.values[node] = v
	return v, nil
}

// keep gives a value memory of its own, so that it can be read after a run. Values
// that no operation reads are kept anyway.
func (n *network) keep(v *value) { v.kept = true }

// place puts a value on the caller's memory.
func (n *network) place(v *value, m kernel.Map) {
	v.activation, v.placed = &activation{form: v.form, shape: v.node.Shape()}, true
	v.move(m)
}

// compile ends the declaration: it takes the order from the graph and allocates
// memory for the outputs.
func (n *network) compile() error {
	sorted, err := gorgonia.Sort(n.graph)
	if err != nil {
		return fmt.Errorf("sort the graph: %w", err)
	}
	slices.Reverse(sorted) // gorgonia's edges go from a value to its inputs
	for _, node := range sorted {
		v := n.values[node]
		if v.op == nil {
			if err := gorgonia.Let(node, v.activation); err != nil {
				return fmt.Errorf("bind %s: %w", v.name, err)
			}
			continue
		}
		v.index = len(n.order)
		n.order = append(n.order, v)
	}
	n.allocate()
	n.tape = gorgonia.NewTapeMachine(n.graph)
	// The machine has a finalizer, for graphics cards only, and refers to the network
	// through its operations. Go never frees a cycle with a finalizer.
	runtime.SetFinalizer(n.tape, nil)
	return nil
}

// run executes every operation once on the given number of images.
func (n *network) run(images int, w *workspace) error {
	for _, v := range n.values {
		if v.images() != images {
			v.limit(images)
		}
	}
	n.work, n.next, n.failed = w, 0, nil
	defer n.tape.Reset()
	err := n.tape.RunAll()
	n.failed.Rethrow()
	return err
}

// tapeOp is an operation as gorgonia sees it. Do returns the activation that compile
// gave it; were it to offer UsePreallocDo, the machine would allocate another.
type tapeOp struct {
	network *network
	value   *value
	id      int
	inputs  []*activation
}

func (o *tapeOp) Arity() int { return len(o.value.in) }

// Type is a function of tensors of float32, each of its own rank.
func (o *tapeOp) Type() hm.Type {
	types := make([]hm.Type, 0, len(o.value.in)+1)
	for _, in := range o.value.in {
		types = append(types, gorgonia.TensorType{Dims: in.form.rank, Of: tensor.Float32})
	}
	types = append(types, gorgonia.TensorType{Dims: o.value.form.rank, Of: tensor.Float32})
	return hm.NewFnType(types...)
}

// InferShape is given the shapes that gorgonia has inferred for the inputs.
func (o *tapeOp) InferShape(in ...gorgonia.DimSizer) (tensor.Shape, error) {
	shapes := make([]tensor.Shape, len(in))
	for i, d := range in {
		shape, ok := d.(tensor.Shape)
		if !ok {
			return nil, fmt.Errorf("input %d is a %T, want a shape", i, d)
		}
		shapes[i] = shape
	}
	return o.value.op.infer(shapes)
}

// errOrder means that the tape's order is not the one that memory was shared by.
var errOrder = errors.New("run out of order")

// Do computes the output from the values that the tape's operations gave.
func (o *tapeOp) Do(in ...gorgonia.Value) (gorgonia.Value, error) {
	n, v := o.network, o.value
	if n.next != v.index {
		return nil, fmt.Errorf("%s: %w", v.name, errOrder)
	}
	n.next++
	o.inputs = o.inputs[:0]
	for _, x := range in {
		o.inputs = append(o.inputs, x.(*activation))
	}
	// The machine runs operations in a goroutine of its own.
	if n.failed = par.Catch(func() { v.op.run(v.activation, o.inputs, n.work) }); n.failed != nil {
		return nil, n.failed
	}
	return v.activation, nil
}

func (o *tapeOp) ReturnsPtr() bool  { return true }
func (o *tapeOp) CallsExtern() bool { return false }

// OverwritesInput is none as far as gorgonia's registers go: allocate decides which
// memory is used again.
func (o *tapeOp) OverwritesInput() int { return -1 }

// WriteHash makes every operation distinct, since gorgonia merges nodes whose
// operation and inputs hash alike.
func (o *tapeOp) WriteHash(h hash.Hash) { fmt.Fprintf(h, "clipnh %d %s", o.id, o.value.name) }

func (o *tapeOp) Hashcode() uint32 {
	h := fnv.New32a()
	o.WriteHash(h)
	return h.Sum32()
}

func (o *tapeOp) String() string { return o.value.name }
