package diagram

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

// WriteDOT writes g in Graphviz's language, each group as a cluster.
func WriteDOT(w io.Writer, g Graph) error {
	if err := g.check(); err != nil {
		return err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "digraph %s {\n", quoted(g.Title))
	fmt.Fprintf(&b, "  graph [label=%s labelloc=t fontname=\"Helvetica\"]\n", quoted(g.Title))
	b.WriteString("  node [shape=box style=\"rounded,filled\" fontname=\"Helvetica\" fontsize=10]\n")
	for group, name := range g.Groups {
		fmt.Fprintf(&b, "  subgraph cluster_%d {\n", group)
		fmt.Fprintf(&b, "    graph [label=%s]\n    node [fillcolor=%s]\n", quoted(name), quoted(fill(group)))
		for i, n := range g.Nodes {
			if n.Group == group {
				label := strings.Join(append([]string{n.Name}, n.Lines...), "\n")
				fmt.Fprintf(&b, "    n%d [label=%s]\n", i, quoted(label))
			}
		}
		b.WriteString("  }\n")
	}
	for i, n := range g.Nodes {
		for _, from := range n.Inputs {
			fmt.Fprintf(&b, "  n%d -> n%d\n", from, i)
		}
	}
	b.WriteString("}\n")
	_, err := w.Write(b.Bytes())
	return err
}

// quoted writes a string as the language has it, lines centred.
func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
}
