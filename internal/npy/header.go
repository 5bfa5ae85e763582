package npy

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/clipnh/clipnh/internal/foreign"
)

const (
	magic = "\x93NUMPY"

	// maxHeader bounds a header's text. NumPy stops at 10,000 characters
	// unless told otherwise; no header of the types read here needs 1,000.
	maxHeader = 1 << 16

	// headerAlign is the multiple that a header's length is filled up to, and
	// minHeader the least that we write: NumPy's own files have these.
	headerAlign = 64
	minHeader   = 128
)

// errMagic is what a file without the format's first bytes gets.
var errMagic = errors.New("not a .npy file: it does not begin with \\x93NUMPY")

// ReadHeader reads a header from r and leaves r at the first element. It
// returns the header's length in bytes too. At most 64 KiB are read.
func ReadHeader(r io.Reader) (Header, int, error) {
	var start [12]byte
	if _, err := io.ReadFull(r, start[:10]); err != nil {
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return Header{}, 0, errMagic
		}
		return Header{}, 0, err
	}
	if string(start[:6]) != magic {
		if string(start[:4]) == "PK\x03\x04" {
			return Header{}, 0, errors.New("not a .npy file but a zip archive (.npz)")
		}
		return Header{}, 0, errMagic
	}
	fixed, length := 10, int64(binary.LittleEndian.Uint16(start[8:]))
	switch major, minor := start[6], start[7]; {
	case major < 1 || major > 3 || minor != 0:
		return Header{}, 0, fmt.Errorf("format version %d.%d, want 1.0, 2.0 or 3.0", major, minor)
	case major > 1:
		fixed = 12
		if _, err := io.ReadFull(r, start[10:]); err != nil {
			return Header{}, 0, fmt.Errorf("header: %w", noEOF(err))
		}
		length = int64(binary.LittleEndian.Uint32(start[8:]))
	}
	if length > maxHeader {
		return Header{}, 0, fmt.Errorf("header of %d bytes, want at most %d", length, maxHeader)
	}
	text := make([]byte, length)
	if _, err := io.ReadFull(r, text); err != nil {
		return Header{}, 0, fmt.Errorf("header: %w", noEOF(err))
	}
	h, err := parseHeader(string(text))
	if err != nil {
		return Header{}, 0, fmt.Errorf("header: %w", err)
	}
	return h, fixed + int(length), nil
}

// noEOF turns the end of the input into an error: something was to follow.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// AppendHeader appends the bytes of a version 1.0 header for row-major,
// little-endian elements. Their number does not depend on the first dimension,
// so that a file whose rows are still being added can have its header
// overwritten in place. It panics on a negative dimension or more than 32 of
// them.
func AppendHeader(dst []byte, dtype DType, shape []int) []byte {
	if (Header{DType: dtype, Shape: shape}).check() != nil {
		panic("npy: bad shape")
	}
	var text strings.Builder
	order := "<"
	if dtype.Size == 1 || dtype.Kind == 'S' {
		order = "|"
	}
	size := dtype.Size
	if dtype.Kind == 'U' {
		size /= 4
	}
	fmt.Fprintf(&text, "{'descr': '%s%c%d', 'fortran_order': False, 'shape': (", order, dtype.Kind, size)
	room := 0 // digits that the first dimension may still grow by
	for i, d := range shape {
		if i > 0 {
			text.WriteByte(' ')
		}
		digits := strconv.Itoa(d)
		if i == 0 {
			room = len("9223372036854775807") - len(digits)
		}
		text.WriteString(digits)
		if i < len(shape)-1 || len(shape) == 1 {
			text.WriteByte(',')
		}
	}
	text.WriteString("), }")
	need := 10 + text.Len() + room + len("\n")
	total := max(minHeader, (need+headerAlign-1)/headerAlign*headerAlign)

	dst = append(dst, magic...)
	dst = append(dst, 1, 0)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(total-10))
	dst = append(dst, text.String()...)
	dst = append(dst, strings.Repeat(" ", total-10-text.Len()-1)...)
	return append(dst, '\n')
}

// parseHeader reads the dict literal of a header. It knows no more of Python
// than NumPy writes: strings without escapes, True and False, and tuples of
// integers.
func parseHeader(text string) (Header, error) {
	var h Header
	p := literal{text: text}
	seen := map[string]bool{}
	err := p.want('{')
	for err == nil && !p.take('}') {
		var key string
		if key, err = p.str(); err != nil {
			break
		}
		if seen[key] {
			return h, fmt.Errorf("key %s occurs twice", foreign.Quote(key))
		}
		seen[key] = true
		if err = p.want(':'); err != nil {
			break
		}
		switch key {
		case "descr":
			err = p.descr(&h)
		case "fortran_order":
			h.Fortran, err = p.boolean()
		case "shape":
			h.Shape, err = p.tuple()
		default:
			return h, fmt.Errorf("unknown key %s", foreign.Quote(key))
		}
		if err != nil {
			break
		}
		if !p.take(',') {
			err = p.want('}')
			break
		}
	}
	if err != nil {
		return h, err
	}
	if p.space(); p.at != len(text) {
		return h, p.unexpected("the end")
	}
	for _, key := range []string{"descr", "fortran_order", "shape"} {
		if !seen[key] {
			return h, fmt.Errorf("key %q is missing", key)
		}
	}
	return h, h.check()
}

