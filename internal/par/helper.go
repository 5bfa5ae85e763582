package par

import (
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// A tower at batch size one runs about a hundred short loops one after the other.
// If each loop started new goroutines, each start would wait for the system to
// wake a sleeping thread: 120 µs on a two-core virtual machine, a quarter of
// RN50's time. So helpers stay alive after a loop, spin for a while in case the
// next loop comes, and only then sleep. The caller that waits for them does the
// same.

// spins is how often a sleeper polls before it sleeps: about 100 µs.
const spins = 1 << 17

// sleeper is the waiting side of a hand-over. The other side wakes it.
type sleeper struct {
	asleep atomic.Bool
	wakes  chan struct{}
}

// until returns when ready reports true. The other side makes ready true and then
// calls rouse. A late call of rouse, for an event that was already handled, wakes
// the sleeper without reason; that is why it polls again after waking.
func (s *sleeper) until(ready func() bool) {
	for {
		for range spins {
			if ready() {
				return
			}
		}
		s.asleep.Store(true)
		if ready() && s.asleep.CompareAndSwap(true, false) {
			return // ready before the other side saw us asleep
		}
		<-s.wakes
	}
}

// rouse wakes the sleeper if it is asleep.
func (s *sleeper) rouse() {
	if s.asleep.CompareAndSwap(true, false) {
		s.wakes <- struct{}{}
	}
}

// loop is a running loop.
type loop struct {
	body    func(lo, hi, worker int)
	pending atomic.Int32 // helpers still running
	failed  atomic.Pointer[Panic]
	caller  sleeper
}

// share is the part of a loop that one helper runs.
type share struct {
	*loop
	lo, hi, worker int
}

// run runs the body, and keeps its panic for the caller.
func (s *share) run() {
	defer func() {
		if v := recover(); v != nil {
			s.failed.CompareAndSwap(nil, Recovered(v))
		}
	}()
	s.body(s.lo, s.hi, s.worker)
}

// helper is a goroutine that runs shares of loops.
type helper struct {
	sleeper
	next atomic.Pointer[share]
}

// idle holds the helpers that have no work.
var idle struct {
	sync.Mutex
	helpers []*helper
}

// hire returns an idle helper, or a new one.
func hire() *helper {
	idle.Lock()
	defer idle.Unlock()
	if n := len(idle.helpers); n > 0 {
		h := idle.helpers[n-1]
		idle.helpers = idle.helpers[:n-1]
		return h
	}
	h := &helper{sleeper: sleeper{wakes: make(chan struct{}, 1)}}
	go h.run()
	return h
}

func (h *helper) run() {
	debug.SetPanicOnFault(true) // as Catch
	for {
		h.until(func() bool { return h.next.Load() != nil })
		s := h.next.Swap(nil)
		s.run()
		idle.Lock()
		idle.helpers = append(idle.helpers, h)
		idle.Unlock()
		if s.pending.Add(-1) == 0 {
			s.caller.rouse()
		}
	}
}

// together runs a loop as Team.For does, with helpers.
func together(n, workers int, body func(lo, hi, worker int)) {
	l := &loop{body: body, caller: sleeper{wakes: make(chan struct{}, 1)}}
	l.pending.Store(int32(workers - 1))
	for w := 1; w < workers; w++ {
		h := hire()
		h.next.Store(&share{l, n * w / workers, n * (w + 1) / workers, w})
		h.rouse()
	}
	body(0, n/workers, 0)
	l.caller.until(func() bool { return l.pending.Load() == 0 })
	l.failed.Load().Rethrow()
}
