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

// graphOf lists the values of networks. Names, shapes and arrows are the graphs' own.
func graphOf(networks ...*network) []GraphNode {
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
			node.Operation = v.op.describe()
			if c, ok := v.op.(interface{ algorithm() string }); ok {
				node.Algorithm = c.algorithm()
			}
		}
		for inputs := n.graph.From(v.node.ID()); inputs.Next(); {
			node.Inputs = append(node.Inputs, n.values[inputs.Node().(*gorgonia.Node)].name)
		}
		nodes = append(nodes, node)
	}
	for _, n := range networks {
		for _, node := range n.graph.Inputs() {
			add(n, n.values[node])
		}
		for _, v := range n.order {
			add(n, v)
		}
	}
	return nodes
}
