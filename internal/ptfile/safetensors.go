package ptfile

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/clipnh/clipnh/internal/foreign"
)

// maxHeader is the format's own bound on the header, in bytes.
const maxHeader = 100_000_000

// parseSafetensors reads the header of a safetensors file:
//
//	uint64, little-endian: length of the header
//	header: JSON object, {"name": {"dtype": "F16", "shape": [2, 3],
//	        "data_offsets": [begin, end]}, ..., "__metadata__": {"key": "text"}}
//	the tensors' bytes; offsets count from here
//
// As the format asks, the tensors' byte ranges must cover the rest of the file
// without holes or overlaps, and no key may repeat.
//
// Source: the format's description in huggingface/safetensors, README.md.
func parseSafetensors(r io.ReaderAt, size int64) ([]Tensor, error) {
	field := make([]byte, 8)
	if err := readFull(r, field, 0); err != nil {
		return nil, err
	}
	length := binary.LittleEndian.Uint64(field)
	if length > maxHeader || int64(length) > size-8 {
		return nil, fmt.Errorf("safetensors header of %d bytes in a file of %d, want at most %d", length, size, maxHeader)
	}
	header := make([]byte, length)
	if err := readFull(r, header, 8); err != nil {
		return nil, err
	}
	data := 8 + int64(length)
	p := headerParser{dec: json.NewDecoder(bytes.NewReader(header)), base: data, size: size - data}
	p.dec.UseNumber()
	if err := p.parse(header); err != nil {
		return nil, fmt.Errorf("safetensors header: near byte %d: %w", 8+p.dec.InputOffset(), err)
	}
	if err := p.checkCover(); err != nil {
		return nil, fmt.Errorf("safetensors header: %w", err)
	}
	return p.tensors, nil
}

// headerParser walks the header's JSON token by token, so that order and
// repetitions of keys are seen and nothing unexpected is built.
type headerParser struct {
	dec        *json.Decoder
	base, size int64 // where the tensors' bytes begin in the file, and how many there are
	tensors    []Tensor
}

