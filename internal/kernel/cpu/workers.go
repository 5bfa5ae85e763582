package cpu

import (
	"os"
	"runtime"
	"slices"
)

// Workers is the number of workers with which loops end soonest: one for each processor that
// this program may use, or for each of the fast ones. A loop's ranges are even, so that it takes
// as long as its slowest worker: on a laptop with four fast cores and four of a third of their
// speed, four workers do one and a half times what eight do. The variable GOMAXPROCS, if it is
// set, is the number.
func Workers() int {
	n := runtime.GOMAXPROCS(0)
	if os.Getenv("GOMAXPROCS") != "" {
		return n
	}
	return max(1, min(n, fastProcessors(n)))
}

// worthwhile returns how many of the processors with these speeds, in any unit, do most with
// even ranges; of two numbers that do the same, the larger.
func worthwhile(speeds []int) int {
	speeds = slices.Clone(speeds)
	slices.SortFunc(speeds, func(a, b int) int { return b - a })
	best, most := 0, -1
	for i, s := range speeds {
		if done := (i + 1) * s; done >= most {
			best, most = i+1, done
		}
	}
	return best
}
