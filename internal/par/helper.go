package par

import (
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// A tower at batch size one runs about a hundred short loops one after the other.
// If each loop started new goroutines, each start would wait for the system to
// wake a sleeping thread: 120 µs on a two-core virtual machine, a quarter of
// RN50's time. So helpers stay alive after a loop, spin for a while in case the
// next loop comes, and only then sleep. The caller that waits for them does the
// same.

// A sleeper polls at most so often before it sleeps, about 100 µs, and at least so often.
const (
	mostSpins   = 1 << 17
	fewestSpins = 1 << 8
)

// longWait is a wait that neither uneven shares nor the waking of a helper explain.
const longWait = 500 * time.Microsecond

// patience is how often sleepers poll now. Where other programs want the processors, the system
// takes one away from a worker for milliseconds. A caller that polls for the worker meanwhile
// gains nothing, keeps a processor that the worker could move to, and has less of its own time
// left for the next loops: beside one busy program, RN50 on two threads took 75 ms with long
// polls and 45 with short ones. But on free processors it takes 23 ms with long polls and 30 with
// short ones. So a long wait of a caller makes all less patient, and short ones make them patient
// again within a tower's pass. Waits of helpers say nothing: their work may not come.
var patience atomic.Int64

func init() { patience.Store(mostSpins) }

// waited notes how long a caller's wait was.
func waited(d time.Duration) {
	n := patience.Load()
	if d < longWait {
		if n < mostSpins {
			patience.Store(min(n+n/16, mostSpins))
		}
		return
	}
	patience.Store(max(n/4, fewestSpins))
}

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
		for range patience.Load() {
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
	start := time.Now()
	l.caller.until(func() bool { return l.pending.Load() == 0 })
	waited(time.Since(start))
	l.failed.Load().Rethrow()
}
