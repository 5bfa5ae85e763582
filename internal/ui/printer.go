// Package ui prints everything that a person or a script sees of a run.
//
// A Printer owns the program's two output streams. Only results, a Table or one
// JSON document, go to standard output. Notes, warnings, errors, hints and
// progress go to standard error. A quiet Printer omits notes and progress;
// warnings and errors are always printed.
//
// Long stages report to a Progress. On a terminal it is a bar with rate and time
// left. Elsewhere it prints only the closing line, which gives count, time and
// rate. Stages whose progress is not shown get Discard.
//
// Messages and JSON may contain names from untrusted files, so characters that could
// control a terminal are printed as escapes.
package ui

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/term"
)

// A Printer writes results to one stream and messages to the other. Its methods
// are safe for concurrent use.
type Printer struct {
	out, err io.Writer
	terminal bool             // err is a terminal
	shows    display          // of out
	says     display          // of err
	now      func() time.Time // for the closing lines of progress

	mu    sync.Mutex // held for every write to err
	quiet bool

	progress Showing
	task     *task     // that is running, or nil
	waits    string    // what is waited for without one
	started  time.Time // when the Printer was made
	last     string    // the closing line of the task before; empty: there was none

	spell func(string) string // of messages, or nil
	bar   *task               // drawn on the last line of err, or nil
	given map[string]bool     // hints that warnings have brought
}

// NewPrinter returns a Printer whose results go to out and whose messages go to
// err. Bars are drawn only if err is a terminal. now is the clock.
func NewPrinter(out, err io.Writer, now func() time.Time) *Printer {
	return &Printer{out: out, err: err, terminal: isTerminal(err), shows: displayOf(out, os.Getenv), says: displayOf(err, os.Getenv), now: now, started: now(), given: map[string]bool{}}
}

