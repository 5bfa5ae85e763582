package diagram

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestFormatOf(t *testing.T) {
	for path, want := range map[string]Format{"a.dot": DOT, "b/c.SVG": SVG, "d.png": "", "e": ""} {
		got, err := FormatOf(path)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v", path, got, err)
		}
	}
}

var small = Graph{Title: `a "tower"`, Groups: []string{"one", "two"}, Nodes: []Node{
	{Name: "in"},
	{Name: "first", Lines: []string{`back\slash`, "<3 & 4>"}, Inputs: []int{0}},
	{Name: "sum", Inputs: []int{1, 0}, Group: 1},
}}

func TestWriteDOT(t *testing.T) {
	var b bytes.Buffer
	if err := WriteDOT(&b, small); err != nil {
		t.Fatal(err)
	}
	const want = `digraph "a \"tower\"" {
  graph [label="a \"tower\"" labelloc=t fontname="Helvetica"]
  node [shape=box style="rounded,filled" fontname="Helvetica" fontsize=10]
  subgraph cluster_0 {
    graph [label="one"]
    node [fillcolor="#dbe9f6"]
    n0 [label="in"]
    n1 [label="first\nback\\slash\n<3 & 4>"]
  }
  subgraph cluster_1 {
    graph [label="two"]
    node [fillcolor="#fdebd0"]
    n2 [label="sum"]
  }
  n0 -> n1
  n1 -> n2
  n0 -> n2
}
`
	if b.String() != want {
		t.Errorf("got\n%s", b.String())
	}
}

func TestWriteSVG(t *testing.T) {
	var first, again bytes.Buffer
	for _, b := range []*bytes.Buffer{&first, &again} {
		if err := WriteSVG(b, small); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(first.Bytes(), again.Bytes()) {
		t.Error("the same graph gives other bytes")
	}
	texts, boxes, arrows := "", 0, 0
	d := xml.NewDecoder(&first)
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch token := token.(type) {
		case xml.CharData:
			texts += string(token) + "\n"
		case xml.StartElement:
			for _, a := range token.Attr {
				if a.Name.Local == "marker-end" {
					arrows++
				}
				if a.Name.Local == "rx" {
					boxes++
				}
			}
		}
	}
	for _, want := range []string{`a "tower"`, "in\n", "first\n", "sum\n", `back\slash`, "<3 & 4>", "one\n", "two\n"} {
		if !strings.Contains(texts, want) {
			t.Errorf("the drawing lacks %q", want)
		}
	}
	if boxes != 3+2 || arrows != 3 { // two boxes are the legend's
		t.Errorf("%d boxes and %d arrows, want 5 and 3", boxes, arrows)
	}
}

func TestRefuses(t *testing.T) {
	for want, g := range map[string]Graph{
		"has input 1": {Groups: []string{""}, Nodes: []Node{{}, {Inputs: []int{1}}}},
		"has group 1": {Groups: []string{""}, Nodes: []Node{{Group: 1}}},
	} {
		for _, write := range []func(io.Writer, Graph) error{WriteDOT, WriteSVG} {
			if err := write(io.Discard, g); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error %v, want %q", err, want)
			}
		}
	}
}

// TestPlan lays out random chains with detours, and any graphs, and looks for boxes in
// one place and arrows that run over a box or over each other.
func TestPlan(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	severalColumns := false
	for try := range 200 {
		g := Graph{Groups: []string{""}, Nodes: []Node{{}}}
		for len(g.Nodes) < 3+try/2 {
			last := len(g.Nodes) - 1
			n := Node{Inputs: []int{last}}
			if random.IntN(2) == 0 {
				n.Inputs = append(n.Inputs, max(0, last-random.IntN(4)))
			}
			if try%4 == 0 && random.IntN(3) == 0 {
				n.Inputs = []int{random.IntN(len(g.Nodes))}
			}
			g.Nodes = append(g.Nodes, n)
		}
		l := plan(g, 200, 80)
		severalColumns = severalColumns || len(l.columns) > 1
		type cell struct{ column, row, track int }
		taken := make(map[cell]int) // 1 + the source of what is there, negative for arrows
		for c, column := range l.columns {
			if column.source != -1 {
				taken[cell{c, 0, 0}] = 1 + column.source
			}
		}
		for i, p := range l.places {
			at := cell(p)
			if taken[at] != 0 {
				t.Fatalf("try %d: two boxes at %v", try, at)
			}
			taken[at] = 1 + i
		}
		arrows := 0
		for _, w := range l.wires {
			arrows++
			from, to := l.places[w.from], l.places[w.to]
			if from.column != to.column {
				if l.columns[to.column].source != w.from {
					t.Fatalf("try %d: an arrow crosses columns from %d to %d", try, w.from, w.to)
				}
				from = place{column: to.column}
			}
			if to.row <= from.row {
				t.Fatalf("try %d: an arrow up", try)
			}
			if long := to.row-from.row > 1; long != (w.track >= 0) {
				t.Fatalf("try %d: an arrow over %d rows has track %d", try, to.row-from.row, w.track)
			}
			for row := from.row + 1; row < to.row; row++ {
				at := cell{to.column, row, w.track}
				if taken[at] != 0 {
					t.Fatalf("try %d: an arrow over something at %v", try, at)
				}
				taken[at] = -1
			}
		}
		for _, n := range g.Nodes {
			arrows -= len(n.Inputs)
		}
		if arrows != 0 {
			t.Fatalf("try %d: %d arrows too many", try, arrows)
		}
	}
	if !severalColumns {
		t.Error("no drawing had several columns")
	}
}
