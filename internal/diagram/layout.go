package diagram

import "math"

// place is where a node stands.
type place struct{ column, row, track int }

// wire is an arrow: the track that it runs in between its ends' rows.
type wire struct{ from, to, track int }

// column is a run of layers that is drawn from top to bottom. Tracks are its lanes
// from left to right.
type column struct {
	first, last int // layers
	source      int // node of the column before whose value this one starts from, or -1
	tracks      int
	wide        []bool // tracks that hold nodes, not only arrows
}

// layout is a drawing's plan.
type layout struct {
	places  []place
	wires   []wire
	columns []column
}

// plan lays g out in about as many columns as make the drawing somewhat wider than
// high, if a node takes the given width and height.
func plan(g Graph, nodeWidth, nodeHeight float64) layout {
	layers, count := layersOf(g)
	const (
		aspect      = 1.5
		columnNodes = 2 // widths of a node that a column takes, with its side tracks and gap
	)
	columns := max(1, math.Round(math.Sqrt(float64(count)*nodeHeight*aspect/(columnNodes*nodeWidth))))
	l := layout{places: make([]place, len(g.Nodes))}
	l.cut(g, layers, count, int(math.Ceil(float64(count)/columns)))
	for c := range l.columns {
		l.route(g, layers, c)
	}
	return l
}

// layersOf returns each node's layer, one below its lowest input, and the number of
// layers.
func layersOf(g Graph) (layers []int, count int) {
	layers = make([]int, len(g.Nodes))
	for i, n := range g.Nodes {
		for _, from := range n.Inputs {
			layers[i] = max(layers[i], layers[from]+1)
		}
		count = max(count, layers[i]+1)
	}
	return layers, count
}

// cut makes columns of at most the given number of layers, more only where there is no
// place to cut: between a layer and the next, where all arrows that cross come from
// the same node.
func (l *layout) cut(g Graph, layers []int, count, most int) {
	source := make([]int, count) // source[i] is that node for the cut above layer i, or -1
	for i := range source {
		source[i] = -1
		several := false
		for j, n := range g.Nodes {
			for _, from := range n.Inputs {
				if layers[from] < i && layers[j] >= i {
					several = several || source[i] != -1 && source[i] != from
					source[i] = from
				}
			}
		}
		if several {
			source[i] = -1
		}
	}
	first := 0
	for first < count {
		end := count
		for i := first + 1; i < count; i++ {
			if source[i] != -1 {
				if i-first <= most {
					end = i
				} else if end == count {
					end = i
				}
			}
		}
		if count-first <= most {
			end = count
		}
		c := column{first: first, last: end - 1, source: -1}
		if first > 0 {
			c.source = source[first]
		}
		l.columns = append(l.columns, c)
		first = end
	}
}

// route gives tracks to the nodes and arrows of a column. A node takes its first
// input's track if that is free, so that chains run straight; an arrow over several
// rows takes a track that is free all the way.
func (l *layout) route(g Graph, layers []int, at int) {
	c := &l.columns[at]
	taken := make(map[[2]int]bool) // row and track
	claim := func(lo, hi int, wanted ...int) int {
		free := func(track int) bool {
			for row := lo; row <= hi; row++ {
				if taken[[2]int{row, track}] {
					return false
				}
			}
			return true
		}
		track := -1
		for _, t := range wanted {
			if free(t) {
				track = t
				break
			}
		}
		for t := 0; track < 0; t++ {
			if free(t) {
				track = t
			}
		}
		for row := lo; row <= hi; row++ {
			taken[[2]int{row, track}] = true
		}
		for c.tracks <= track {
			c.tracks++
			c.wide = append(c.wide, false)
		}
		return track
	}
	inside := func(i int) bool { return layers[i] >= c.first && layers[i] <= c.last }
	// The rows of a column that starts from another's value have that on top.
	row := func(i int) int {
		switch {
		case c.source == -1:
			return layers[i] - c.first
		case i == c.source:
			return 0
		}
		return layers[i] - c.first + 1
	}
	if c.source != -1 {
		claim(0, 0, 0)
		c.wide[0] = true
	}
	track := func(i int) int {
		if i == c.source {
			return 0
		}
		return l.places[i].track
	}
	for i, n := range g.Nodes {
		if !inside(i) {
			continue
		}
		wanted := []int{0}
		if len(n.Inputs) > 0 {
			wanted[0] = track(n.Inputs[0])
		}
		l.places[i] = place{at, row(i), claim(row(i), row(i), wanted...)}
		c.wide[l.places[i].track] = true
	}
	for i, n := range g.Nodes {
		if !inside(i) {
			continue
		}
		for _, from := range n.Inputs {
			w := wire{from, i, -1}
			if row(i)-row(from) > 1 {
				w.track = claim(row(from)+1, row(i)-1, track(from), track(i))
			}
			l.wires = append(l.wires, w)
		}
	}
}
