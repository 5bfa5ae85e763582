package bpe

import "strings"

// clean prepares text as CLIP does before it looks for words: ftfy.fix_text,
// html.unescape twice, lower case. Collapsing white space, a step of CLIP's
// too, is left out: words do not depend on how much of it there is.
//
// Of ftfy 6's repairs these are made, line by line, until nothing changes:
// HTML entities while no line so far has a "<"; UTF-8 that was read as Latin-1
// or Windows-1252 (which sequences are taken for that, see mojibake.go); C1
// controls read as Windows-1252; ligatures of Latin letters; full-width
// and half-width forms; curly quotes; terminal escapes; control characters,
// byte order marks among them; Unicode normal form C. Left out are UTF-8
// read as any other code page (Windows-1250 to 1257, MacRoman, code page 437)
// or damaged before (lost bytes, no-break spaces turned into spaces), and
// surrogates, which UTF-8 text cannot hold.
func clean(text string) string {
	if !plain(text) {
		text = fix(strings.ToValidUTF8(text, "\ufffd"))
		text = unescape(unescape(text, reference), reference)
	}
	return lower(text)
}

// plain reports whether text is ASCII that no repair applies to.
func plain(text string) bool {
	for i := range len(text) {
		switch c := text[i]; {
		case c == '&' || c >= 0x7f:
			return false
		case c < ' ' && c != '\t' && c != '\n' && c != '\f' && c != '\r':
			return false
		}
	}
	return true
}
