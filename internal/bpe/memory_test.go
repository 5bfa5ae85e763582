package bpe

import (
	"fmt"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

// TestMemory reads long files of merges and makes tokens of long texts, of what
// costs most for a byte: a fuzzer's small ones hide behind the constant.
func TestMemory(t *testing.T) {
	var pairs strings.Builder
	pairs.WriteString("#version\n")
	for _, a := range "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" {
		for _, b := range "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" {
			fmt.Fprintf(&pairs, "%c %c\n", a, b)
		}
	}
	for _, file := range []string{pairs.String(), longestMerges(), strings.Repeat("\n", 1<<20)} {
		testutil.Parsed(t, testutil.Multiple(len(file), 64), func() error { _, err := Read(strings.NewReader(file)); return err })
	}
	tokenizer := mustOpen(t, testutil.Golden("text/toy_merges.txt"))
	const n = 1 << 18
	for name, text := range map[string]string{
		"one word":   strings.Repeat("ab", n/2),
		"words":      strings.Repeat("a ", n/2),
		"bytes":      strings.Repeat("\xff", n),
		"escapes":    "&" + strings.Repeat("amp;", n/4),
		"mojibake":   strings.Repeat("Ã¶", n/4),
		"combining":  "a" + strings.Repeat("\u0301\u0323", n/4),
		"end marker": strings.Repeat(endText, n/len(endText)),
	} {
		if err := testutil.Within(testutil.Multiple(len(text), encodeFactor), func() { tokenizer.Encode(text, 77) }); err != nil {
			t.Errorf("%s: %v for a text of %d", name, err, len(text))
		}
	}
}