func (p *headerParser) parse(header []byte) error {
	if !utf8.Valid(header) {
		return fmt.Errorf("not UTF-8")
	}
	seen := make(map[string]bool)
	err := p.object(func(name string) error {
		if seen[name] {
			return fmt.Errorf("the key %s is given twice", foreign.Quote(name))
		}
		seen[name] = true
		if !printable(name) || len(name) > maxName {
			return fmt.Errorf("the name %s is not printable or longer than %d bytes", foreign.Quote(name), maxName)
		}
		if name == "__metadata__" {
			return p.metadata()
		}
		if err := p.tensor(name); err != nil {
			return fmt.Errorf("%s: %w", foreign.Name(name), err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if rest := bytes.TrimRight(header[p.dec.InputOffset():], " "); len(rest) > 0 {
		return fmt.Errorf("%d bytes after the object", len(rest))
	}
	return nil
}

// object consumes an object and calls entry where each key's value begins.
func (p *headerParser) object(entry func(key string) error) error {
	if err := p.delim('{'); err != nil {
		return err
	}
	for p.dec.More() {
		key, err := p.text()
		if err != nil {
			return err
		}
		if err := entry(key); err != nil {
			return err
		}
	}
	return p.delim('}')
}

func (p *headerParser) delim(want json.Delim) error {
	t, err := p.dec.Token()
	if err != nil {
		return jsonError(err)
	}
	if t != want {
		return fmt.Errorf("%s, want %q", foreign.Quote(fmt.Sprint(t)), want.String())
	}
	return nil
}

func (p *headerParser) text() (string, error) {
	t, err := p.dec.Token()
	if err != nil {
		return "", jsonError(err)
	}
	s, ok := t.(string)
	if !ok {
		return "", fmt.Errorf("%s, want a string", foreign.Quote(fmt.Sprint(t)))
	}
	return s, nil
}

// integers consumes an array of at most most integers from 0 up.
func (p *headerParser) integers(most int) ([]int64, error) {
	if err := p.delim('['); err != nil {
		return nil, err
	}
	list := []int64{}
	for p.dec.More() {
		t, err := p.dec.Token()
		if err != nil {
			return nil, jsonError(err)
		}
		number, ok := t.(json.Number)
		n, err := number.Int64()
		if !ok || err != nil || n < 0 {
			return nil, fmt.Errorf("%s, want an integer from 0 up", foreign.Quote(fmt.Sprint(t)))
		}
		if len(list) == most {
			return nil, fmt.Errorf("more than %d numbers", most)
		}
		list = append(list, n)
	}
	return list, p.delim(']')
}

// jsonError says in one line what the decoder found.
func jsonError(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return fmt.Errorf("the JSON is cut short")
	}
	return fmt.Errorf("%s", brief(err))
}

func (p *headerParser) metadata() error {
	return p.object(func(string) error {
		_, err := p.text()
		return err
	})
}

func (p *headerParser) tensor(name string) error {
	var dtype DType
	var shape, offsets []int64
	given := 0
	err := p.object(func(key string) (err error) {
		given++
		switch {
		case key == "dtype" && dtype == 0:
			var s string
			if s, err = p.text(); err != nil {
				return err
			}
			if dtype = dtypeOf(func(d DType) bool { return dtypes[d].safetensors == s }); dtype == 0 {
				return fmt.Errorf("dtype %s is not supported", foreign.Quote(s))
			}
		case key == "shape" && shape == nil:
			shape, err = p.integers(maxDims)
		case key == "data_offsets" && offsets == nil:
			offsets, err = p.integers(2)
		default:
			return fmt.Errorf("the key %s is unknown or given twice", foreign.Quote(key))
		}
		return err
	})
	if err != nil {
		return err
	}
	if given != 3 || len(offsets) != 2 {
		return fmt.Errorf("want dtype, shape and two data_offsets")
	}
	return p.add(name, dtype, shape, offsets[0], offsets[1])
}

// maxFile is more than any checkpoint has, in bytes: larger offsets are damage.
const maxFile = 1 << 44

// add checks the tensor's range against its shape and the file.
func (p *headerParser) add(name string, dtype DType, dims []int64, begin, end int64) error {
	if begin <= end && p.size < end && end < maxFile {
		return incomplete("data_offsets [%d, %d] in %d bytes of data", begin, end, p.size)
	}
	if begin > end || end > p.size {
		return fmt.Errorf("data_offsets [%d, %d] in %d bytes of data", begin, end, p.size)
	}
	count, shape := int64(1), make([]int, len(dims))
	for i, d := range dims {
		if d > math.MaxInt32 || d > 0 && count > p.size/d {
			return fmt.Errorf("shape %s is larger than the file", brackets(dims))
		}
		shape[i] = int(d)
		count *= d
	}
	if want := count * int64(dtype.Size()); end-begin != want {
		return fmt.Errorf("%d bytes, want %d for shape %s of %s", end-begin, want, brackets(dims), dtype)
	}
	v := &view{
		store:   &storage{dtype: dtype, elements: int(count), at: p.base + begin},
		shape:   shape,
		strides: contiguous(shape),
	}
	p.tensors = append(p.tensors, Tensor{name, dtype, shape, v, nil})
	return nil
}

// checkCover reports holes and overlaps of the tensors' ranges.
func (p *headerParser) checkCover() error {
	sorted := slices.Clone(p.tensors)
	slices.SortStableFunc(sorted, func(a, b Tensor) int {
		return cmp.Or(cmp.Compare(a.view.store.at, b.view.store.at), cmp.Compare(a.Len(), b.Len()))
	})
	at := p.base
	for _, t := range sorted {
		if begin := t.view.store.at; begin != at {
			return fmt.Errorf("%s: its data begin at byte %d, want %d: ranges may neither overlap nor leave holes",
				foreign.Name(t.Name), begin-p.base, at-p.base)
		}
		at += t.view.store.bytes()
	}
	if at != p.base+p.size {
		return fmt.Errorf("%d bytes of data, want %d for the tensors", p.size, at-p.base)
	}
	return nil
}
