package foreign

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/clipnh/clipnh/internal/testutil"
)

func TestReadFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("12345"), 0o600); err != nil {
		t.Fatal(err)
	}
	if data, err := ReadFile(path, 5); err != nil || string(data) != "12345" {
		t.Errorf("%q, %v", data, err)
	}
	if _, err := ReadFile(path, 4); testutil.Line(err, path, "more than 4 bytes") != nil {
		t.Errorf("too long: %v", err)
	}
	if _, err := ReadFile(path+"x", 5); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	link := path + ".link"
	if err := os.Symlink(path, link); err == nil {
		if data, err := ReadFile(link, 5); err != nil || string(data) != "12345" {
			t.Errorf("link: %q, %v", data, err)
		}
	}
}

func TestFolder(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(dir); err == nil || err.Error() != dir+": a folder, want a file" || !errors.Is(err, ErrKind) {
		t.Errorf("folder: %v", err)
	}
}

func TestSizes(t *testing.T) {
	for bytes, want := range map[int64]string{7: "7 bytes", 4 << 10: "4 KiB", 4<<10 + 1: "4097 bytes", 256 << 20: "256 MiB"} {
		if got := size(bytes); got != want {
			t.Errorf("%d: %s, want %s", bytes, got, want)
		}
	}
}

func TestQuote(t *testing.T) {
	for text, want := range map[string]string{
		"":                             `""`,
		"a\n\x1b[2J\u202e\xff":         `"a\n\x1b[2J\u202e\xff"`,
		strings.Repeat("a", 60):        `"` + strings.Repeat("a", 60) + `"`,
		strings.Repeat("a", 61):        `"` + strings.Repeat("a", 60) + `"... (1 more bytes)`,
		strings.Repeat("a", 59) + "éb": `"` + strings.Repeat("a", 59) + `"... (3 more bytes)`,
		strings.Repeat("\xbf", 70):     `"` + strings.Repeat(`\xbf`, 60) + `"... (10 more bytes)`,
	} {
		if got := Quote(text); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
	if got, want := QuoteAll(strings.Split("abcdefghij", "")), `"a", "b", "c", "d", "e", "f", "g", "h" and 2 more`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestName(t *testing.T) {
	for name, want := range map[string]string{
		"visual.conv1.weight": "visual.conv1.weight", "": `""`, "a\nb": `"a\nb"`, "\xff": `"\xff"`,
		strings.Repeat("n", 256): `"` + strings.Repeat("n", 60) + `"... (196 more bytes)`,
	} {
		if got := Name(name); got != want {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
	}
}

func FuzzQuote(f *testing.F) {
	f.Add(strings.Repeat("\U0001f600", 20))
	f.Fuzz(func(t *testing.T, text string) {
		got := Quote(text)
		if err := testutil.Line(errors.New(got)); err != nil || len(got) > 4*quoted+60 {
			t.Error(err, len(got))
		}
		var cut string
		if _, err := fmt.Sscanf(got, "%q", &cut); err != nil || !strings.HasPrefix(text, cut) || utf8.ValidString(text) && !utf8.ValidString(cut) {
			t.Errorf("%s of %q", got, text)
		}
	})
}

func TestMistaken(t *testing.T) {
	for head, want := range map[string]string{
		"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a": "a Git LFS pointer",
		"\n <!DOCTYPE html>\n<html class=\"\">":                       "an HTML page",
		"\xef\xbb\xbf<HTML>":                                          "an HTML page",
		"<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code>":     "an XML document",
		"\x1f\x8b\x08\x00":                                            "gzip",
		"\x89HDF\r\n\x1a\n\x00":                                       "HDF5",
		"MATLAB 7.3 MAT-file, Platform: GLNXA64":                      "a MATLAB 7.3 file, which is HDF5",
		strings.Repeat("\x00", 257) + "ustar\x00":                     "a tar archive",
		"a cat\n":            "",
		"version of a cat\n": "",
		"":                   "",
	} {
		err := Mistaken([]byte(head))
		if want == "" && err != nil || want != "" && testutil.Line(err, want) != nil {
			t.Errorf("%q: %v, want %q", head, err, want)
		}
	}
}

func TestExplain(t *testing.T) {
	was := errors.New("no magic number")
	if err := Explain(strings.NewReader("some text"), "an array", was); err != was {
		t.Errorf("nothing known: %v", err)
	}
	err := Explain(strings.NewReader("<html>"), "an array", was)
	var mistake *Mistake
	if testutil.Line(err, "an HTML page, as a server sends it to a browser, want an array") != nil || !errors.As(err, &mistake) || mistake.Hint() == "" {
		t.Errorf("a page: %v", err)
	}
}
