package ui

import (
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
)

// A Progress is told how far a stage has come. One task runs at a time: Start,
// any number of Add, then Done, which also belongs after a failure. Add may be
// called by several goroutines.
type Progress interface {
	// Start begins a task of total units named label ("collect"). A task that
	// goes on where an earlier run stopped counts what is left to do.
	Start(total int64, unit Unit, label string)
	// Add says that n more units are done.
	Add(n int64)
	// Done ends the task. Without a task it does nothing.
	Done()
}

// Discard is a Progress that shows nothing.
var Discard Progress = discard{}

type discard struct{}

func (discard) Start(int64, Unit, string) {}
func (discard) Add(int64)                 {}
func (discard) Done()                     {}

// Progress returns a Progress that shows on p: Discard if p is quiet. The tasks
// of one Printer follow each other; they do not overlap.
func (p *Printer) Progress() Progress {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.quiet {
		return Discard
	}
	return &task{p: p}
}

const (
	barWidth  = 30                     // cells; narrower where the terminal is
	barRedraw = 100 * time.Millisecond // at most ten times a second
)

// task is a Progress on a Printer. Its fields, and the bar's writes, are
// guarded by the Printer's mutex.
type task struct {
	p       *Printer
	running bool
	label   string
	unit    Unit
	total   int64
	done    int64
	started time.Time
	bar     *progressbar.ProgressBar // nil unless p is a terminal
}

func (t *task) Start(total int64, unit Unit, label string) {
	t.p.mu.Lock()
	defer t.p.mu.Unlock()
	if t.running {
		panic("ui: Start before Done")
	}
	*t = task{p: t.p, running: true, label: label, unit: unit, total: total, started: t.p.now()}
	if t.p.terminal && total > 0 {
		t.bar = progressbar.NewOptions64(total,
			progressbar.OptionSetWriter(t.p.err),
			progressbar.OptionSetDescription(printable(label)),
			progressbar.OptionSetWidth(barWidth),
			progressbar.OptionSetTheme(progressbar.ThemeASCII),
			progressbar.OptionSetItsString(unit.short),
			progressbar.OptionShowCount(),
			progressbar.OptionSetPredictTime(true),
			progressbar.OptionThrottle(barRedraw),
			progressbar.OptionClearOnFinish(),
			progressbar.OptionUseIECUnits(true),
			progressbar.OptionShowBytes(unit == Bytes),
			showRate(unit),
		)
		t.p.bar = t
		t.bar.RenderBlank()
	}
}

// showRate asks for a rate in units a second; bytes have theirs without asking.
func showRate(unit Unit) progressbar.Option {
	if unit == Bytes {
		return func(*progressbar.ProgressBar) {}
	}
	return progressbar.OptionShowIts()
}

func (t *task) Add(n int64) {
	t.p.mu.Lock()
	defer t.p.mu.Unlock()
	t.done += n
	if t.bar != nil {
		t.bar.Add64(n)
	}
}

func (t *task) Done() {
	t.p.mu.Lock()
	defer t.p.mu.Unlock()
	if !t.running {
		return
	}
	t.running = false
	if t.bar != nil {
		t.clear()
		t.bar, t.p.bar = nil, nil
	}
	io.WriteString(t.p.err, printable(t.closing(t.p.now().Sub(t.started)))+"\n")
}

// clear takes the bar off the screen, with the Printer's mutex held.
func (t *task) clear() { t.bar.Clear() }

// closing is the line that stays: "collect: 300 images in 4.2 s (71 img/s)".
func (t *task) closing(took time.Duration) string {
	count := t.unit.Count(t.done)
	if t.done < t.total {
		count = t.unit.outOf(t.done, t.total)
	}
	line := fmt.Sprintf("%s: %s in %s", t.label, count, FormatDuration(took))
	if rate := t.unit.Rate(t.done, took); rate != "" {
		line += " (" + rate + ")"
	}
	return line
}
