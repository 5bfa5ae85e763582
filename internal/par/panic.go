package par

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
)

// A panic ends the program in the goroutine where it happens; other goroutines cannot
// recover from it. So goroutines of this package recover from panics and pass them to the
// goroutine that waits for them, which panics instead. Fatal errors of the
// runtime, such as a lack of memory, cannot be recovered from.

// Panic is a recovered panic that is passed to another goroutine, which then panics with
// the *Panic.
type Panic struct {
	Value any
	// Stack holds the calls that led to the panic, innermost first: those of the
	// goroutine that panicked, then those of the goroutines that it was passed to.
	// Functions of the runtime are omitted.
	Stack []runtime.Frame
}

// Error returns the value and the stack, because the runtime prints it for a panic that is
// not recovered.
func (p *Panic) Error() string { return fmt.Sprintf("%v\n\n%s", p.Value, p.Trace()) }

// Trace returns the stack as text: for each call one line with the function, and one with
// file and line.
func (p *Panic) Trace() string {
	var b strings.Builder
	for _, f := range p.Stack {
		fmt.Fprintf(&b, "%s\n    %s:%d\n", f.Function, f.File, f.Line)
	}
	return b.String()
}

// Recovered returns v, which recover returned, with the stack that led to it. A v that
// is a *Panic already gets the calls of this goroutine added. Recovered must be called
// by the deferred function that called recover.
func Recovered(v any) *Panic {
	p, ok := v.(*Panic)
	if !ok {
		p = &Panic{Value: v}
	}
	p.Stack = append(p.Stack, panickedCalls()...)
	return p
}

// Catch runs f. It returns the panic of f, or nil.
//
// A fault in memory that is a file (package mapping) is a panic too, instead of the end
// of the program.
func Catch(f func()) (p *Panic) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if v := recover(); v != nil {
			p = Recovered(v)
		}
	}()
	f()
	return nil
}

// Rethrow panics with p unless it is nil.
func (p *Panic) Rethrow() {
	if p != nil {
		panic(p)
	}
}

// panickedCalls returns the calls of this goroutine below the panic that it is
// recovering from.
func panickedCalls() []runtime.Frame {
	counters := make([]uintptr, 64)
	n := runtime.Callers(2, counters)
	for n == len(counters) {
		counters = make([]uintptr, 2*len(counters))
		n = runtime.Callers(2, counters)
	}
	var calls []runtime.Frame
	recovering := true // these calls come first, up to that of the deferred function
	frames := runtime.CallersFrames(counters[:n])
	for more := n > 0; more; {
		var f runtime.Frame
		f, more = frames.Next()
		switch {
		case f.Function == "runtime.gopanic":
			recovering = false
		case !recovering && !strings.HasPrefix(f.Function, "runtime."):
			calls = append(calls, f)
		}
	}
	return calls
}

// Group is a sync.WaitGroup whose Wait panics with the first panic of its goroutines.
type Group struct {
	running sync.WaitGroup
	failed  atomic.Pointer[Panic]
}

// Go runs f in a new goroutine.
func (g *Group) Go(f func()) {
	g.running.Add(1)
	go func() {
		defer g.running.Done()
		if p := Catch(f); p != nil {
			g.failed.CompareAndSwap(nil, p)
		}
	}()
}

// Wait waits for all goroutines to end. It panics with a *Panic if one of them did.
func (g *Group) Wait() {
	g.running.Wait()
	g.failed.Load().Rethrow()
}
