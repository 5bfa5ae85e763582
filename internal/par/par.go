// Package par splits loops over a fixed number of workers.
//
// A Team is a number of workers. What a loop body computes for an index must not
// depend on which worker runs it, so that results have the same bytes for teams
// of every size.
package par

import (
	"runtime"
	"sync/atomic"
)

// Team is a number of workers that share loops. The zero value is one worker.
type Team struct{ n int }

// NewTeam returns a team of n workers, at least one.
func NewTeam(n int) Team { return Team{max(n, 1)} }

// Size is the number of workers, at least one.
func (t Team) Size() int { return max(t.n, 1) }

// For splits 0..n into one contiguous range per worker, runs body on each, and
// returns when all are done. Ranges are as even as possible; in a team larger
// than n some workers stay idle. worker is less than Size, and no two concurrent
// bodies have the same one, so it can index scratch memory. A team of one runs
// body on the calling goroutine.
//
// If a worker panics, For panics with a *Panic after the others are done. A panic in the
// calling goroutine's own range is not delayed.
func (t Team) For(n int, body func(lo, hi, worker int)) {
	workers := min(t.Size(), n)
	switch {
	case n <= 0:
	case workers == 1:
		body(0, n, 0)
	case workers <= runtime.GOMAXPROCS(0):
		together(n, workers, body)
	default:
		// Workers that outnumber the processors must not spin: they would block
		// each other.
		var others Group
		for w := 1; w < workers; w++ {
			others.Go(func() { body(n*w/workers, n*(w+1)/workers, w) })
		}
		body(0, n/workers, 0)
		others.Wait()
	}
}

// Each runs body for 0 to n-1, the next index by whichever worker is free, and returns
// when all are done. It is for bodies that take unequally long. worker and panics are as
// in For.
func (t Team) Each(n int, body func(i, worker int)) {
	var next atomic.Int64
	t.For(min(t.Size(), n), func(_, _, worker int) {
		for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
			body(i, worker)
		}
	})
}
