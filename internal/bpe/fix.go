package bpe

import (
	"strings"

	"golang.org/x/text/unicode/norm"
)

// maxPasses bounds the work on text that was escaped or misread again and again,
// for which ftfy has no bound.
const maxPasses = 32

// fix makes ftfy.fix_text's repairs, those that clean names.
func fix(text string) string {
	var b strings.Builder
	entities := true
	for line := range strings.SplitAfterSeq(text, "\n") {
		entities = entities && !strings.Contains(line, "<")
		b.WriteString(fixLine(line, entities))
	}
	return b.String()
}

func fixLine(line string, entities bool) string {
	for range maxPasses {
		before := line
		if entities {
			line = unescape(line, ftfyReference)
		}
		line = fixMojibake(line)
		line = dropEscapes(line)
		line = fixCharacters(line)
		line = norm.NFC.String(line)
		if line == before {
			break
		}
	}
	return line
}

// fixCharacters makes the repairs that look at one character at a time.
func fixCharacters(line string) string {
	var b strings.Builder
	for _, r := range line {
		switch {
		case '\t' <= r && r <= '\n' || r == '\f' || r == '\r' || ' ' <= r && r < 0x7f:
			b.WriteRune(r)
		case 0x80 <= r && r < 0xa0:
			b.WriteRune(windows1252[r-0x80])
		case invisible(r):
		case r == '\u02bc' || '\u2018' <= r && r <= '\u201b':
			b.WriteByte('\'')
		case '\u201c' <= r && r <= '\u201f':
			b.WriteByte('"')
		case r == '\u3000':
			b.WriteByte(' ')
		case r == 'ﬅ':
			b.WriteString("ſt") // the compatible form would lose the long s
		case ligature(r) || '\uff01' <= r && r <= '\uffef':
			b.WriteString(norm.NFKC.String(string(r)))
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// invisible reports characters that only steer a terminal or a text's layout.
func invisible(r rune) bool {
	return r < ' ' || r == 0x7f || '\u206a' <= r && r <= '\u206f' || r == '\ufeff' || '\ufff9' <= r && r <= '\ufffc'
}

func ligature(r rune) bool {
	return r == 'Ĳ' || r == 'ĳ' || r == 'ŉ' || 'Ǆ' <= r && r <= 'ǌ' || 'Ǳ' <= r && r <= 'ǳ' || 'ﬀ' <= r && r <= 'ﬆ'
}

// dropEscapes removes terminal escapes such as ESC [ 3 1 m.
func dropEscapes(line string) string {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(line, "\x1b[")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		tail := strings.TrimLeft(after, "0123456789;")
		if tail != "" && 'a' <= tail[0]|0x20 && tail[0]|0x20 <= 'z' {
			line = tail[1:]
		} else {
			b.WriteString("\x1b[")
			line = after
		}
	}
}
