package ui

import (
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
)

// A Progress shows how far a stage has come. One task runs at a time: Start, any
// number of calls of Add, then Done, also after a failure. Add is safe for
// concurrent use.
type Progress interface {
	// Start begins a task of total units named label ("collect"). A task that
	// resumes an earlier run counts only the remaining units.
	Start(total int64, unit Unit, label string)
	// Add reports n more units as done.
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

// Progress returns a Progress that prints to p, or Discard if p is quiet. The
// tasks of one Printer must not overlap.
func (p *Printer) Progress() Progress {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.quiet {
		return Discard
	}
	return &task{p: p}
}

const (
	barWidth  = 30                     // cells; less on a narrow terminal
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

// showRate enables the rate in units per second; the bar always shows that of bytes.
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

// clear erases the bar. The Printer's mutex must be held.
func (t *task) clear() { t.bar.Clear() }

// closing is the line that remains: "collect: 300 images in 4.2 s (71 img/s)".
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
