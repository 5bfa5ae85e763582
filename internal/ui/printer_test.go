package ui

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
)

// clock is a time that tests advance by hand.
type clock struct{ t time.Time }

func newClock() *clock                   { return &clock{time.Date(2025, 1, 2, 3, 4, 5, 0, time.UTC)} }
func (c *clock) now() time.Time          { return c.t }
func (c *clock) advance(d time.Duration) { c.t = c.t.Add(d) }

// newTest returns a Printer on two buffers, which are not terminals.
func newTest() (p *Printer, out, err *bytes.Buffer, c *clock) {
	out, err, c = new(bytes.Buffer), new(bytes.Buffer), newClock()
	return NewPrinter(out, err, c.now), out, err, c
}

// adviceError is an error with a hint.
type adviceError string

func (e adviceError) Error() string { return string(e) }
func (e adviceError) Hint() string  { return "convert " + string(e) }

func TestMessages(t *testing.T) {
	tests := []struct {
		name  string
		quiet bool
		say   func(*Printer)
		want  string
	}{
		{"note", false, func(p *Printer) { p.Note("%d chunks were there", 2) }, "note: 2 chunks were there\n"},
		{"quiet note", true, func(p *Printer) { p.Note("2 chunks were there") }, ""},
		{"warning", false, func(p *Printer) { p.Warn("%s: cut short", "a.jpg") }, "warning: a.jpg: cut short\n"},
		{"quiet warning", true, func(p *Printer) { p.Warn("a.jpg: cut short") }, "warning: a.jpg: cut short\n"},
		{"warnings of one kind", false, func(p *Printer) {
			for _, kind := range []string{"HEIC", "AVIF", "HEIC"} {
				err := fmt.Errorf("a.jpg: %w", adviceError(kind))
				p.Warn("skipped: %v", err)
				p.WithOutput(nil).Warn("skipped: %v", err)
			}
		}, "warning: skipped: a.jpg: HEIC\nhint: convert HEIC\nwarning: skipped: a.jpg: HEIC\n" +
			"warning: skipped: a.jpg: AVIF\nhint: convert AVIF\nwarning: skipped: a.jpg: AVIF\n" +
			"warning: skipped: a.jpg: HEIC\nwarning: skipped: a.jpg: HEIC\n"},
		{"quiet error", true, func(p *Printer) { p.Error(errors.New("svd: no scores")) }, "error: svd: no scores\n"},
		{"joined errors", false, func(p *Printer) { p.Error(errors.Join(errors.New("a"), errors.New("b"))) }, "error: a\n       b\n"},
		{"hints", false, func(p *Printer) { p.Hint("run this\nor that") }, "hint: run this\nhint: or that\n"},
		{"escape codes in a name", false, func(p *Printer) { p.Warn("%s: cut short", "\x1b[2Ja\xff\r.jpg") },
			"warning: \\x1b[2Ja\\xff\\r.jpg: cut short\n"},
		{"fault", true, func(p *Printer) { p.Fault("internal error") }, "clipnh: internal error\n"},
		{"trace", true, func(p *Printer) { p.Trace("a\n    b\n") }, "a\n    b\n"},
		{"error as JSON", true, func(p *Printer) {
			p.ErrorJSON(map[string]any{"message": "a<b\n\x1b\u009b\u202e\xff\ufffd\U000e0001é", "status": 1})
		},
			`{"message":"a<b\n\u001b\u009b\u202e\ufffd�\udb40\udc01é","status":1}` + "\n"},
		{"no error as JSON", false, func(p *Printer) { p.ErrorJSON(math.NaN()) }, "error: json: unsupported value: NaN; the error itself was NaN\n"},
		{"other scripts", false, func(p *Printer) { p.Note("名前 %s", "é – 日") }, "note: 名前 é – 日\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, out, err, _ := newTest()
			p.SetQuiet(tt.quiet)
			tt.say(p)
			if err.String() != tt.want {
				t.Errorf("standard error %q, want %q", err.String(), tt.want)
			}
			if out.Len() > 0 {
				t.Errorf("standard output %q, want nothing", out)
			}
		})
	}
}

