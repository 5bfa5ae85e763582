package ptfile

import (
	"archive/zip"
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/clipnh/clipnh/internal/foreign"
)

// An Entry is a tensor of a file that is written.
type Entry struct {
	// Keys lead to the tensor, from the outermost dict; at least one. Safetensors, which
	// has no dicts within dicts, joins them with dots.
	Keys  []string
	DType DType
	Shape []int
	// Write writes the elements, little-endian and row-major.
	Write func(w io.Writer) error
}

func (e Entry) name() string { return strings.Join(e.Keys, ".") }

func (e Entry) bytes() int64 { return int64(elements(e.Shape)) * int64(e.DType.Size()) }

// writeTo writes the elements, of which there must be as many as the shape says.
func (e Entry) writeTo(w io.Writer) error {
	n := &counter{w: w}
	if err := e.Write(n); err != nil {
		return err
	}
	if n.bytes != e.bytes() {
		return fmt.Errorf("%s: %d bytes written, want %d for shape %s of %s", foreign.Name(e.name()), n.bytes, e.bytes(), brackets(e.Shape), e.DType)
	}
	return nil
}

// counter counts what is written.
type counter struct {
	w     io.Writer
	bytes int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.bytes += int64(n)
	return n, err
}

// tree is a dict of a pickle: keys in their order, and what they lead to.
type tree struct {
	keys    []string
	dicts   map[string]*tree
	tensors map[string]int // number of the entry
}

// treeOf puts entries into dicts. A key that is given twice, or leads to a tensor and to
// more, is an error.
func treeOf(entries []Entry) (*tree, error) {
	root := &tree{}
	for i, e := range entries {
		if err := root.add(e.Keys, i); err != nil {
			return nil, fmt.Errorf("%s: %w", foreign.Name(e.name()), err)
		}
	}
	return root, nil
}

func (d *tree) add(keys []string, entry int) error {
	if len(keys) == 0 {
		return fmt.Errorf("a tensor without a name")
	}
	key := keys[0]
	_, taken := d.tensors[key]
	below := d.dicts[key]
	if taken || len(keys) == 1 && below != nil {
		return fmt.Errorf("the key %s is given twice", foreign.Quote(key))
	}
	if below == nil {
		d.keys = append(d.keys, key)
	}
	if len(keys) == 1 {
		if d.tensors == nil {
			d.tensors = make(map[string]int)
		}
		d.tensors[key] = entry
		return nil
	}
	if below == nil {
		below = &tree{}
		if d.dicts == nil {
			d.dicts = make(map[string]*tree)
		}
		d.dicts[key] = below
	}
	return below.add(keys[1:], entry)
}

// pickle appends what a pickle has for the dict. Entry i has the storage of that number.
func (d *tree) pickle(p *strings.Builder, entries []Entry) {
	const emptyDict, mark, setItems = "}", "(", "u"
	p.WriteString(emptyDict + mark)
	for _, key := range d.keys {
		p.WriteString(pickleString(key))
		if below := d.dicts[key]; below != nil {
			below.pickle(p, entries)
			continue
		}
		i := d.tensors[key]
		p.WriteString(tensorPickle(strconv.Itoa(i), entries[i].DType, entries[i].Shape))
	}
	p.WriteString(setItems)
}

// WriteZip writes tensors as torch.save writes a dict of them, in their order; torch.load
// reads it back. Every tensor has a storage of its own, which begins at a multiple of
// zipAlignment bytes, as torch has them. Equal arguments give equal bytes.
func WriteZip(w io.Writer, entries []Entry) error {
	root, err := treeOf(entries)
	if err != nil {
		return err
	}
	var pickle strings.Builder
	pickle.WriteString("\x80\x02") // PROTO 2
	root.pickle(&pickle, entries)
	pickle.WriteString(".")
	if pickle.Len() > maxPickle {
		return fmt.Errorf("a pickle of %d bytes for %d tensors, want at most %d", pickle.Len(), len(entries), maxPickle)
	}
	a := newAlignedZip(w)
	err = a.record("archive/data.pkl", func(w io.Writer) error { return writeString(w, pickle.String()) })
	for i := 0; err == nil && i < len(entries); i++ {
		err = a.record("archive/data/"+strconv.Itoa(i), entries[i].writeTo)
	}
	if err == nil {
		err = a.record("archive/version", func(w io.Writer) error { return writeString(w, "3\n") })
	}
	if err != nil {
		return err
	}
	if err := a.zip.Close(); err != nil {
		return fmt.Errorf("write zip directory: %w", err)
	}
	return nil
}

