package ui

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rivo/uniseg"
)

// onTerminal is a Printer whose streams are terminals with n columns.
func onTerminal(n int, coloured bool) (p *Printer, out, err *bytes.Buffer) {
	out, err = new(bytes.Buffer), new(bytes.Buffer)
	p = NewPrinter(out, err, time.Now)
	p.shows = display{true, coloured, func() int { return n }}
	p.says = p.shows
	return p, out, err
}

func TestTableOnNarrowTerminal(t *testing.T) {
	tb := NewTable(Left("path"), Right("size"), Left("state"), Left("words"))
	tb.Row("caches/scores-of-the-photographs-of-june", "385 KiB", "sound", "white and yellow, red water, a butterfly costume")
	tb.Row("a", "1 B", "蝶蝶蝶蝶蝶蝶蝶蝶蝶蝶", "b")
	for _, columns := range []int{60, 80} {
		p, out, _ := onTerminal(columns, false)
		if err := p.Table(tb); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(out.String()) {
			if n := uniseg.StringWidth(strings.TrimSuffix(line, "\n")); n > columns {
				t.Errorf("a line of %d columns on %d: %q", n, columns, line)
			}
		}
		joined := strings.Join(strings.Fields(out.String()), "")
		for _, word := range []string{"385KiB", "butterfly", "costume", "caches/"} {
			if !strings.Contains(joined, word) {
				t.Errorf("%d columns: %q is lost in\n%s", columns, word, out)
			}
		}
	}
	wide, out, _ := onTerminal(300, false)
	if err := wide.Table(tb); err != nil || strings.Count(out.String(), "\n") != 3 {
		t.Errorf("%v, on a wide terminal\n%s", err, out)
	}
	plain, file := NewPrinter(new(bytes.Buffer), new(bytes.Buffer), time.Now), new(bytes.Buffer)
	if err := plain.WithOutput(file).Table(tb); err != nil || file.String() != out.String() {
		t.Errorf("%v, to a file\n%s", err, file)
	}
}

func TestMessagesOnTerminal(t *testing.T) {
	p, _, err := onTerminal(30, true)
	p.Warn("a.jpg: the file ends in the middle of an image")
	want := "\x1b[33mwarning: \x1b[0ma.jpg: the file ends\n         in the middle of an\n         image\n"
	if err.String() != want {
		t.Errorf("got %q, want %q", err, want)
	}
	p, _, err = onTerminal(80, false)
	p.Error(errors.New("a"))
	if err.String() != "error: a\n" {
		t.Errorf("without colours %q", err)
	}
}

func TestColours(t *testing.T) {
	p, out, _ := onTerminal(80, true)
	tb := NewTable(Left("file"))
	tb.Row("a")
	if err := p.Table(tb); err != nil || out.String() != "\x1b[1mfile\x1b[0m\na\n" {
		t.Errorf("%q, %v", out, err)
	}
	if s := displayOf(new(bytes.Buffer), os.Getenv); s.terminal || s.coloured || s.width() != 0 {
		t.Errorf("a buffer is a %+v", s)
	}
}

func TestWrap(t *testing.T) {
	for text, want := range map[string][]string{
		"":                   {""},
		"one two three":      {"one two", "three"},
		"a-very-long-word b": {"a-very-long-word", "b"},
		"  indented a b c d": {"  indented", "a b c d"},
	} {
		if got := wrap(text, 10); strings.Join(got, "|") != strings.Join(want, "|") {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	if got := pieces("abcdef gh 蝶蝶蝶", 4); strings.Join(got, "|") != "abcd|ef|gh|蝶蝶|蝶" {
		t.Errorf("got %q", got)
	}
}
