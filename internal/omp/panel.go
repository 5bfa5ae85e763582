package omp

import "unsafe"

// panelWidth is the number of words whose correlations are computed together.
const panelWidth = 32

// The sizes in bytes of a signal's row of sums, and of an atom's row of a panel.
const (
	sumsBytes  = panelWidth * 4
	panelBytes = panelWidth * 2
)

// pairsAhead is how far ahead of its work the assembly looks: far enough to
// hide most of what the last-level cache takes to answer.
const pairsAhead = 40

// pair says that a signal's code has an atom.
type pair struct {
	atom        uint32 // byte offset of the row in a panel
	signal      uint32 // byte offset of the row of sums
	coefficient float32
}

// panelFuncs are one implementation of the loops over panels. The assembly
// fuses products and sums.
type panelFuncs struct {
	// accumulate takes from the rows of sums, for each of n pairs in order,
	//
	//	for i < panelWidth: sums[signal][i] -= coefficient·panel[atom][i]
	//
	// Behind them are pairsAhead more, by which the assembly fetches rows ahead of
	// time; any will do.
	accumulate func(sums *float32, panel *int16, pairs *pair, n int)

	// hits writes to found the numbers of those of the first n rows of sums
	// with
	//
	//	(|sums[row][i]| + limits[row].margin)·norms[i] >= limits[row].least
	//
	// for any i < panelWidth, and returns how many there are. found has room for
	// n.
	hits func(found *int32, sums, norms *float32, limits *limit, n int) int
}

// limit is what makes an element of a row of sums a hit.
type limit struct {
	margin, least float32
}

func accumulateRef(sums *float32, panel *int16, pairs *pair, n int) {
	for _, p := range unsafe.Slice(pairs, n) {
		to := (*[panelWidth]float32)(unsafe.Add(unsafe.Pointer(sums), p.signal))
		from := (*[panelWidth]int16)(unsafe.Add(unsafe.Pointer(panel), p.atom))
		for i, x := range from {
			to[i] -= p.coefficient * float32(x)
		}
	}
}

func hitsRef(found *int32, sums, norms *float32, limits *limit, n int) int {
	out, count := unsafe.Slice(found, n), 0
	rows := unsafe.Slice((*[panelWidth]float32)(unsafe.Pointer(sums)), n)
	factors := (*[panelWidth]float32)(unsafe.Pointer(norms))
	for row, l := range unsafe.Slice(limits, n) {
		for i, x := range rows[row] {
			if (max(x, -x)+l.margin)*factors[i] >= l.least {
				out[count] = int32(row)
				count++
				break
			}
		}
	}
	return count
}
