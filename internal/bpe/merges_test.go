package bpe

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

func compressed(t testing.TB, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestReadMerges(t *testing.T) {
	tests := []struct {
		name, text string
		vocab      int
		err        string
	}{
		{name: "no newline at the end", text: "#version: 1\na b\nab c</w>", vocab: 516},
		{name: "newline at the end", text: "#version: 1\na b\nab c</w>\n", vocab: 516},
		{name: "CRLF", text: "#version: 1\r\na b\r\nab c</w>\r\n", vocab: 516},
		{name: "blank header", text: "\na b", vocab: 515},
		{name: "header of two words", text: "#version: toy\na b", vocab: 515},
		{name: "unprintable bytes", text: "#\nĠ Ń\nâ Ģ</w>", vocab: 516},
		{name: "empty", text: "", err: "no merges after the header line, want at least one"},
		{name: "header only", text: "#version: 1\n", err: "no merges after the header line, want at least one"},
		{name: "no header", text: "a b\nab c\n", err: "line 1: a merge, want a header line, which is not used"},
		{name: "word list", text: "the\nof\n", err: `line 2: "of", want two tokens with a blank between`},
		{name: "three tokens", text: "#\na b c\n", err: `line 2: "a b c", want two tokens with a blank between`},
		{name: "blank line", text: "#\na b\n\nb c\n", err: `line 3: "", want two tokens with a blank between`},
		{name: "unknown left", text: "#\nab c\n", err: `line 2: "ab c": token "ab" is not known by then`},
		{name: "unknown right", text: "#\na b\nc ba\n", err: `line 3: "c ba": token "ba" is not known by then`},
		{name: "not a byte", text: "#\na 日\n", err: `line 2: "a 日": token "日" is not known by then`},
		{name: "repeated", text: "#\na b\na b\n", err: `line 3: "a b": token "ab" is known already`},
		{name: "same token another way", text: "#\na b\nb c\na bc\nab c\n", err: `line 5: "ab c": token "abc" is known already`},
		{name: "long line", text: "#\n" + strings.Repeat("a", maxLine) + " b", err: "line 2: more than 1024 bytes, want a merge"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for form, data := range map[string][]byte{"plain": []byte(test.text), "gzip": compressed(t, test.text)} {
				tokenizer, err := Read(bytes.NewReader(data))
				switch {
				case test.err != "":
					if err == nil || err.Error() != test.err {
						t.Errorf("%s: error %v, want %s", form, err, test.err)
					}
				case err != nil:
					t.Errorf("%s: %v", form, err)
				case tokenizer.Vocab() != test.vocab:
					t.Errorf("%s: vocabulary %d, want %d", form, tokenizer.Vocab(), test.vocab)
				}
			}
		})
	}
}

// longestMerges is a file of as many merges as are used at most.
func longestMerges() string {
	var b strings.Builder
	b.WriteString("#version: long\n")
	listed := 0
	for left := range byteSymbols() {
		for right := range byteSymbols() {
			if !strings.HasSuffix(left, endOfWord) && listed < maxMerges {
				fmt.Fprintf(&b, "%s %s\n", left, right)
				listed++
			}
		}
	}
	return b.String()
}

// What follows the merges of CLIP's vocabulary is not looked at.
func TestReadMergesStopsAtCLIPsVocabulary(t *testing.T) {
	tokenizer, err := Read(strings.NewReader(longestMerges() + "and more\n"))
	if err != nil {
		t.Fatal(err)
	}
	if tokenizer.Vocab() != 49408 {
		t.Errorf("vocabulary %d, want 49408", tokenizer.Vocab())
	}
}

// A bit that flips anywhere in a compressed file is found, be it past the
// merges in use.
func TestReadMergesChecksTheSum(t *testing.T) {
	data, err := os.ReadFile(testutil.Golden("text/toy_merges.txt.gz"))
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []int{len(data) / 2, len(data) - 6} {
		bad := bytes.Clone(data)
		bad[at] ^= 1
		if _, err := Read(bytes.NewReader(bad)); err == nil {
			t.Errorf("a flipped bit at %d of %d went unnoticed", at, len(data))
		}
	}
	if _, err := Read(bytes.NewReader(data[:len(data)/2])); err == nil {
		t.Error("half a file went unnoticed")
	}
}

func TestReadMergesBoundsTheUnpackedSize(t *testing.T) {
	data := compressed(t, longestMerges()+strings.Repeat("\n", maxFile))
	_, err := Read(bytes.NewReader(data))
	if want := "more than 64 MiB, want a merges file"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestOpenNamesThePath(t *testing.T) {
	if _, err := Open("no/such/file"); err == nil || !strings.HasPrefix(err.Error(), "read merges: open no/such/file: ") {
		t.Errorf("error %v", err)
	}
	path := testutil.Golden("text/words.txt")
	if _, err := Open(path); err == nil || !strings.HasPrefix(err.Error(), "read merges: "+path+": line 2: ") {
		t.Errorf("error %v", err)
	}
}

func FuzzReadMerges(f *testing.F) {
	f.Add([]byte("#version: 1\na b\nab c</w>"))
	f.Add([]byte("a b\n"))
	f.Add(compressed(f, "#version: 1\na b\nb a\nab ba\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var tokenizer *Tokenizer
		most := int64(128 << 20) // what Read promises of any file
		if !bytes.HasPrefix(data, []byte{0x1f, 0x8b}) {
			most = 64*int64(len(data)) + testutil.Slack // and of one that is not compressed
		}
		if !testutil.Parsed(t, most, func() (err error) {
			tokenizer, err = Read(bytes.NewReader(data))
			return err
		}) {
			return
		}
		if merges := tokenizer.Vocab() - 2*alphabet - 2; merges < 1 || merges > maxMerges || merges != len(tokenizer.merges) {
			t.Fatalf("%d merges in use, %d stored", merges, len(tokenizer.merges))
		}
		checkWord(t, tokenizer, "abcab ba")
	})
}

// TestMistakenMerges checks that the error names what a file is that is not a vocabulary.
func TestMistakenMerges(t *testing.T) {
	for text, want := range map[string]string{
		"version https://git-lfs.github.com/spec/v1\noid sha256:0\n": "a Git LFS pointer, not the file itself, want a merges file",
		"\n\n<!DOCTYPE html>\n<html>\n":                              "an HTML page, as a server sends it to a browser, want a merges file",
	} {
		if _, err := Read(strings.NewReader(text)); testutil.Line(err, want) != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	dir := t.TempDir()
	if _, err := Open(dir); testutil.Line(err, dir+": a folder, want a file") != nil {
		t.Errorf("a folder: %v", err)
	}
}
