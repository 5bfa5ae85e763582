package live

import (
	"context"
	"fmt"
	"sync/atomic"
)

// A gate lets some requests through at a time, one where nothing else is said; others may wait.
type gate struct {
	slot    chan struct{}
	waiting atomic.Int64
	most    int64 // requests in it or waiting
}

func newGate(most int64) *gate { return newWideGate(1, most) }

func newWideGate(at int, most int64) *gate { return &gate{slot: make(chan struct{}, at), most: most} }

// enter waits until the gate is free. It fails with ErrBusy where too many wait, and with
// the context's error when that ends. leave must be called once.
func (g *gate) enter(ctx context.Context) (leave func(), err error) {
	if g.waiting.Add(1) > g.most {
		g.waiting.Add(-1)
		return nil, because(ErrBusy, fmt.Errorf("%d requests are waiting: try again in a moment", g.most))
	}
	select {
	case g.slot <- struct{}{}:
		return func() { <-g.slot; g.waiting.Add(-1) }, nil
	case <-ctx.Done():
		g.waiting.Add(-1)
		return nil, ctx.Err()
	}
}
