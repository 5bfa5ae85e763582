package diagram

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"unicode/utf8"
)

// Sizes in pixels.
const (
	nameSize, lineSize = 12, 11 // of letters
	letter             = 0.6    // width of a letter of the fixed-width font, to its size
	lineHeight         = 14     // from line to line
	padding            = 8      // between a box and its text
	rowGap             = 26     // between rows, for arrows
	trackGap           = 22     // between tracks, and their width where there are only arrows
	columnGap          = 70     // between columns
	margin             = 24     // around everything
	headHeight         = 64     // of the title and the legend
	ink, faint         = "#222", "#777"
)

// drawing is an image being drawn.
type drawing struct {
	bytes.Buffer
	graph    Graph
	layout   layout
	boxW     float64
	boxH     float64
	columnsX []float64   // left end of each column
	tracksX  [][]float64 // middle of each track of each column
	width    float64
	height   float64
}

// WriteSVG draws g as an SVG image that needs nothing else to be shown.
func WriteSVG(w io.Writer, g Graph) error {
	if err := g.check(); err != nil {
		return err
	}
	d := &drawing{graph: g}
	lines := 0
	for _, n := range g.Nodes {
		d.boxW = max(d.boxW, textWidth(n.Name, nameSize))
		lines = max(lines, len(n.Lines))
		for _, line := range n.Lines {
			d.boxW = max(d.boxW, textWidth(line, lineSize))
		}
	}
	d.boxW += 2 * padding
	d.boxH = float64(lines+1)*lineHeight + padding
	d.layout = plan(g, d.boxW, d.boxH+rowGap)
	d.measure()
	d.draw()
	_, err := w.Write(d.Bytes())
	return err
}

func textWidth(s string, size float64) float64 {
	return letter * size * float64(utf8.RuneCountInString(s))
}

// measure finds where columns and tracks are, and the size of the whole.
func (d *drawing) measure() {
	x, rows := float64(margin), 0
	for _, c := range d.layout.columns {
		d.columnsX = append(d.columnsX, x)
		var middles []float64
		for _, wide := range c.wide {
			w := float64(trackGap)
			if wide {
				w = d.boxW
			}
			middles = append(middles, x+w/2)
			x += w + trackGap
		}
		d.tracksX = append(d.tracksX, middles)
		x += columnGap - trackGap
		rows = max(rows, c.last-c.first+1)
		if c.source != -1 {
			rows = max(rows, c.last-c.first+2)
		}
	}
	legend := float64(margin)
	for _, name := range d.graph.Groups {
		legend += 18 + textWidth(name, lineSize) + 24
	}
	d.width = max(x-columnGap+margin, legend, textWidth(d.graph.Title, 15)+2*margin)
	d.height = headHeight + float64(rows)*(d.boxH+rowGap) - rowGap + margin
}

// rowY is the upper end of a row.
func (d *drawing) rowY(row int) float64 { return headHeight + float64(row)*(d.boxH+rowGap) }

func (d *drawing) draw() {
	fmt.Fprintf(d, `<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%.0f" viewBox="0 0 %.0f %.0f" font-family="DejaVu Sans Mono, Menlo, Consolas, monospace">`+"\n",
		d.width, d.height, d.width, d.height)
	fmt.Fprintf(d, "<title>%s</title>\n", escaped(d.graph.Title))
	d.WriteString(`<defs><marker id="head" markerWidth="8" markerHeight="8" refX="7" refY="4" orient="auto"><path d="M0,0 L8,4 L0,8 z" fill="` + ink + `"/></marker></defs>` + "\n")
	d.WriteString(`<rect width="100%" height="100%" fill="white"/>` + "\n")
	d.text(margin, 26, 15, "start", ink, d.graph.Title, true)
	x := float64(margin)
	for i, name := range d.graph.Groups {
		fmt.Fprintf(d, `<rect x="%.1f" y="37" width="12" height="12" rx="3" fill="%s" stroke="%s"/>`+"\n", x, fill(i), faint)
		d.text(x+18, 47, lineSize, "start", ink, name, false)
		x += 18 + textWidth(name, lineSize) + 24
	}
	for i := range d.layout.columns {
		d.handOver(i)
	}
	for _, w := range d.layout.wires {
		d.wire(w)
	}
	for i, n := range d.graph.Nodes {
		p := d.layout.places[i]
		d.box(d.tracksX[p.column][p.track], d.rowY(p.row), n, false)
	}
	d.WriteString("</svg>\n")
}

