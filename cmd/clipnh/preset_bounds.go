package main

import (
	"fmt"
	"math"

	"github.com/clipnh/clipnh/internal/imageprep"
)

// Bounds of flags. Those of the page of an audit and of draws: more would say no more, or make
// figures that nothing shows.
const (
	maxBatch   = 1024 // the tower's memory grows by it, and larger ones are no faster
	maxThreads = 1024 // each takes memory of its own

	maxPermutations = 100000
	maxTopImages    = 64
	maxSheetPairs   = 200
	maxDraws        = 100000
)

// bounds are the least and the largest value of a flag that takes a whole number.
type bounds struct{ lo, hi int64 }

// flagBounds are those of flags that are the same whatever else is given, so that a value of
// the project file or the environment is compared with them where it is read. Where a command
// has others than the rest, they are under its name and the flag's. The commands themselves
// check what is typed.
var flagBounds = map[string]bounds{
	"batch-size": {1, maxBatch}, "threads": {0, maxThreads}, "sample-stride": {1, math.MaxInt64}, "max-pixels": {1, math.MaxInt64},
	"val-stride": {1, math.MaxInt64}, "number": {0, math.MaxInt64}, "limit": {0, math.MaxInt64},
	"top": {1, math.MaxInt64}, "list": {0, math.MaxInt64}, "top-k": {1, math.MaxInt64}, "top-k-pca": {1, math.MaxInt64},
	"num-components": {1, math.MaxInt64}, "texts-per-head": {1, math.MaxInt64}, "num-of-last-layers": {1, math.MaxInt64},
	"w-ov-rank": {1, math.MaxInt64}, "top-k-sink-neurons": {1, math.MaxInt64}, "pamr-steps": {0, math.MaxInt64},
	"permutations": {1, maxPermutations}, "sheet-pairs": {0, maxSheetPairs}, "draws": {0, maxDraws},

	"data subset sample-stride": {0, math.MaxInt64}, "explore max-pixels": {1, imageprep.DefaultMaxPixels}, "watch list": {1, math.MaxInt64},
	"audit top-images": {0, maxTopImages}, "mask top-images": {1, math.MaxInt64}, "polysemanticity top-images": {1, math.MaxInt64},
}

// boundsOf returns the bounds of a flag of a command, and whether it has some.
func boundsOf(command, flag string) (bounds, bool) {
	if b, ok := flagBounds[command+" "+flag]; ok {
		return b, true
	}
	b, ok := flagBounds[flag]
	return b, ok
}

// checkBounds compares a whole number with the bounds of a flag of a command.
func checkBounds(command, flag string, n int64) error {
	b, ok := boundsOf(command, flag)
	if !ok || b.lo <= n && n <= b.hi {
		return nil
	}
	if b.hi == math.MaxInt64 {
		return fmt.Errorf("%d, want %d or more", n, b.lo)
	}
	return fmt.Errorf("%d, want %d to %d", n, b.lo, b.hi)
}
