package par

import (
	"errors"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// failsIn panics in the range that begins with index at, below a call of its own.
func failsIn(at int) func(lo, hi, worker int) {
	return func(lo, hi, _ int) {
		if lo <= at && at < hi {
			fail()
		}
	}
}

//go:noinline
func fail() { panic(errors.New("injected")) }

// functions returns the names of the functions of p's stack.
func functions(p *Panic) []string {
	var names []string
	for _, f := range p.Stack {
		names = append(names, f.Function[strings.LastIndexByte(f.Function, '/')+1:])
	}
	return names
}

// TestForPanics holds that a worker's panic reaches the caller with value and stack,
// that the other workers finish first, and that the team works afterwards; with helpers,
// with goroutines for more workers than processors, and nested.
func TestForPanics(t *testing.T) {
	for _, procs := range []int{2, 4} {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
		team := NewTeam(4)
		for _, nested := range []bool{false, true} {
			var done atomic.Int32
			p := Catch(func() {
				team.For(4, func(lo, hi, worker int) {
					if lo == 2 && nested {
						team.For(4, failsIn(3))
					}
					if worker != 0 {
						time.Sleep(5 * time.Millisecond)
					}
					failsIn(2)(lo, hi, worker)
					done.Add(1)
				})
			})
			if p == nil {
				t.Fatalf("%d processors: no panic", procs)
			}
			if err, ok := p.Value.(error); !ok || err.Error() != "injected" {
				t.Errorf("%d processors: value %v", procs, p.Value)
			}
			names := functions(p)
			if names[0] != "par.fail" || !strings.Contains(names[1], "failsIn") {
				t.Errorf("%d processors: the stack begins with %q", procs, names[:2])
			}
			if last := names[len(names)-1]; last != "testing.tRunner" {
				t.Errorf("%d processors: the stack ends with %s, which does not lead to the caller", procs, last)
			}
			if !strings.HasPrefix(p.Error(), "injected\n\n") || !strings.Contains(p.Error(), "panic_test.go:") {
				t.Errorf("as an error: %q", p.Error())
			}
			if done.Load() != 3 {
				t.Errorf("%d processors: %d workers had finished, want 3", procs, done.Load())
			}
			var sum atomic.Int32
			team.For(100, func(lo, hi, _ int) { sum.Add(int32(hi - lo)) })
			if sum.Load() != 100 {
				t.Errorf("afterwards: %d of 100", sum.Load())
			}
		}
	}
}

func TestGroup(t *testing.T) {
	var g Group
	var done atomic.Int32
	g.Go(func() { done.Add(1) })
	g.Go(fail)
	g.Go(func() { done.Add(1) })
	p := Catch(g.Wait)
	if p == nil || functions(p)[0] != "par.fail" || done.Load() != 2 {
		t.Errorf("%v, %d done", p, done.Load())
	}
	if p := Catch(func() {}); p != nil {
		t.Errorf("no panic gave %v", p)
	}
}
