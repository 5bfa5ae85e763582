package clip

import (
	"fmt"
	"hash"
	"hash/fnv"
	"slices"

	"github.com/chewxy/hm"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// network is a gorgonia expression graph of fused operations and the tape
// machine that runs it. The graph gives the order of execution and checks the
// shapes; the operations do the work on buffers that were bound when the
// network was declared, so that a run allocates nothing of size.
//
// Because buffers are bound, values that are never alive together may share
// one; whoever declares the network sees to that. An operation whose
// buffer replaces one of its inputs' must be the last to read that input.
type network struct {
	graph *gorgonia.ExprGraph
	tape  interface {
		gorgonia.VM
		Close() error
	}
	ops int
}

// value is a node of a network.
type value struct {
	node  *gorgonia.Node
	shape tensor.Shape
}

func newNetwork() *network { return &network{graph: gorgonia.NewGraph()} }

// input declares a value that the caller writes to buf before each run.
func (n *network) input(name string, buf []float32, shape ...int) value {
	dense := tensor.New(tensor.WithShape(shape...), tensor.WithBacking(buf))
	node := gorgonia.NewTensor(n.graph, tensor.Float32, len(shape), gorgonia.WithShape(shape...),
		gorgonia.WithName(name), gorgonia.WithValue(dense))
	return value{node, shape}
}

// apply declares an operation that reads its inputs and writes buf.
// The error is a mistake in the declaration: shapes that do not fit.
func (n *network) apply(name string, buf []float32, shape tensor.Shape, wants []tensor.Shape, run func(), in ...value) (value, error) {
	n.ops++
	op := &fusedOp{
		id: n.ops, name: name, wants: wants, run: run,
		out: tensor.New(tensor.WithShape(shape...), tensor.WithBacking(buf)),
	}
	nodes := make([]*gorgonia.Node, len(in))
	for i, v := range in {
		nodes[i] = v.node
	}
	node, err := gorgonia.ApplyOp(op, nodes...)
	if err != nil {
		return value{}, fmt.Errorf("declare %s: %w", name, err)
	}
	gorgonia.WithName(name)(node)
	return value{node, shape}, nil
}

// compile ends the declaration.
func (n *network) compile() { n.tape = gorgonia.NewTapeMachine(n.graph) }

// run executes every operation once, in an order that respects the graph.
func (n *network) run() error {
	defer n.tape.Reset()
	return n.tape.RunAll()
}

// fusedOp is one node's operation. It owns its output tensor and returns it
// from Do; were it to offer UsePreallocDo, the machine would allocate a second one.
type fusedOp struct {
	id    int
	name  string
	wants []tensor.Shape // of the inputs
	out   *tensor.Dense
	run   func()
}

func (o *fusedOp) Arity() int { return len(o.wants) }

// Type is a function of tensors of float32, each of its own rank.
func (o *fusedOp) Type() hm.Type {
	types := make([]hm.Type, 0, len(o.wants)+1)
	for _, shape := range append(slices.Clone(o.wants), o.out.Shape()) {
		types = append(types, gorgonia.TensorType{Dims: len(shape), Of: tensor.Float32})
	}
	return hm.NewFnType(types...)
}

// InferShape checks the inputs' shapes, which gorgonia hands over as it
// inferred them from the operations before.
func (o *fusedOp) InferShape(in ...gorgonia.DimSizer) (tensor.Shape, error) {
	if len(in) != len(o.wants) {
		return nil, fmt.Errorf("%d inputs, want %d", len(in), len(o.wants))
	}
	for i, d := range in {
		if got, ok := d.(tensor.Shape); !ok || !got.Eq(o.wants[i]) {
			return nil, fmt.Errorf("input %d has shape %v, want %v", i, d, o.wants[i])
		}
	}
	return o.out.Shape().Clone(), nil
}

func (o *fusedOp) Do(...gorgonia.Value) (gorgonia.Value, error) {
	o.run()
	return o.out, nil
}

func (o *fusedOp) ReturnsPtr() bool     { return true }
func (o *fusedOp) CallsExtern() bool    { return false }
func (o *fusedOp) OverwritesInput() int { return -1 }

// WriteHash makes every operation distinct, since gorgonia merges nodes whose
// operation and inputs hash alike.
func (o *fusedOp) WriteHash(h hash.Hash) { fmt.Fprintf(h, "clipnh %d %s", o.id, o.name) }

func (o *fusedOp) Hashcode() uint32 {
	h := fnv.New32a()
	o.WriteHash(h)
	return h.Sum32()
}

func (o *fusedOp) String() string { return o.name }
