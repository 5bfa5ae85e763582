package report

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

// sevenBits writes bytes as text that a script can hold between quotes, of characters of
// ASCII: seven bits each, the lowest first. It takes a seventh less than base64.
//
// Characters that would end the text, or its line, are escaped as in JavaScript.
type sevenBits struct {
	w    *bufio.Writer
	bits uint32 // that were not written
	held int    // how many
}

// escapes are the characters that are escaped, and what follows the backslash.
var escapes = map[byte]string{0: "x00", '\n': "n", '\r': "r", '"': `"`, '\\': `\`}

func (t *sevenBits) Write(b []byte) (int, error) {
	for _, x := range b {
		t.bits |= uint32(x) << t.held
		for t.held += 8; t.held >= 7; t.held -= 7 {
			t.put()
		}
	}
	return len(b), nil
}

// put writes a character. The buffer keeps errors until it is flushed.
func (t *sevenBits) put() {
	c := byte(t.bits & 0x7f)
	t.bits >>= 7
	if code, is := escapes[c]; is {
		t.w.WriteByte('\\')
		t.w.WriteString(code)
		return
	}
	t.w.WriteByte(c)
}

// Close writes what is left. It does not close the writer below.
func (t *sevenBits) Close() error {
	if t.held > 0 {
		t.put()
	}
	return t.w.Flush()
}

// fromSevenBits returns the bytes of a text. Bits after the last whole byte are dropped.
func fromSevenBits(text string) ([]byte, error) {
	out := make([]byte, 0, len(text)*7/8)
	bits, held := uint32(0), 0
	for at := 0; at < len(text); {
		c := text[at]
		at++
		if c == '\\' {
			rest := text[at:]
			found := false
			for escaped, code := range escapes {
				if strings.HasPrefix(rest, code) {
					c, at, found = escaped, at+len(code), true
				}
			}
			if !found {
				return nil, fmt.Errorf("%.4q after a backslash: %w", rest, errText)
			}
		} else if _, is := escapes[c]; is || c > 0x7f {
			return nil, fmt.Errorf("%q: %w", c, errText)
		}
		bits |= uint32(c) << held
		if held += 7; held >= 8 {
			out = append(out, byte(bits))
			bits, held = bits>>8, held-8
		}
	}
	return out, nil
}

var errText = errors.New("want text as clipnh report writes it")

var _ io.WriteCloser = (*sevenBits)(nil)