// WithOutput returns a Printer whose results go to out and whose messages go where
// p's messages go. The two must not be used concurrently.
func (p *Printer) WithOutput(out io.Writer) *Printer {
	return &Printer{out: out, err: p.err, terminal: p.terminal, shows: displayOf(out, os.Getenv), says: p.says, now: p.now, started: p.started, last: p.last, quiet: p.quiet, progress: p.progress, spell: p.spell, given: p.given}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// SetQuiet turns notes and progress off or on. It does not affect a Progress that
// was returned earlier.
func (p *Printer) SetQuiet(quiet bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.quiet = quiet
}

// SetSpelling makes spell rewrite the text of notes, warnings, errors and hints, for
// example to write options as flags.
func (p *Printer) SetSpelling(spell func(string) string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.spell = spell
}

// Spelled returns text as it appears in messages.
func (p *Printer) Spelled(text string) string {
	if p.spell == nil {
		return text
	}
	return p.spell(text)
}

// Note prints information that needs no action. A quiet Printer omits it.
func (p *Printer) Note(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.quiet {
		p.say("note: ", p.Spelled(fmt.Sprintf(format, args...)))
	}
}

// Warn reports a problem that does not end the run. If an error among args has a
// hint, the hint follows, unless an earlier warning has brought it: thousands of
// images may have one fault.
func (p *Printer) Warn(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.say("warning: ", p.Spelled(fmt.Sprintf(format, args...)))
	for _, arg := range args {
		err, _ := arg.(error)
		var h interface{ Hint() string }
		if errors.As(err, &h) && !p.given[h.Hint()] {
			p.given[h.Hint()] = true
			p.hint(h.Hint())
		}
	}
}

// Skip warns that something was skipped, and counts it in the task that is running.
func (p *Printer) Skip(err error) {
	p.Warn("skipped: %v", err)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.task != nil {
		p.task.skipped++
	}
}

// Error reports why the run failed.
func (p *Printer) Error(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.say("error: ", p.Spelled(err.Error()))
}

// Hint prints advice; each line of text becomes a separate hint.
func (p *Printer) Hint(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hint(text)
}

func (p *Printer) hint(text string) {
	for line := range strings.Lines(p.Spelled(text)) {
		p.say("hint: ", line)
	}
}

// ErrorJSON reports why the run failed, as a JSON document on one line.
func (p *Printer) ErrorJSON(v any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	line, err := encodeJSON(v, "")
	if err != nil {
		p.say("error: ", fmt.Sprintf("%v; the error itself was %v", err, v))
		return
	}
	p.say("", string(line))
}

// Fault reports an internal error, prefixed with the program's name.
func (p *Printer) Fault(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.say("clipnh: ", text)
}

// Trace prints text for developers.
func (p *Printer) Trace(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.say("", text)
}

// say prints a labelled message, with continuation lines indented below the
// first. p.mu must be held. A bar is erased first; the next Add draws it again.
// A failure to write to standard error is ignored: there is nowhere to report it.
func (p *Printer) say(label, text string) {
	if p.bar != nil {
		p.bar.clear()
	}
	var b strings.Builder
	indent := p.says.in(styles[label], label)
	for line := range strings.Lines(text) {
		line = printable(strings.TrimRight(line, "\r\n"))
		for _, part := range wrap(line, p.says.width()-len(label)) {
			fmt.Fprintf(&b, "%s%s\n", indent, part)
			indent = strings.Repeat(" ", len(label))
		}
	}
	io.WriteString(p.err, b.String())
}

// Text writes text to standard output unchanged.
func (p *Printer) Text(text string) error { return p.result([]byte(text)) }

// JSON writes v to standard output as one indented document. If v cannot be
// encoded, for example because it contains a NaN, it writes nothing.
func (p *Printer) JSON(v any) error {
	doc, err := encodeJSON(v, "  ")
	if err != nil {
		return fmt.Errorf("print result: %w", err)
	}
	return p.result(doc)
}

// Table writes t to standard output.
func (p *Printer) Table(t *Table) error { return p.result(t.format(p.shows)) }

// result writes a whole result at once. Both streams may be the same terminal, so
// a bar is erased here too.
func (p *Printer) result(b []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil {
		p.bar.clear()
	}
	if _, err := p.out.Write(b); err != nil {
		return fmt.Errorf("print result: %w", err)
	}
	return nil
}

// CSV prints rows of comma-separated values, with non-printable runes as in a Table.
func (p *Printer) CSV(rows [][]string) error {
	var b strings.Builder
	w := csv.NewWriter(&b)
	for _, row := range rows {
		safe := make([]string, len(row))
		for i, field := range row {
			safe[i] = printable(field)
		}
		if err := w.Write(safe); err != nil {
			return err
		}
	}
	w.Flush()
	return p.Text(b.String())
}

// encodeJSON encodes v as a document that ends with a newline; with an indent, on several
// lines. Non-printable runes, such as the controls U+0080 to U+009F and marks that change
// the direction of text, become \u escapes, so that a terminal does not act on them. Bytes
// that are not UTF-8 become U+FFFD, since JSON cannot represent them.
func encodeJSON(v any, indent string) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", indent)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	if bytes.IndexFunc(b.Bytes(), hidden) < 0 {
		return b.Bytes(), nil
	}
	var escaped []byte
	for _, r := range b.String() {
		switch {
		case !hidden(r):
			escaped = utf8.AppendRune(escaped, r)
		case r > 0xffff:
			hi, lo := utf16.EncodeRune(r)
			escaped = fmt.Appendf(escaped, `\u%04x\u%04x`, hi, lo)
		default:
			escaped = fmt.Appendf(escaped, `\u%04x`, r)
		}
	}
	return escaped, nil
}

// hidden reports whether r, in a JSON document, is not printable. Newlines of the
// document's layout do not count; those in strings are already escaped.
func hidden(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }

// printable returns s with every non-printable rune, and every byte that is not
// UTF-8, replaced by a Go escape.
func printable(s string) string {
	plain := func(r rune) bool { return r != utf8.RuneError && unicode.IsPrint(r) }
	if strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		if plain(r) {
			b.WriteRune(r)
		} else {
			q := strconv.Quote(s[:n])
			b.WriteString(q[1 : len(q)-1])
		}
		s = s[n:]
	}
	return b.String()
}
