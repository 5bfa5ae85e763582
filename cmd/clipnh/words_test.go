package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// splitWords cuts a command line at blanks as a shell does: '...' and "..."
// hold words together, and a \ at a line's end joins the next line.
func splitWords(line string) ([]string, error) {
	line = strings.ReplaceAll(line, "\\\n", " ")
	var words []string
	var word strings.Builder
	quote, inWord := rune(0), false
	for _, r := range line {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			quote, inWord = r, true
		case r == ' ' || r == '\t' || r == '\n':
			if inWord {
				words = append(words, word.String())
				word.Reset()
			}
			inWord = false
		default:
			inWord = true
			word.WriteRune(r)
		}
	}
	if quote != 0 {
		return nil, fmt.Errorf("%q: a quote is not closed", line)
	}
	if inWord {
		words = append(words, word.String())
	}
	return words, nil
}

func TestSplitWords(t *testing.T) {
	for line, want := range map[string][]string{
		`clipnh svd  --mode nh`:             {"clipnh", "svd", "--mode", "nh"},
		"clipnh \\\n  svd":                  {"clipnh", "svd"},
		`clipnh --text "yellow car" 'a "b'`: {"clipnh", "--text", "yellow car", `a "b`},
		`clipnh --shape='(1, 2)' ""`:        {"clipnh", "--shape=(1, 2)", ""},
		"":                                  nil,
	} {
		got, err := splitWords(line)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: got %q, %v, want %q", line, got, err, want)
		}
	}
	if _, err := splitWords(`clipnh "a`); err == nil {
		t.Error("an open quote was taken")
	}
}
