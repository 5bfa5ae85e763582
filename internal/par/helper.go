package par

import (
	"sync"
	"sync/atomic"
)

// A tower at batch size one runs some hundred short loops one after the other.
// A goroutine made for each would wait, each time, until the system has woken
// a sleeping thread: 120 µs on a two-core virtual machine, a quarter of RN50's
// time. So helpers stay after a loop, look for the next one for a while, and
// only then go to sleep; and so does the caller that waits for them.

// spins is how often a sleeper looks before it sleeps: about 100 µs.
const spins = 1 << 17

// sleeper is one side of a hand-over: it waits until something is there, and
// the other side wakes it.
type sleeper struct {
	asleep atomic.Bool
	wakes  chan struct{}
}

// until returns when there reports true. The other side calls rouse after it
// has made that so; a call that comes late, when what it was for has been seen
// and dealt with, wakes the sleeper for nothing, which is why it looks again.
func (s *sleeper) until(there func() bool) {
	for {
		for range spins {
			if there() {
				return
			}
		}
		s.asleep.Store(true)
		if there() && s.asleep.CompareAndSwap(true, false) {
			return // it came before anyone saw us asleep
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

// loop is a loop under way.
type loop struct {
	body    func(lo, hi, worker int)
	pending atomic.Int32 // helpers that are not done
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

// idle are the helpers that have nothing to do.
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

// together is Team.For with helpers.
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