// zipAlignment is what torch aligns storages to in an archive, in bytes, so that they can
// be mapped into memory.
const zipAlignment = 64

// alignedZip writes an archive whose records begin at multiples of zipAlignment.
type alignedZip struct {
	zip     *zip.Writer
	written *counter
	pending int64 // bytes of the last record's descriptor, which come with the next record
}

func newAlignedZip(w io.Writer) *alignedZip {
	written := &counter{w: w}
	return &alignedZip{zip: zip.NewWriter(written), written: written}
}

// record writes a record, stored and without a time. Behind its name it has torch's field
// of padding.
func (a *alignedZip) record(name string, write func(io.Writer) error) error {
	const field = 4                         // identifier and length
	const descriptor, descriptor64 = 16, 24 // of a short record and of one of 4 GiB or more
	if err := a.zip.Flush(); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	begin := a.written.bytes + a.pending + localSize + int64(len(name)) + field
	padding := int(-begin & (zipAlignment - 1))
	extra := binary.LittleEndian.AppendUint16([]byte("FB"), uint16(padding))
	extra = append(extra, bytes.Repeat([]byte{'Z'}, padding)...)
	to, err := a.zip.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store, Extra: extra})
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	n := &counter{w: to}
	err = write(n)
	a.pending = descriptor
	if n.bytes >= math.MaxUint32 {
		a.pending = descriptor64
	}
	return err
}

// WriteSafetensors writes tensors as a safetensors file. The header lists them in their
// order; the data of those with the widest elements come first, so that every tensor is
// aligned. Equal arguments give equal bytes.
func WriteSafetensors(w io.Writer, entries []Entry) error {
	order := make([]int, len(entries)) // of the data
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(entries[b].DType.Size(), entries[a].DType.Size()) })
	begin, at := make([]int64, len(entries)), int64(0)
	for _, i := range order {
		begin[i] = at
		at += entries[i].bytes()
	}
	header, err := safetensorsHeader(entries, begin)
	if err != nil {
		return err
	}
	if _, err := w.Write(append(binary.LittleEndian.AppendUint64(nil, uint64(len(header))), header...)); err != nil {
		return err
	}
	for _, i := range order {
		if err := entries[i].writeTo(w); err != nil {
			return err
		}
	}
	return nil
}

// safetensorsHeader is the JSON of a header, padded with blanks to a multiple of 8 bytes.
func safetensorsHeader(entries []Entry, begin []int64) ([]byte, error) {
	var header strings.Builder
	header.WriteString(`{"__metadata__":{"format":"pt"}`)
	seen := map[string]bool{"__metadata__": true}
	for i, e := range entries {
		name := e.name()
		if seen[name] || name == "" {
			return nil, fmt.Errorf("the name %s is empty or given twice", foreign.Quote(name))
		}
		seen[name] = true
		text, err := json.Marshal(name)
		if err != nil {
			return nil, err
		}
		shape, err := json.Marshal(append([]int{}, e.Shape...))
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&header, `,%s:{"dtype":%q,"shape":%s,"data_offsets":[%d,%d]}`, text, dtypes[e.DType].safetensors, shape, begin[i], begin[i]+e.bytes())
	}
	header.WriteString("}")
	header.WriteString(strings.Repeat(" ", -header.Len()&7))
	if header.Len() > maxHeader {
		return nil, fmt.Errorf("a header of %d bytes, want at most %d", header.Len(), maxHeader)
	}
	return []byte(header.String()), nil
}
