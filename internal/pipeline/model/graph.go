package model

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/diagram"
	"github.com/clipnh/clipnh/internal/pipeline/figure"
	"github.com/clipnh/clipnh/internal/plot"
	"github.com/clipnh/clipnh/internal/quantity"
)

// GraphResult is the graph of an image tower, and where it was drawn.
type GraphResult struct {
	Path  string           `json:"path"`
	Nodes []clip.GraphNode `json:"nodes"`
}

// DrawGraph packs a checkpoint's image tower for batches of the given size and draws
// the graph of its operations to path, a .dot or .svg file. The graph is that of a
// single thread: several have one each, for a part of the batch.
func DrawGraph(model string, d Details, batch int, path string, store *cache.Store) (*GraphResult, error) {
	format, err := diagram.FormatOf(path)
	if err != nil {
		return nil, err
	}
	if err := canDrawGraph(path, format); err != nil {
		return nil, err
	}
	d, _ = withRecorded(model, d)
	ck, err := clip.OpenWith(model, d)
	if err != nil {
		return nil, err
	}
	defer ck.Close()
	tower, err := clip.NewImageTower(ck, clip.ImageOptions{Batch: batch, Threads: 1, Unfed: true})
	if err != nil {
		return nil, err
	}
	result := &GraphResult{path, tower.Graph()}
	g := graphDiagram("Image tower of "+filepath.Base(model), result.Nodes)
	if format == diagram.SVG {
		err = figure.DrawFigure(store, path, "info", func(w io.Writer, _ plot.Format) error { return diagram.WriteSVG(w, g) })
	} else {
		err = store.WriteFile(path, func(w io.Writer) error {
			if _, err := io.WriteString(w, dotMaker); err != nil {
				return err
			}
			return diagram.WriteDOT(w, g)
		})
	}
	if err != nil {
		return nil, fmt.Errorf("draw the graph: %w", err)
	}
	return result, nil
}

// dotMaker is the first line of a .dot file of ours, which may be replaced.
const dotMaker = "// Drawn by clipnh\n"

// canDrawGraph returns ErrExists if what is at path is not a drawing of this program.
func canDrawGraph(path string, format diagram.Format) error {
	if format == diagram.SVG {
		return figure.CanDraw(path, "info")
	}
	return figure.CanReplace(path, "a figure of "+figure.Maker("info"), func(f *os.File) (bool, error) {
		start := make([]byte, len(dotMaker))
		n, err := io.ReadFull(f, start)
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			err = nil
		}
		return string(start[:n]) == dotMaker, err
	})
}

// graphDiagram says what is written in the boxes of a tower's graph. Nodes that are
// computed for equally many images at a time are a group.
func graphDiagram(title string, nodes []clip.GraphNode) diagram.Graph {
	g := diagram.Graph{Title: title}
	index := make(map[string]int)
	groups := make(map[int]int) // by images
	for i, n := range nodes {
		index[n.Name] = i
		group, ok := groups[n.Images]
		if !ok {
			group = len(g.Groups)
			groups[n.Images] = group
			name := "one image at a time"
			if n.Images > 1 {
				name = fmt.Sprintf("up to %s at a time", quantity.Of(n.Images, "image"))
			}
			g.Groups = append(g.Groups, name)
		}
		node := diagram.Node{Name: n.Name, Group: group, Lines: []string{n.Operation, shapeLine(n)}}
		for _, name := range n.Inputs {
			node.Inputs = append(node.Inputs, index[name])
		}
		g.Nodes = append(g.Nodes, node)
	}
	return g
}

// shapeLine is the shape of a node, with the algorithm where there is one.
func shapeLine(n clip.GraphNode) string {
	line := strings.ReplaceAll(strings.Trim(fmt.Sprint(n.Shape), "[]"), " ", " x ")
	if n.Algorithm != "" {
		line += "  (" + n.Algorithm + ")"
	}
	return line
}
