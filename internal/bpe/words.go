package bpe

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// cutWord cuts the first word off a lower-cased text; word is empty when there
// is none. It is CLIP's pattern
//
//	<start_of_text> | <end_of_text> | 's | 't | 're | 've | 'm | 'll | 'd
//	| [\p{L}]+ | [\p{N}] | [^\s\p{L}\p{N}]+
//
// first alternative first, what lies between matches (white space) dropped. So
// digits stand alone, and a run of other symbols swallows an apostrophe or a
// special token that it reaches.
//
// The classes are those of Unicode 15, the version of Go's tables; letters and
// digits added to Unicode since count as symbols.
func cutWord(text string) (word, rest string) {
	text = strings.TrimLeftFunc(text, unicode.IsSpace)
	if text == "" {
		return "", ""
	}
	n := fixedWord(text)
	if n == 0 {
		first, size := runeClass(text)
		n = size
		for first != number && n < len(text) {
			class, size := runeClass(text[n:])
			if class != first {
				break
			}
			n += size
		}
	}
	return text[:n], text[n:]
}

type class uint8

const (
	symbol class = iota // anything else, combining marks among them
	letter
	number
	space
)

// runeClass returns the class and the length of text's first character.
func runeClass(text string) (class, int) {
	if c := text[0]; c < utf8.RuneSelf {
		return asciiClass[c], 1
	}
	r, size := utf8.DecodeRuneInString(text)
	switch {
	case unicode.IsLetter(r):
		return letter, size
	case unicode.IsNumber(r):
		return number, size
	case unicode.IsSpace(r):
		return space, size
	}
	return symbol, size
}

var asciiClass = func() (classes [utf8.RuneSelf]class) {
	for c := range classes {
		switch r := rune(c); {
		case unicode.IsLetter(r):
			classes[c] = letter
		case unicode.IsNumber(r):
			classes[c] = number
		case unicode.IsSpace(r):
			classes[c] = space
		}
	}
	return classes
}()

var contractions = []string{"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"}

// fixedWord returns the length of the special token or contraction that text
// starts with, else zero.
func fixedWord(text string) int {
	switch text[0] {
	case '<':
		return max(prefixLen(text, startText), prefixLen(text, endText))
	case '\'':
		for _, tail := range contractions {
			if n := prefixLen(text, tail); n > 0 {
				return n
			}
		}
	}
	return 0
}

// prefixLen returns how many bytes of text spell prefix, else zero. CLIP's
// pattern ignores case, which in lower-cased text leaves long s alike to s.
func prefixLen(text, prefix string) int {
	n := 0
	for i := range len(prefix) {
		switch {
		case n < len(text) && text[n] == prefix[i]:
			n++
		case prefix[i] == 's' && strings.HasPrefix(text[n:], "ſ"):
			n += len("ſ")
		default:
			return 0
		}
	}
	return n
}
