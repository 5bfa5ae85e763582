package bpe

import (
	"html"
	"strconv"
	"strings"
	"unicode/utf8"
)

// unescape replaces HTML's character references, once: what they spell is not
// looked at again. find is reference, for Python's html.unescape, or
// ftfyReference.
func unescape(text string, find func(string) (value string, n int)) string {
	if strings.IndexByte(text, '&') < 0 {
		return text
	}
	var b strings.Builder
	for {
		before, after, found := strings.Cut(text, "&")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		value, n := find(after)
		if n == 0 {
			value = "&"
		}
		b.WriteString(value)
		text = after[n:]
	}
}

// reference returns what the character reference that text starts with stands
// for, the "&" taken off, and its length; the length is zero if there is none.
func reference(text string) (value string, n int) {
	if strings.HasPrefix(text, "#") {
		return numericReference(text)
	}
	n = alphanumeric(text)
	if n < len(text) && text[n] == ';' {
		n++
	}
	escaped := "&" + text[:n]
	value = html.UnescapeString(escaped) // finds names that need no semicolon in longer ones, too
	if value == escaped {
		return "", 0
	}
	return value, n
}

// maxReference is the length of the longest reference that ftfy looks at,
// without "&", "#" and ";".
const maxReference = 24

// ftfyReference is reference as ftfy has it: only with a semicolon, and a
// name in capitals that HTML does not know stands for the capital letter.
func ftfyReference(text string) (value string, n int) {
	name, _ := strings.CutPrefix(text, "#")
	length := alphanumeric(name)
	if length == 0 || length > maxReference || length == len(name) || name[length] != ';' {
		return "", 0
	}
	n = len(text) - len(name) + length + 1
	value, used := reference(text)
	if used == 0 && text[:n] == strings.ToUpper(text[:n]) {
		value, used = reference(strings.ToLower(text[:n]))
		value = strings.ToUpper(value)
	}
	if used < n || value != ";" && strings.HasSuffix(value, ";") { // only its beginning is a name
		return "", 0
	}
	return value, n
}

// numericReference reads "#233;", "#xe9" and the like as HTML 5 asks: numbers
// from 0x80 to 0x9f mean Windows-1252, others that are no character mean
// nothing or U+FFFD.
func numericReference(text string) (value string, n int) {
	base, digits := 10, text[1:]
	if strings.HasPrefix(digits, "x") || strings.HasPrefix(digits, "X") {
		base, digits = 16, digits[1:]
	}
	length := 0
	for length < len(digits) && isDigit(digits[length], base) {
		length++
	}
	if length == 0 {
		return "", 0
	}
	n = len(text) - len(digits) + length
	if n < len(text) && text[n] == ';' {
		n++
	}
	number, err := strconv.ParseUint(digits[:length], base, 32)
	switch r := rune(number); {
	case err != nil || number > utf8.MaxRune || number == 0 || !utf8.ValidRune(r):
		return "\ufffd", n
	case 0x80 <= r && r < 0xa0:
		return string(windows1252[r-0x80]), n
	case r == '\r':
		return "\r", n
	case r < ' ' && r != '\t' && r != '\n' && r != '\f', r == 0x7f, 0xfdd0 <= r && r <= 0xfdef, r&0xfffe == 0xfffe:
		return "", n
	}
	return string(rune(number)), n
}

func isDigit(c byte, base int) bool {
	return '0' <= c && c <= '9' || base == 16 && ('a' <= c|0x20 && c|0x20 <= 'f')
}

// alphanumeric counts the ASCII letters and digits that text starts with.
func alphanumeric(text string) int {
	n := 0
	for n < len(text) && (isDigit(text[n], 10) || 'a' <= text[n]|0x20 && text[n]|0x20 <= 'z') {
		n++
	}
	return n
}