// handOver draws the value that a column starts from, and the way to it from the
// column before.
func (d *drawing) handOver(at int) {
	c := d.layout.columns[at]
	if c.source == -1 {
		return
	}
	p := d.layout.places[c.source]
	x, y := d.tracksX[p.column][p.track], d.rowY(p.row)+d.boxH
	gap := d.columnsX[at] - columnGap/2
	to, top := d.tracksX[at][0], d.rowY(0)
	fmt.Fprintf(d, `<path d="M%.1f,%.1f V%.1f H%.1f V%.1f H%.1f" fill="none" stroke="%s" stroke-dasharray="4 3" marker-end="url(#head)"/>`+"\n",
		x, y, y+rowGap/2, gap, top+d.boxH/2, to-d.boxW/2, ink)
	d.box(to, top, d.graph.Nodes[c.source], true)
}

// wire draws an arrow: straight down, or over to its track, down, and back.
func (d *drawing) wire(w wire) {
	to := d.layout.places[w.to]
	from := d.layout.places[w.from]
	if from.column != to.column { // its stand-in on top of the column
		from = place{column: to.column}
	}
	tracks := d.tracksX[to.column]
	x0, x1 := tracks[from.track], tracks[to.track]
	y0, y1 := d.rowY(from.row)+d.boxH, d.rowY(to.row)
	xt := x1
	if w.track >= 0 {
		xt = tracks[w.track]
	}
	// Arrows that do not run straight leave and arrive beside those that do.
	beside := func(x float64) float64 {
		if xt == x {
			return x
		}
		return x + d.boxW/4
	}
	x0 = beside(x0)
	if w.track >= 0 {
		x1 = beside(x1)
	} else if x0 != x1 {
		x1 += d.boxW / 4
		xt = x1
	}
	fmt.Fprintf(d, `<path d="M%.1f,%.1f V%.1f H%.1f V%.1f H%.1f V%.1f" fill="none" stroke="%s" marker-end="url(#head)"/>`+"\n",
		x0, y0, y0+rowGap/2, xt, y1-rowGap/2, x1, y1-1, ink)
}

// box draws a node around the middle x, from y down; ghost is a stand-in for one that
// is drawn elsewhere.
func (d *drawing) box(x, y float64, n Node, ghost bool) {
	h, dashes, colour := d.boxH, "", ink
	if ghost {
		dashes, colour = ` stroke-dasharray="4 3"`, faint
	}
	fmt.Fprintf(d, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="5" fill="%s" stroke="%s"%s/>`+"\n",
		x-d.boxW/2, y, d.boxW, h, fill(n.Group), faint, dashes)
	y += lineHeight + padding/4
	d.text(x, y, nameSize, "middle", colour, n.Name, !ghost)
	if ghost {
		d.text(x, y+lineHeight, lineSize, "middle", faint, "(from the column before)", false)
		return
	}
	for _, line := range n.Lines {
		y += lineHeight
		d.text(x, y, lineSize, "middle", ink, line, false)
	}
}

func (d *drawing) text(x, y, size float64, anchor, colour, s string, bold bool) {
	weight := ""
	if bold {
		weight = ` font-weight="bold"`
	}
	fmt.Fprintf(d, `<text x="%.1f" y="%.1f" font-size="%.0f" text-anchor="%s" fill="%s"%s>%s</text>`+"\n", x, y, size, anchor, colour, weight, escaped(s))
}

func escaped(s string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(s)) // a buffer takes everything
	return b.String()
}
