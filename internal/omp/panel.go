package omp

import "unsafe"

// panelWidth is the number of words whose correlations are computed together.
const panelWidth = 32

// The sizes in bytes of a signal's row of sums, and of an atom's row of a panel.
const (
	sumsBytes  = panelWidth * 4
	panelBytes = panelWidth * 2
)

// pairsAhead is how many pairs ahead the assembly prefetches: enough to hide most of
// the latency of the last-level cache.
const pairsAhead = 40

// pair is an atom in the code of a signal.
type pair struct {
	atom        uint32 // byte offset of the row in a panel
	signal      uint32 // byte offset of the row of sums
	coefficient float32
}

// panelFuncs are one implementation of the loops over panels. The assembly
// fuses products and sums.
type panelFuncs struct {
	// accumulate does, for each of n pairs in order,
	//
	//	for i < panelWidth: sums[signal][i] -= coefficient·panel[atom][i]
	//
	// n is followed by pairsAhead more pairs, whose rows the assembly prefetches.
	// Any valid ones will do.
	accumulate func(sums *float32, panel *int16, pairs *pair, n int)

	// hits writes to found the indices of those of the first n rows of sums with
	//
	//	(|sums[row][i]| + limits[row].margin)·norms[i] >= limits[row].least
	//
	// for any i < panelWidth, and returns how many there are. found has length n.
	hits func(found *int32, sums, norms *float32, limits *limit, n int) int
}

// limit is the condition for a row of sums to be a hit; see panelFuncs.hits.
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
