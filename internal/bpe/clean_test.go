package bpe

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/clipnh/clipnh/internal/testutil"
)

func TestClean(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"plain", "A photo of a Cat.", "a photo of a cat."},
		{"entities", "caf&eacute; &amp; bar", "café & bar"},
		{"entities in entities", "&amp;amp;amp;amp;lt;", "<"},
		{"capital names", "&EACUTE;", "é"},
		{"entities beside a tag, twice only", "< &amp;amp;amp;", "< &amp;"},
		{"a tag ends ftfy's entities on later lines", "&amp;amp;amp;\n<\n&amp;amp;amp;", "&\n<\n&amp;"},
		{"no semicolon", "&eacute &notit;", "é ¬it;"},
		{"numbers", "&#233;&#xE9;&#146;&#0;&#1;", "éé'\ufffd"},
		{"no entity", "&; &# &#; &#x; &nosuch; AT&T", "&; &# &#; &#x; &nosuch; at&t"},
		{"UTF-8 as Windows-1252", "schÃ¶n â€œquotesâ€\u009d", "schön \"quotes\""},
		{"UTF-8 as Latin-1", "\u00e2\u0080\u0099", "'"},
		{"twice misread", "cafÃƒÂ©", "café"},
		{"misread emoji", "ðŸ˜€", "😀"},
		{"misread mark", "ï»¿word", "word"},
		{"misread in part", "cafÃ© 日本", "café 日本"},
		{"misread letters along with a telling one", "Ä‡ Ã©", "ć é"},
		{"not misread", "not such a fan of Charlotte Brontë…”", "not such a fan of charlotte brontë…\""},
		{"not misread, capitals", "NÃO AHÅ™, the new sofa from IKEA®", "não ahå™, the new sofa from ikea®"},
		{"C1 controls", "wait\u0085", "wait…"},
		{"ligatures", "ﬁne ĳs ﬅ ŉ Ǆ", "fine ijs ſt 'n dž"},
		{"other compatible forms stay", "½ ² ™ Ⅷ", "½ ² ™ ⅷ"},
		{"width", "ＦｕｌｌＷｉｄｔｈ　１２３ ﾊﾟ", "fullwidth 123 パ"},
		{"quotes", "‘a’ “b” can\u02bct", "'a' \"b\" can't"},
		{"escapes", "\x1b[31mred\x1b[0;1m \x1b[", "red ["},
		{"controls", "a\x00b\x0bc\x7fd\ufeffe\u206af", "abcdef"},
		{"composed", "e\u0301", "é"},
		{"not UTF-8", "caf\xe9", "caf\ufffd"},
		{"capital I with a dot", "İ", "i\u0307"},
		{"final sigma", "ΟΔΟΣ ΣΑΣ. Σ", "οδος σας. σ"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := clean(test.text); got != test.want {
				t.Errorf("%q: got %q, want %q", test.text, got, test.want)
			}
		})
	}
}

func TestCutWord(t *testing.T) {
	tests := []struct {
		text string
		want []string
	}{
		{"", nil},
		{" \t\n\u3000", nil},
		{"a photo of a cat.", []string{"a", "photo", "of", "a", "cat", "."}},
		{"it's they're i'll we've he'd i'm don't", []string{"it", "'s", "they", "'re", "i", "'ll", "we", "'ve", "he", "'d", "i", "'m", "don", "'t"}},
		{"''s 's't\"", []string{"''", "s", "'s", "'t", "\""}},
		{"it'ſ", []string{"it", "'ſ"}},
		{"101½²", []string{"1", "0", "1", "½", "²"}},
		{"a_b-c", []string{"a", "_", "b", "-", "c"}},
		{"हिन्दी", []string{"ह", "ि", "न", "्", "द", "ी"}},
		{startText + "x", []string{startText, "x"}},
		{"!" + startText, []string{"!<", "start", "_", "of", "_", "text", ">"}},
		{"日本語\u00a0text\u200b", []string{"日本語", "text", "\u200b"}},
	}
	for _, test := range tests {
		var got []string
		for rest := test.text; ; {
			var word string
			if word, rest = cutWord(rest); word == "" {
				break
			}
			got = append(got, word)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%q: got %q, want %q", test.text, got, test.want)
		}
	}
}

// encodeFactor is what making tokens of a text may allocate in all for each of
// its bytes.
const encodeFactor = 512

func FuzzEncode(f *testing.F) {
	for _, text := range []string{
		"a photo of a cat.", "&amp;amp;#39;<", "schÃ¶n â€œquotesâ€\u009d", "ΟΔΟΣ İ ﬅ", "\x1b[31m\xff\x00", startText + endText, "''s '",
	} {
		f.Add(text, 8)
	}
	tokenizer := mustOpen(f, testutil.Golden("text/toy_merges.txt"))
	f.Fuzz(func(t *testing.T, text string, context int) {
		if context < 1 || context > 100 || len(text) > 1<<12 {
			return
		}
		cleaned := clean(text)
		if !utf8.ValidString(cleaned) {
			t.Fatalf("%q cleaned is %q, not UTF-8", text, cleaned)
		}
		var whole []int32
		if wasteful := testutil.Within(testutil.Multiple(len(text)+len(cleaned), encodeFactor), func() {
			whole = tokenizer.Encode(text, len(cleaned)+2)
		}); wasteful != nil {
			t.Error(wasteful)
		}
		if whole[0] != tokenizer.start || whole[len(whole)-1] != tokenizer.end {
			t.Fatalf("%q: ids %v lack an end", text, whole)
		}
		want := slices.Clone(whole[:min(context, len(whole))])
		want[len(want)-1] = tokenizer.end
		if got := tokenizer.Encode(text, context); !slices.Equal(got, want) {
			t.Fatalf("%q cut to %d: got %v, want %v", text, context, got, want)
		}
		if special := strings.Contains(cleaned, "_of_text>"); !special {
			spelled := strings.Join(strings.Fields(cleaned), "")
			if got := spell(tokenizer, whole[1:len(whole)-1]); got != spelled {
				t.Fatalf("%q: ids spell %q, want %q", text, got, spelled)
			}
		}
	})
}