func TestTable(t *testing.T) {
	tests := []struct {
		name  string
		table func() *Table
		want  string
	}{
		{"head", func() *Table {
			tb := NewTable(Left("unit"), Right("norm"), Left("word"))
			tb.Row("h12n624", "3.9", "butterfly")
			tb.Row("h1n4", "12.0", "")
			return tb
		}, "" +
			"unit     norm  word\n" +
			"h12n624   3.9  butterfly\n" +
			"h1n4     12.0\n"},
		{"no head", func() *Table {
			tb := NewTable(Left(""), Right(""))
			tb.Row("neurons", "3072")
			tb.Row("heads", "48")
			return tb
		}, "neurons  3072\nheads      48\n"},
		{"columns of a terminal, not runes", func() *Table {
			tb := NewTable(Left("name"), Right("n"))
			tb.Row("蝶", "1")           // two columns wide
			tb.Row("nai\u0308ve", "2") // with a combining mark
			tb.Row("plain", "3")
			return tb
		}, "name   n\n蝶     1\nnai\u0308ve  2\nplain  3\n"},
		{"runes, not bytes", func() *Table {
			tb := NewTable(Left("name"), Right("n"))
			tb.Row("naïve", "1")
			tb.Row("plain", "2")
			return tb
		}, "name   n\nnaïve  1\nplain  2\n"},
		{"a line feed in a name", func() *Table {
			tb := NewTable(Left("file"))
			tb.Row("a\nb.jpg")
			return tb
		}, "file\na\\nb.jpg\n"},
		{"no rows", func() *Table { return NewTable(Left("file"), Right("MiB")) }, "file  MiB\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, out, err, _ := newTest()
			if e := p.Table(tt.table()); e != nil {
				t.Fatal(e)
			}
			if out.String() != tt.want {
				t.Errorf("got\n%s\nwant\n%s", out, tt.want)
			}
			if err.Len() > 0 {
				t.Errorf("standard error %q, want nothing", err)
			}
		})
	}
}

func TestRowOfWrongLength(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a row of two cells was accepted in a table of one column")
		}
	}()
	NewTable(Left("file")).Row("a", "b")
}

func TestJSON(t *testing.T) {
	p, out, _, _ := newTest()
	if err := p.JSON(map[string]any{"top1": 0.7, "word": "a<b"}); err != nil {
		t.Fatal(err)
	}
	if want := "{\n  \"top1\": 0.7,\n  \"word\": \"a<b\"\n}\n"; out.String() != want {
		t.Errorf("got %q, want %q", out, want)
	}
	out.Reset()
	if err := p.JSON("\u0085 a\x7f\u2028"); err != nil || out.String() != `"\u0085 a\u007f\u2028"`+"\n" {
		t.Errorf("got %q, %v", out, err)
	}
	out.Reset()
	if err := p.JSON(math.NaN()); err == nil {
		t.Error("a NaN was encoded")
	}
	if out.Len() > 0 {
		t.Errorf("a failed document wrote %q", out)
	}
}

// fullDisk is a writer that always fails.
type fullDisk struct{}

var errFull = errors.New("no space left on device")

func (fullDisk) Write([]byte) (int, error) { return 0, errFull }

func TestResultOnFullDisk(t *testing.T) {
	p := NewPrinter(fullDisk{}, new(bytes.Buffer), time.Now)
	tb := NewTable(Left(""))
	tb.Row("a")
	for name, err := range map[string]error{"JSON": p.JSON(1), "Table": p.Table(tb), "Text": p.Text("a")} {
		if !errors.Is(err, errFull) {
			t.Errorf("%s: error %v, want %v", name, err, errFull)
		}
	}
}

func TestFormats(t *testing.T) {
	bytes := map[int64]string{
		0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 10189: "10 KiB", 1<<20 - 1: "1.0 MiB",
		590 << 20: "590 MiB", 453e9: "422 GiB", math.MaxInt64: "8.0 EiB",
	}
	for n, want := range bytes {
		if got := FormatBytes(n); got != want {
			t.Errorf("FormatBytes(%d) = %q, want %q", n, got, want)
		}
	}
	durations := map[time.Duration]string{
		0: "0 ms", 340 * time.Millisecond: "340 ms", 999600 * time.Microsecond: "1.0 s", 4200 * time.Millisecond: "4.2 s",
		59970 * time.Millisecond: "1 min 00 s", 200 * time.Second: "3 min 20 s",
		3599600 * time.Millisecond: "1 h 00 min", 125 * time.Minute: "2 h 05 min",
	}
	for d, want := range durations {
		if got := FormatDuration(d); got != want {
			t.Errorf("FormatDuration(%d) = %q, want %q", d, got, want)
		}
	}
	rates := []struct {
		unit Unit
		n    int64
		d    time.Duration
		want string
	}{
		{Images, 300, 4200 * time.Millisecond, "71 img/s"},
		{Images, 3, 2 * time.Second, "1.5 img/s"},
		{Images, 1, 10 * time.Second, "6.0 img/min"},
		{Images, 1, 10 * time.Minute, "6.0 img/h"},
		{Bytes, 24 << 20, 2 * time.Second, "12 MiB/s"},
		{Images, 0, time.Second, ""},
		{Images, 5, 0, ""},
	}
	for _, tt := range rates {
		if got := tt.unit.Rate(tt.n, tt.d); got != tt.want {
			t.Errorf("%s: Rate(%d, %v) = %q, want %q", tt.unit.many, tt.n, tt.d, got, tt.want)
		}
	}
	counts := map[string]string{Images.Count(1): "1 image", Images.Count(0): "0 images", Bytes.Count(1 << 20): "1.0 MiB"}
	for got, want := range counts {
		if got != want {
			t.Errorf("Count: got %q, want %q", got, want)
		}
	}
}

