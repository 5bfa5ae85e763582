package report

import (
	"math"

	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/par"
)

// near are the nearest of each unit, nearest first, [U,each]; report.None where there are
// fewer. Of equally near ones, that of the smaller number comes first.
type near struct {
	each   int
	units  []int32
	values []float32
}

func newNear(units, each int) *near {
	n := &near{each, make([]int32, units*each), make([]float32, units*each)}
	for i := range n.units {
		n.units[i] = -1
	}
	return n
}

func (n *near) of(u int) ([]int32, []float32) {
	return n.units[u*n.each : (u+1)*n.each], n.values[u*n.each : (u+1)*n.each]
}

// put puts a unit in its place among the nearest of u.
func (n *near) put(u int, other int32, value float32) {
	units, values := n.of(u)
	farther := func(at int) bool {
		return units[at] < 0 || values[at] < value || values[at] == value && units[at] > other
	}
	at := n.each - 1
	if !farther(at) {
		return
	}
	for at > 0 && farther(at-1) {
		units[at], values[at] = units[at-1], values[at-1]
		at--
	}
	units[at], values[at] = other, value
}

// least is what a positive value must exceed to be looked at for the nearest of u: it may then
// be as near as the last.
func (n *near) least(u int) float32 {
	units, values := n.of(u)
	if units[n.each-1] < 0 {
		return 0
	}
	return math.Nextafter32(values[n.each-1], 0)
}

// Tiles of the products of all units with all others.
const (
	tileRows = 256
	tileCols = 1024
)

// nearest returns, for each of the rows [U,P], the others of largest positive product. The
// product of two rows is computed once for both, in blocks of rows: in each round every block
// meets one other block, so that no two workers have the same.
func nearest(rows []float32, dims, each int, team par.Team) *near {
	U := len(rows) / dims
	n := newNear(U, each)
	least := make([]float32, U)
	size := min(max((U+15)/16, 64), 2*tileCols)
	blocks := (U + size - 1) / size
	workers := make([]*meeting, team.Size())
	meet := func(i, j, w int) {
		if workers[w] == nil {
			workers[w] = &meeting{near: n, least: least, rows: rows, dims: dims, products: kernel.Alloc(tileRows * tileCols)}
		}
		workers[w].blocks(i*size, min(U, (i+1)*size), j*size, min(U, (j+1)*size))
	}
	team.Each(blocks, func(i, w int) { meet(i, i, w) })
	even := blocks + blocks%2 // the last may be none
	for round := range even - 1 {
		team.Each(even/2, func(k, w int) {
			i, j := (round+k)%(even-1), (round-k+even-1)%(even-1)
			if k == 0 {
				j = even - 1
			}
			if max(i, j) < blocks {
				meet(min(i, j), max(i, j), w)
			}
		})
	}
	return n
}

// A meeting compares two blocks of rows.
type meeting struct {
	*near
	least    []float32 // of all units, [U]
	rows     []float32 // [U,P]
	dims     int
	products []float32 // [tileRows,tileCols]
}

// blocks compares the rows lo to hi with the rows from to end, which are the same or come after
// them.
func (m *meeting) blocks(lo, hi, from, end int) {
	for ; lo < hi; lo += tileRows {
		count := min(tileRows, hi-lo)
		for at := from; at < end; at += tileCols {
			cols := min(tileCols, end-at)
			if at+cols <= lo { // of the same block, and compared already
				continue
			}
			products := m.products[:count*cols]
			kernel.Sgemm(1, kernel.Dense(m.rows[lo*m.dims:], count, m.dims), kernel.Dense(m.rows[at*m.dims:], cols, m.dims).T(), 0, kernel.Dense(products, count, cols), par.Team{})
			for i := range count {
				u := lo + i
				first := max(at, u+1) // each two once, and none with itself
				if first < at+cols {
					m.scan(u, first, products[i*cols+first-at:(i+1)*cols])
				}
			}
		}
	}
}

// scan looks at the products of row u and the rows from number first on.
func (m *meeting) scan(u, first int, products []float32) {
	for at := 0; ; at++ {
		at += kernel.Exceeding(products[at:], m.least[first+at:], m.least[u])
		if at == len(products) {
			return
		}
		x, other := products[at], first+at
		if x > m.least[u] {
			m.put(u, int32(other), x)
			m.least[u] = m.near.least(u)
		}
		if x > m.least[other] {
			m.put(other, int32(u), x)
			m.least[other] = m.near.least(other)
		}
	}
}

// nearestOf returns, for each row [U,P], the others [V,P] of largest positive product.
func nearestOf(rows, others []float32, dims, each int, team par.Team) *near {
	U, V := len(rows)/dims, len(others)/dims
	n := newNear(U, each)
	tiles := (U + tileRows - 1) / tileRows
	team.For(tiles, func(lo, hi, _ int) {
		products := make([]float32, tileRows*tileCols)
		for t := lo; t < hi; t++ {
			first := t * tileRows
			count := min(tileRows, U-first)
			for from := 0; from < V; from += tileCols {
				cols := min(tileCols, V-from)
				kernel.Sgemm(1, kernel.Dense(rows[first*dims:], count, dims), kernel.Dense(others[from*dims:], cols, dims).T(), 0, kernel.Dense(products, count, cols), par.Team{})
				for i := range count {
					n.scan(first+i, from, products[i*cols:(i+1)*cols])
				}
			}
		}
	})
	return n
}

// scan puts others, from number first on, whose values are given, among the nearest of u.
func (n *near) scan(u, first int, values []float32) {
	for at := 0; ; at++ {
		at += kernel.Exceeding(values[at:], values[at:], n.least(u)) // none is above itself
		if at == len(values) {
			return
		}
		n.put(u, int32(first+at), values[at])
	}
}