// literal is a place in the text of a header.
type literal struct {
	text string
	at   int
}

func (p *literal) space() {
	for p.at < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.at]) >= 0 {
		p.at++
	}
}

func (p *literal) unexpected(want string) error {
	found := "the end"
	if p.at < len(p.text) {
		found = strconv.QuoteToASCII(p.text[p.at : p.at+1])
	}
	return fmt.Errorf("at %d: found %s, want %s", p.at, found, want)
}

// take skips space and c, if c comes next.
func (p *literal) take(c byte) bool {
	p.space()
	if p.at < len(p.text) && p.text[p.at] == c {
		p.at++
		return true
	}
	return false
}

func (p *literal) want(c byte) error {
	if !p.take(c) {
		return p.unexpected(strconv.QuoteRune(rune(c)))
	}
	return nil
}

func (p *literal) str() (string, error) {
	p.space()
	if p.at == len(p.text) || p.text[p.at] != '\'' && p.text[p.at] != '"' {
		return "", p.unexpected("a string")
	}
	start := p.at + 1
	n := strings.IndexByte(p.text[start:], p.text[p.at])
	if n < 0 {
		return "", fmt.Errorf("at %d: string without an end", p.at)
	}
	p.at = start + n + 1
	return p.text[start : start+n], nil
}

func (p *literal) boolean() (bool, error) {
	p.space()
	for _, b := range []bool{true, false} {
		word := "False"
		if b {
			word = "True"
		}
		if strings.HasPrefix(p.text[p.at:], word) {
			p.at += len(word)
			return b, nil
		}
	}
	return false, p.unexpected("True or False")
}

func (p *literal) tuple() ([]int, error) {
	if err := p.want('('); err != nil {
		return nil, err
	}
	var shape []int
	for !p.take(')') {
		d, err := p.integer()
		if err != nil {
			return nil, err
		}
		if shape = append(shape, d); len(shape) > maxDims {
			return nil, fmt.Errorf("more than %d axes", maxDims)
		}
		if p.take(',') {
			continue
		}
		if len(shape) == 1 {
			// (3) is an integer in Python, only (3,) a tuple.
			return nil, p.unexpected("','")
		}
		return shape, p.want(')')
	}
	return shape, nil
}

func (p *literal) integer() (int, error) {
	p.space()
	start := p.at
	for p.at < len(p.text) && '0' <= p.text[p.at] && p.text[p.at] <= '9' {
		p.at++
	}
	if p.at == start {
		return 0, p.unexpected("a dimension")
	}
	d, err := strconv.Atoi(p.text[start:p.at])
	if err != nil {
		return 0, fmt.Errorf("at %d: dimension %s does not fit", start, p.text[start:min(p.at, start+24)])
	}
	p.take('L') // Python 2 wrote long integers so
	return d, nil
}

// descr reads the element type into h.
func (p *literal) descr(h *Header) error {
	p.space()
	if p.at < len(p.text) && p.text[p.at] == '[' {
		return errors.New("elements are records (structured dtype), want numbers")
	}
	s, err := p.str()
	if err != nil {
		return err
	}
	bad := fmt.Errorf("element type %s, want bool, int, uint, float or text", foreign.Quote(s))
	if len(s) < 2 {
		return bad
	}
	order, kind := s[0], s[1]
	if kind == 'O' {
		return errors.New("elements are pickled Python objects, want numbers")
	}
	size, err := strconv.Atoi(s[2:])
	if err != nil || size < 1 || s[2] == '+' {
		return bad
	}
	h.DType = DType{kind, size}
	switch kind {
	case 'S':
		if size > maxHeader {
			return bad
		}
	case 'U':
		if size > maxHeader {
			return bad
		}
		h.DType.Size *= 4
	default:
		switch h.DType {
		case Bool, Int8, Int16, Int32, Int64, Uint8, Uint16, Uint32, Uint64, Float16, Float32, Float64:
		default:
			return bad
		}
	}
	switch order {
	case '<', '>':
		// Without meaning for single bytes.
		h.BigEndian = order == '>' && h.DType.Size > 1 && kind != 'S'
	case '|':
		if h.DType.Size > 1 && kind != 'S' {
			return fmt.Errorf("element type %s without byte order", foreign.Quote(s))
		}
	default:
		return bad
	}
	return nil
}
