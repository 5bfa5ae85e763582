package clip

import "gorgonia.org/gorgonia"

// GraphNode is a value of the image tower's graph: an input, or the output of an
// operation.
type GraphNode struct {
	Name      string   `json:"name"`
	Operation string   `json:"operation"`           // such as "3x3 convolution, ReLU", or "input"
	Algorithm string   `json:"algorithm,omitempty"` // of a convolution
	Inputs    []string `json:"inputs"`
	Shape     []int    `json:"shape"`  // of one image, as gorgonia inferred it
	Images    int      `json:"images"` // at a time, at most
}

// Graph lists the values of the tower's graph in the order in which they are
// computed: the networks that run image by image, over a lane's images, and for the
// attention pool, joined where one hands its result to the next. Names, shapes and
// arrows are the graph's own.
func (t *ImageTower) Graph() []GraphNode {
	l := t.lanes[0]
	var nodes []GraphNode
	seen := make(map[string]bool)
	add := func(n *network, v *value) {
		if seen[v.name] { // the result of the network before
			return
		}
		seen[v.name] = true
		shape := v.node.Shape()
		node := GraphNode{Name: v.name, Operation: "input", Inputs: []string{}, Shape: shape[1:], Images: shape[0]}
		if v.op != nil {
			node.Operation, node.Algorithm = v.op.describe(), algorithm(v.op)
		}
		for inputs := n.graph.From(v.node.ID()); inputs.Next(); {
			node.Inputs = append(node.Inputs, n.values[inputs.Node().(*gorgonia.Node)].name)
		}
		nodes = append(nodes, node)
	}
	for _, n := range []*network{l.front, l.back, l.pool.network} {
		for _, node := range n.graph.Inputs() {
			add(n, n.values[node])
		}
		for _, v := range n.order {
			add(n, v)
		}
	}
	return nodes
}

// algorithm names how a convolution is computed; "" for other operations.
func algorithm(op operation) string {
	switch op := op.(type) {
	case stemOp:
		return stemAlgorithm
	case convOp:
		return op.Spec().Algorithm.String()
	case residualOp:
		return op.Spec().Algorithm.String()
	}
	return ""
}

// stemAlgorithm names how the first convolution is computed.
const stemAlgorithm = "stem"
