package textlist

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

func TestRead(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string
		err        string
	}{
		{name: "plain", text: "cat\ndog\n", want: []string{"cat", "dog"}},
		{name: "no newline at the end", text: "cat\ndog", want: []string{"cat", "dog"}},
		{name: "CRLF and BOM", text: "\ufeffcat\r\nsea lion\r\n", want: []string{"cat", "sea lion"}},
		{name: "blanks at the end", text: "the\t\nof  \n", want: []string{"the", "of"}},
		{name: "blanks in front stay", text: "cat\n  dog\n", want: []string{"cat", "  dog"}},
		{name: "blank lines at the end", text: "cat\n\n \t\n\n", want: []string{"cat"}},
		{name: "repeats stay", text: "missile\nmissile\n", want: []string{"missile", "missile"}},
		{name: "tab within", text: "n01\ttench\n", want: []string{"n01\ttench"}},
		{name: "blank line within", text: "cat\n\ndog\n", err: "line 2: blank, want a text on every line"},
		{name: "blank line first", text: "\ncat\n", err: "line 1: blank, want a text on every line"},
		{name: "empty", text: "", err: "no lines, want at least one"},
		{name: "only blanks", text: " \n\r\n", err: "no lines, want at least one"},
		{name: "UTF-16", text: "\xff\xfec\x00a\x00", err: "text is UTF-16, want UTF-8"},
		{name: "Latin-1", text: "cat\ncaf\xe9\n", err: "line 2: text is not UTF-8"},
		{name: "binary", text: "cat\x00\n", err: "line 1: zero byte, want text"},
		{name: "CR only", text: "cat\rdog \rsea lion\r", want: []string{"cat", "dog", "sea lion"}},
		{name: "CR only, blank line within", text: "cat\r\rdog", err: "line 2: blank, want a text on every line"},
		{name: "CR within", text: "cat\rdog\nsea lion\n", err: "line 1: carriage return inside the line, want one kind of line ending"},
		{name: "quotes stay", text: "\"cat\"\n\"dog\"\n", want: []string{`"cat"`, `"dog"`}},
		{name: "numbers stay", text: "0: cat\n1: dog\n", want: []string{"0: cat", "1: dog"}},
		{name: "Git LFS", text: "version https://git-lfs.github.com/spec/v1\noid sha256:0\n", err: "a Git LFS pointer, not the file itself, want a list of texts"},
		{name: "HTML", text: "<html>\n", err: "an HTML page, as a server sends it to a browser, want a list of texts"},
		{name: "gzip", text: "\x1f\x8b\x08\x00", err: "compressed with gzip, want a list of texts"},
		{name: "long line", text: "cat\n" + strings.Repeat("x", maxLine+1), err: "line 2: 65537 bytes, want at most 65536"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := Read(strings.NewReader(test.text))
			if message(err) != test.err {
				t.Fatalf("error %q, want %q", message(err), test.err)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestReadBoundsTheSize(t *testing.T) {
	const most = 1 << 20
	list := strings.Repeat("word\n", most/5)
	if _, err := read(strings.NewReader(list), most); err != nil {
		t.Error(err)
	}
	_, err := read(strings.NewReader(list+"word\n"), most)
	if want := "more than 1 MiB, the limit"; message(err) != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestReadFileNamesThePath(t *testing.T) {
	path := filepath.Join(t.TempDir(), "list.txt")
	if _, err := ReadFile(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("missing file: error %v, want one that names %s", err, path)
	}
	if err := os.WriteFile(path, []byte("a\n\nb\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadFile(path); message(err) != path+": line 2: blank, want a text on every line" {
		t.Errorf("blank line: error %v", err)
	}
}

func TestTemplates(t *testing.T) {
	tests := []struct{ prompt, want, err string }{
		{prompt: "a photo of a {}.", want: "a photo of a cat."},
		{prompt: "{}", want: "cat"},
		{prompt: "{} in a video game", want: "cat in a video game"},
		{prompt: "a photo", err: `line 1: template "a photo": 0 times {}, want it once`},
		{prompt: "{} and {}", err: `line 1: template "{} and {}": 2 times {}, want it once`},
	}
	for _, test := range tests {
		t.Run(test.prompt, func(t *testing.T) {
			templates, err := ParseTemplates([]string{test.prompt})
			if message(err) != test.err {
				t.Fatalf("error %q, want %q", message(err), test.err)
			}
			if err == nil && templates[0].Fill("cat") != test.want {
				t.Errorf("got %q, want %q", templates[0].Fill("cat"), test.want)
			}
		})
	}
}

func TestParseTemplates(t *testing.T) {
	if _, err := ParseTemplates([]string{"a {}", "no place"}); message(err) != `line 2: template "no place": 0 times {}, want it once` {
		t.Errorf("error %v", err)
	}
	templates, err := ParseTemplates([]string{"a {}", "the {}"})
	if err != nil || len(templates) != 2 || templates[1].Fill("cat") != "the cat" {
		t.Errorf("%v, %v", templates, err)
	}
}

// readFactor is what reading a list may allocate in all for each of its bytes.
// Buffers outgrown on the way count, so it is above what is held at once.
const readFactor = 16

func FuzzRead(f *testing.F) {
	f.Add([]byte("cat\r\ndog  \n\n"))
	f.Add([]byte("\xef\xbb\xbfcat\n\ndog"))
	f.Add([]byte("\xff\xfec\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var texts []string
		if !testutil.Parsed(t, testutil.Multiple(len(data), readFactor), func() (err error) {
			texts, err = Read(bytes.NewReader(data))
			return err
		}) {
			return
		}
		again, err := Read(strings.NewReader(strings.Join(texts, "\n")))
		if err != nil || !slices.Equal(again, texts) {
			t.Fatalf("read again: %q, %v, want %q", again, err, texts)
		}
	})
}

func FuzzParseTemplates(f *testing.F) {
	f.Add("a photo of a {}.")
	f.Add("{}{}")
	f.Add("\x1b {")
	f.Fuzz(func(t *testing.T, prompt string) {
		var templates []Template
		if !testutil.Parsed(t, testutil.Multiple(len(prompt), readFactor), func() (err error) {
			templates, err = ParseTemplates([]string{prompt})
			return err
		}, "line 1: ") {
			return
		}
		if got := templates[0].Fill(slot); got != prompt {
			t.Errorf("filled with its own place it is %q, want %q", got, prompt)
		}
	})
}
