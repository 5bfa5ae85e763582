package ui

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
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
	// Read reports n bytes of images as read, beside the units. Safe as Add is.
	Read(n int64)
	// Done ends the task. Without a task it does nothing.
	Done()
}

// Discard is a Progress that shows nothing.
var Discard Progress = discard{}

type discard struct{}

func (discard) Start(int64, Unit, string) {}
func (discard) Add(int64)                 {}
func (discard) Read(int64)                {}
func (discard) Done()                     {}

// Progress returns a Progress that prints to p, or Discard if p is quiet. The
// tasks of one Printer must not overlap.
func (p *Printer) Progress() Progress {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.progress == NoProgress || p.quiet && p.progress != JSONProgress {
		return Discard
	}
	return &task{p: p}
}

const (
	barWidth  = 30                     // cells; less on a narrow terminal
	barRedraw = 100 * time.Millisecond // at most ten times a second
)

// Showing is how a Printer shows progress.
type Showing int

const (
	AutoProgress Showing = iota // a bar on a terminal, and a line at the end of a task
	JSONProgress                // lines of JSON, for programs
	NoProgress
)

// jsonEvery is the time between two lines of JSON.
const jsonEvery = 2 * time.Second

// SetProgress says how progress is shown. It does not affect a Progress that was returned
// earlier.
func (p *Printer) SetProgress(how Showing) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.progress = how
}

// WaitFor says what is waited for while no task is running, for SayProgress; empty for nothing.
func (p *Printer) WaitFor(what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waits = what
}

// SayProgress prints a line on the task that is running, whatever is shown otherwise, or on what the
// program does while there is none.
func (p *Printer) SayProgress() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.task == nil {
		p.say("note: ", p.between())
		return
	}
	took := p.now().Sub(p.task.started)
	line := p.task.closing(took)
	if left, ok := p.task.left(took); ok {
		line += ", about " + FormatDuration(left) + " left"
	}
	if n := p.task.skipped; n > 0 {
		line += fmt.Sprintf(", %d skipped", n)
	}
	if n := p.task.read; n > 0 {
		line += ", " + Bytes.Count(n) + " read"
		if rate := Bytes.Rate(n, took); rate != "" {
			line += " (" + rate + ")"
		}
	}
	p.say("note: ", line)
}

// between says what the program does while no task is running.
func (p *Printer) between() string {
	switch {
	case p.waits != "":
		return "waiting for " + p.waits
	case p.last != "":
		return "no task is running that counts what is done; the last one: " + p.last
	}
	return "no task has begun that counts what is done, " + FormatDuration(p.now().Sub(p.started)) + " after the start"
}

// Read reports n bytes of images as read to the task that is running.
func (p *Printer) Read(n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.task != nil {
		p.task.read += n
	}
}

// left estimates how long a task will go on, at the rate up to now.
func (t *task) left(took time.Duration) (time.Duration, bool) {
	if t.done <= 0 || t.total < t.done {
		return 0, false
	}
	return time.Duration(float64(took) * float64(t.total-t.done) / float64(t.done)), true
}

// A state is a line of JSONProgress.
type state struct {
	Task    string   `json:"task"`
	Unit    string   `json:"unit"`
	Done    int64    `json:"done"`
	Total   int64    `json:"total"`
	Skipped int64    `json:"skipped"`
	Seconds float64  `json:"seconds"`      // since the task began
	Rate    float64  `json:"rate"`         // units a second
	Read    int64    `json:"bytes"`        // of the images that were read, as files have them; of a task that counts bytes, these
	Speed   float64  `json:"byte_rate"`    // of these a second
	Left    *float64 `json:"seconds_left"` // null where nothing was done yet
	Ended   bool     `json:"ended"`
}

// tell prints a line of JSON. The Printer's mutex must be held.
func (t *task) tell(now time.Time, ended bool) {
	t.told = now
	took := now.Sub(t.started)
	s := state{Task: t.label, Unit: t.unit.many, Done: t.done, Total: t.total, Skipped: t.skipped, Read: t.read, Seconds: rounded(took.Seconds()), Ended: ended}
	if t.unit == Bytes {
		s.Read = t.done
	}
	if took > 0 {
		s.Rate, s.Speed = rounded(float64(t.done)/took.Seconds()), rounded(float64(s.Read)/took.Seconds())
	}
	if left, ok := t.left(took); ok {
		seconds := rounded(left.Seconds())
		s.Left = &seconds
	}
	line, err := json.Marshal(map[string]state{"progress": s})
	if err != nil {
		panic(err) // numbers and names can be written
	}
	t.p.err.Write(append(line, '\n'))
}

func rounded(x float64) float64 { return math.Round(1000*x) / 1000 }

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
	read    int64                    // bytes of images
	skipped int64                    // units that were of no use; they are done too
	bar     *progressbar.ProgressBar // nil unless p is a terminal
	told    time.Time                // when JSON was printed last
}

func (t *task) Start(total int64, unit Unit, label string) {
	t.p.mu.Lock()
	defer t.p.mu.Unlock()
	if t.running {
		panic("ui: Start before Done")
	}
	*t = task{p: t.p, running: true, label: label, unit: unit, total: total, started: t.p.now()}
	t.p.task = t
	if t.p.progress == JSONProgress {
		t.tell(t.started, false)
		return
	}
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
	if t.running && t.p.progress == JSONProgress {
		if now := t.p.now(); now.Sub(t.told) >= jsonEvery {
			t.tell(now, false)
		}
	}
}

func (t *task) Read(n int64) { t.p.Read(n) }

func (t *task) Done() {
	t.p.mu.Lock()
	defer t.p.mu.Unlock()
	if !t.running {
		return
	}
	closing := t.closing(t.p.now().Sub(t.started))
	t.running, t.p.task, t.p.last = false, nil, closing
	if t.p.progress == JSONProgress {
		t.tell(t.p.now(), true)
		return
	}
	if t.bar != nil {
		t.clear()
		t.bar, t.p.bar = nil, nil
	}
	io.WriteString(t.p.err, printable(closing)+"\n")
}

// clear erases the bar. The Printer's mutex must be held.
func (t *task) clear() { t.bar.Clear() }

// closing is the line that remains: "collect: 300 images in 4.2 s (71 img/s)", also while the
// task runs.
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
