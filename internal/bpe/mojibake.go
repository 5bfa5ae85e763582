package bpe

import (
	"strings"
	"unicode/utf8"
)

// Mojibake is text encoded as UTF-8 and read as Latin-1 or Windows-1252: each
// byte has become a character. ftfy weighs hundreds of character pairs to tell
// it from intended text. Here a run of characters counts as mojibake if its bytes
// are one UTF-8 character and it begins in a way that is rare in correct text:
//
//	Â and Ã                      U+0080 to U+00FF: accented letters, signs
//	â and one of € ‚ „ ˜ ™ œ \x9d  punctuation, currency, signs, dingbats
//	ï»¿                          the byte order mark
//	ðŸ                           emoji
//	any, if it holds a C1 control
//
// If a line has such a run and can be read as UTF-8 as a whole, the whole line is
// decoded; otherwise only the runs are. Letters of other scripts are recognised
// only along with one of these runs.

// windows1252 is what bytes 0x80 to 0x9f mean in Windows-1252; the five it
// leaves open stay controls.
var windows1252 = []rune("€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ")

// fixMojibake reads line as UTF-8 as often as it must have been misread.
func fixMojibake(line string) string {
	for range maxPasses {
		fixed, found := readSequences(line)
		if !found {
			break
		}
		if whole, ok := readWhole(line); ok {
			fixed = whole
		}
		line = fixed
	}
	return line
}

// readWhole reads every character of line as a byte of UTF-8.
func readWhole(line string) (string, bool) {
	read := make([]byte, 0, len(line))
	for _, r := range line {
		c, ok := misreadByte(r)
		if !ok {
			return "", false
		}
		read = append(read, c)
	}
	return string(read), utf8.Valid(read)
}

// readSequences decodes the runs described above.
func readSequences(line string) (fixed string, found bool) {
	var b strings.Builder
	for rest := line; rest != ""; {
		read, n := readSequence(rest)
		if n == 0 {
			_, n = utf8.DecodeRuneInString(rest)
			b.WriteString(rest[:n])
		} else {
			b.WriteRune(read)
			found = true
		}
		rest = rest[n:]
	}
	return b.String(), found
}

// readSequence returns the character that the first two to four characters of
// text were misread from, and the length of these in bytes; zero if they are
// as they should be.
func readSequence(text string) (read rune, n int) {
	var sequence []byte
	control := false
	for i, r := range text {
		c, ok := misreadByte(r)
		if !ok || len(sequence) == 0 && c < 0xc2 || len(sequence) > 0 && c&0xc0 != 0x80 {
			return 0, 0
		}
		sequence = append(sequence, c)
		control = control || 0x80 <= r && r < 0xa0
		if !utf8.FullRune(sequence) {
			continue
		}
		read, length := utf8.DecodeRune(sequence)
		if length != len(sequence) || !control && !suspicious(sequence) {
			return 0, 0
		}
		return read, i + utf8.RuneLen(r)
	}
	return 0, 0
}

// suspicious reports whether the bytes of a character, misread, begin in a way that is
// rare in correct text. For â this depends on the second byte: correct text can have
// dots, dashes and closing quotes after it.
func suspicious(sequence []byte) bool {
	switch sequence[0] {
	case 0xc2, 0xc3:
		return true
	case 0xe2:
		return strings.IndexByte("\x80\x82\x84\x98\x99\x9c\x9d", sequence[1]) >= 0
	case 0xef:
		return string(sequence) == "\ufeff"
	case 0xf0:
		return sequence[1] == 0x9f
	}
	return false
}

// misreadByte returns the byte that r is in Latin-1 or Windows-1252.
func misreadByte(r rune) (c byte, ok bool) {
	if r < 0x100 {
		return byte(r), true
	}
	for i, w := range windows1252 {
		if w == r {
			return byte(0x80 + i), true
		}
	}
	return 0, false
}
