// Package diagram draws directed acyclic graphs whose nodes carry some lines of
// text: in Graphviz's language, and as an SVG image with a layout of its own.
//
// The layout is meant for long chains with short detours, as networks with
// residual connections are. Nodes stand below their inputs, in layers; the layers are
// cut into columns where a single value is handed on.
package diagram

import (
	"fmt"
	"path/filepath"
	"strings"
)

// Graph is what is drawn. Nodes come after their inputs.
type Graph struct {
	Title  string
	Nodes  []Node
	Groups []string // what Node.Group stands for
}

// Node is a box. Its inputs are the nodes that arrows come from.
type Node struct {
	Name   string
	Lines  []string // below the name
	Inputs []int    // indices of earlier nodes
	Group  int      // index in Graph.Groups
}

// Format is a form of drawing.
type Format string

// The forms that are drawn.
const (
	DOT Format = "dot" // Graphviz's language
	SVG Format = "svg"
)

// FormatOf tells the format from a file's name.
func FormatOf(path string) (Format, error) {
	switch f := Format(strings.TrimPrefix(strings.ToLower(filepath.Ext(path)), ".")); f {
	case DOT, SVG:
		return f, nil
	}
	return "", fmt.Errorf("%s: want a .dot or .svg file", path)
}

// check returns an error unless every input is an earlier node and every group exists.
func (g Graph) check() error {
	for i, n := range g.Nodes {
		for _, from := range n.Inputs {
			if from < 0 || from >= i {
				return fmt.Errorf("draw %s: node %s has input %d, want an earlier one than %d", g.Title, n.Name, from, i)
			}
		}
		if n.Group < 0 || n.Group >= len(g.Groups) {
			return fmt.Errorf("draw %s: node %s has group %d, want 0 to %d", g.Title, n.Name, n.Group, len(g.Groups)-1)
		}
	}
	return nil
}

// fills are the groups' colours, then from the first again.
var fills = []string{"#dbe9f6", "#fdebd0", "#e2f0d9", "#eadcf4"}

func fill(group int) string { return fills[group%len(fills)] }
