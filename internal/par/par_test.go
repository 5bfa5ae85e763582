package par

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestFor checks that every index is visited once, in contiguous ranges, each by
// a different worker, for teams smaller and larger than the number of processors.
func TestFor(t *testing.T) {
	for _, procs := range []int{1, 2, 8} {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
		for _, size := range []int{0, 1, 2, 3, 7, 64} {
			for _, n := range []int{0, 1, 2, 5, 63, 64, 1000} {
				team := NewTeam(size)
				visits := make([]atomic.Int32, n)
				ranges := make([]atomic.Int32, team.Size())
				team.For(n, func(lo, hi, worker int) {
					ranges[worker].Add(1)
					for i := lo; i < hi; i++ {
						visits[i].Add(1)
					}
				})
				for i := range visits {
					if v := visits[i].Load(); v != 1 {
						t.Fatalf("%d processors, team of %d, %d indices: index %d visited %d times", procs, size, n, i, v)
					}
				}
				for w := range ranges {
					if r := ranges[w].Load(); r > 1 {
						t.Fatalf("%d processors, team of %d, %d indices: worker %d has %d ranges", procs, size, n, w, r)
					}
				}
			}
		}
	}
}

// TestForAgain runs loops one after the other, with pauses in which helpers fall
// asleep, from several goroutines, and nested.
func TestForAgain(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			team := NewTeam(2 + g%3)
			for i := range 300 {
				if i%60 == 0 {
					time.Sleep(2 * time.Millisecond)
				}
				var sum atomic.Int64
				team.For(10, func(lo, hi, _ int) {
					team.For(hi-lo, func(a, b, _ int) { sum.Add(int64(b - a)) })
				})
				if sum.Load() != 10 {
					panic(fmt.Sprintf("loop %d of goroutine %d did %d of 10", i, g, sum.Load()))
				}
			}
		})
	}
	wg.Wait()
}

// BenchmarkFor times the hand-over of an almost empty loop.
func BenchmarkFor(b *testing.B) {
	team := NewTeam(2)
	var sum [2][8]int // on separate cache lines
	for b.Loop() {
		team.For(2, func(lo, _, _ int) { sum[lo][0]++ })
	}
}
