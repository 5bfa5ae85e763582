package arch

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// This file checks that phrases which read like a translation do not come back.
// testdata/phrases.txt lists them, each with a better one. The tests use other phrases,
// since this file is checked too.

// A phrase is one that is not to be used.
type phrase struct {
	text, better string
	word         string // the longest, in lower case
	find         *regexp.Regexp
}

// parsePhrases reads lines "PHRASE -> BETTER". Where text is wrapped the words of a
// phrase may be on two lines, with a comment's mark between them.
func parsePhrases(text string) ([]phrase, error) {
	var phrases []phrase
	for i, line := range strings.Split(strings.TrimSpace(text), "\n") {
		old, better, ok := strings.Cut(line, " -> ")
		if !ok || old == "" || better == "" {
			return nil, fmt.Errorf("line %d: %q, want PHRASE -> BETTER", i+1, line)
		}
		words := strings.Fields(old)
		longest := slices.MaxFunc(words, func(a, b string) int { return len(a) - len(b) })
		for i, w := range words {
			words[i] = regexp.QuoteMeta(w)
		}
		find := regexp.MustCompile(`(?i)\b` + strings.Join(words, `\s+(?:(?://|#|>)\s*)*`) + `\b`)
		phrases = append(phrases, phrase{old, better, strings.ToLower(longest), find})
	}
	return phrases, nil
}

// phrasesIn returns a line for every phrase in a file.
func phrasesIn(name, content string, phrases []phrase) []string {
	var found []string
	lower := strings.ToLower(content)
	for _, p := range phrases {
		if !strings.Contains(lower, p.word) {
			continue // a search for a word is far faster than one for a pattern
		}
		for _, at := range p.find.FindAllStringIndex(content, -1) {
			line := 1 + strings.Count(content[:at[0]], "\n")
			found = append(found, fmt.Sprintf("%s:%d: %q; better: %s", name, line, p.text, p.better))
		}
	}
	return found
}

func TestPhrases(t *testing.T) {
	phrases, err := parsePhrases(readDoc(t, "internal/arch/testdata/phrases.txt"))
	if err != nil {
		t.Fatal(err)
	}
	excepted := readExceptions(t, "phrases_excepted.txt")
	files := 0
	walk(t, []string{".ci", "ARCHITECTURE.md", "Makefile", "README.md", "cmd", "configs", "docs", "internal", "scripts"}, func(name string, content []byte) {
		switch path.Ext(name) {
		case "", ".go", ".md", ".py", ".sh", ".txtar":
		default:
			return
		}
		files++
		if found := phrasesIn(name, string(content), phrases); len(found) > 0 && !excepted.uses(name) {
			t.Error(strings.Join(found, "\n"))
		}
	})
	if files < 400 {
		t.Errorf("only %d files found", files)
	}
	excepted.check(t)
}

func TestPhrasesIn(t *testing.T) {
	phrases, err := parsePhrases("once upon a -> one\nold -> aged\n")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]int{
		"it is once upon a":           1,
		"// it is Once\n\t// upon a":  1,
		"> once\n> upon a, once upon": 1,
		"once\n\nupon a":              1,
		"scolded by a bold man":       0,
		"old (old) and older":         2,
	} {
		if got := phrasesIn("a.go", text, phrases); len(got) != want {
			t.Errorf("%q: got %q, want %d", text, got, want)
		}
	}
	if got := phrasesIn("a.go", "\n\nold", phrases); len(got) != 1 || got[0] != `a.go:3: "old"; better: aged` {
		t.Errorf("got %q", got)
	}
	if _, err := parsePhrases("old"); err == nil {
		t.Error("a line without a better phrase was read")
	}
}