func TestQuietProgressIsDiscard(t *testing.T) {
	p, _, err, _ := newTest()
	p.SetQuiet(true)
	pr := p.Progress()
	if pr != Discard {
		t.Errorf("a quiet Printer's progress is %T, want Discard", pr)
	}
	pr.Start(3, Images, "collect")
	pr.Add(3)
	pr.Done()
	if err.Len() > 0 {
		t.Errorf("standard error %q, want nothing", err)
	}
}

func TestClosingLine(t *testing.T) {
	tests := []struct {
		name        string
		total, done int64
		unit        Unit
		took        time.Duration
		want        string
	}{
		{"whole", 300, 300, Images, 4200 * time.Millisecond, "collect: 300 images in 4.2 s (71 img/s)\n"},
		{"stopped", 300, 120, Images, 2 * time.Second, "collect: 120 of 300 images in 2.0 s (60 img/s)\n"},
		{"nothing left to do", 0, 0, Images, 20 * time.Millisecond, "collect: 0 images in 20 ms\n"},
		{"bytes", 1 << 30, 1 << 29, Bytes, 2 * time.Second, "collect: 512 MiB of 1.0 GiB in 2.0 s (256 MiB/s)\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, out, err, c := newTest()
			pr := p.Progress()
			pr.Start(tt.total, tt.unit, "collect")
			for range tt.done {
				if tt.unit == Bytes {
					pr.Add(tt.done)
					break
				}
				pr.Add(1)
			}
			c.advance(tt.took)
			if err.Len() > 0 {
				t.Errorf("before Done standard error has %q, want nothing", err)
			}
			pr.Done()
			pr.Done()
			if err.String() != tt.want {
				t.Errorf("got %q, want %q", err, tt.want)
			}
			if out.Len() > 0 {
				t.Errorf("standard output %q, want nothing", out)
			}
		})
	}
}

func TestTasksFollowEachOther(t *testing.T) {
	p, _, err, c := newTest()
	pr := p.Progress()
	for _, label := range []string{"embed", "svd"} {
		pr.Start(2, Texts, label)
		pr.Add(2)
		c.advance(time.Second)
		pr.Done()
	}
	if want := "embed: 2 texts in 1.0 s (2.0 text/s)\nsvd: 2 texts in 1.0 s (2.0 text/s)\n"; err.String() != want {
		t.Errorf("got %q, want %q", err, want)
	}
	pr.Start(1, Texts, "a")
	defer func() {
		if recover() == nil {
			t.Error("a task began inside another")
		}
	}()
	pr.Start(1, Texts, "b")
}

// screen is what a terminal with infinitely long lines shows after s: \r moves to
// the start of the line, and later runes overwrite earlier ones.
func screen(s string) string {
	var lines []string
	for line := range strings.SplitSeq(s, "\n") {
		var cells []rune
		at := 0
		for _, r := range line {
			if r == '\r' {
				at = 0
				continue
			}
			if at == len(cells) {
				cells = append(cells, ' ')
			}
			cells[at] = r
			at++
		}
		lines = append(lines, strings.TrimRight(string(cells), " "))
	}
	return strings.Join(lines, "\n")
}

func TestBarOnTerminal(t *testing.T) {
	for _, unit := range []Unit{Images, Bytes} {
		t.Run(unit.many, func(t *testing.T) {
			p, out, err, c := newTest()
			p.terminal = true
			pr := p.Progress()
			pr.Start(4<<20, unit, "collect")
			time.Sleep(2 * barRedraw) // the bar does not use the test's clock
			pr.Add(1 << 20)
			drawn := screen(err.String())
			for _, want := range []string{"collect", "25%", unit.short + "/"} {
				if !strings.Contains(drawn, want) {
					t.Errorf("the bar %q lacks %q", drawn, want)
				}
			}
			p.Warn("a.jpg: cut short")
			if got, want := screen(err.String()), "warning: a.jpg: cut short\n"; got != want {
				t.Errorf("after a warning the screen shows %q, want %q", got, want)
			}
			pr.Add(2 << 20)
			if e := p.Text("result\n"); e != nil || out.String() != "result\n" {
				t.Errorf("standard output %q, %v", out, e)
			}
			c.advance(2 * time.Second)
			pr.Done()
			lines := strings.Split(screen(err.String()), "\n")
			if len(lines) != 3 || !strings.HasPrefix(lines[1], "collect: ") || lines[2] != "" {
				t.Errorf("after Done the screen shows %q, want the warning and the closing line", lines)
			}
		})
	}
}

// TestConcurrentUse is for the race detector.
func TestConcurrentUse(t *testing.T) {
	p, _, err, _ := newTest()
	p.terminal = true
	pr := p.Progress()
	pr.Start(1000, Images, "collect")
	done := make(chan bool)
	for range 4 {
		go func() {
			for i := range 250 {
				pr.Add(1)
				if i%50 == 0 {
					p.Note("image %d", i)
				}
			}
			done <- true
		}()
	}
	for range 4 {
		<-done
	}
	pr.Done()
	if got := screen(err.String()); !strings.Contains(got, "\ncollect: 1000 images in ") {
		t.Errorf("the screen shows %q, want the closing line of 1000 images", got)
	}
}
