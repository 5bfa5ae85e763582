package pipeline

import (
	"context"

	"github.com/clipnh/clipnh/internal/ui"
)

// interrupting is a ui.Reporter that cancels a context when so many units of the
// first task are done.
type interrupting struct {
	ui.Reporter
	after  int64
	cancel context.CancelFunc
}

func (r *interrupting) Progress() ui.Progress { return r }

func (r *interrupting) Start(int64, ui.Unit, string) {}
func (r *interrupting) Done()                        {}

func (r *interrupting) Add(n int64) {
	if r.after -= n; r.after <= 0 {
		r.cancel()
	}
}
