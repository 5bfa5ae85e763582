package verify

import (
	"encoding/binary"
	"fmt"
	"math"
	"path/filepath"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/float16"
	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/npy"
)

// finiteScan is a writer that looks for numbers that are not finite in the bytes
// of a payload, as they come by.
type finiteScan struct {
	skip  int64 // bytes still to come before the first element
	dtype npy.DType
	shape []int
	infOK bool // infinities mean something
	rest  []byte
	seen  int64 // elements
	at    int64 // the first that is not finite, or -1
	value float64
}

// newFiniteScan returns a scan for a payload, or nil for one that has no floats
// or not in rows of bytes.
func newFiniteScan(m cache.Manifest, p cache.Payload, path string) *finiteScan {
	s := &finiteScan{at: -1, infOK: m.Kind == artefact.KindLayer4, shape: m.Shape}
	switch {
	case p.Chunks != nil || filepath.Ext(path) == ".dat":
		s.dtype = npy.Float32
		if m.DType == npy.Float16.String() {
			s.dtype = npy.Float16
		}
	case filepath.Ext(path) == ".npy":
		f, err := foreign.Open(path)
		if err != nil {
			return nil // reported by the reader
		}
		defer f.Close()
		h, length, err := npy.ReadHeader(f)
		if err != nil {
			return nil
		}
		s.dtype, s.shape, s.skip = h.DType, h.Shape, int64(length)
	}
	if s.dtype.Kind != 'f' {
		return nil
	}
	return s
}

func (s *finiteScan) Write(b []byte) (int, error) {
	n := len(b)
	if s.at >= 0 {
		return n, nil
	}
	cut := min(s.skip, int64(len(b)))
	s.skip, b = s.skip-cut, b[cut:]
	if len(s.rest) > 0 {
		take := min(s.dtype.Size-len(s.rest), len(b))
		s.rest, b = append(s.rest, b[:take]...), b[take:]
		if len(s.rest) < s.dtype.Size {
			return n, nil
		}
		s.scan(s.rest)
		s.rest = s.rest[:0]
	}
	whole := len(b) / s.dtype.Size * s.dtype.Size
	s.scan(b[:whole])
	s.rest = append(s.rest, b[whole:]...)
	return n, nil
}

// scan looks at whole elements. Those whose exponent has all bits set are not
// finite.
func (s *finiteScan) scan(b []byte) {
	if s.at >= 0 {
		return
	}
	size := s.dtype.Size
	for i := 0; i < len(b); i += size {
		var value float64
		switch size {
		case 2:
			half := binary.LittleEndian.Uint16(b[i:])
			if half&0x7c00 != 0x7c00 {
				continue
			}
			value = float64(float16.FromBits(half))
		case 4:
			bits := binary.LittleEndian.Uint32(b[i:])
			if bits&0x7f800000 != 0x7f800000 {
				continue
			}
			value = float64(math.Float32frombits(bits))
		case 8:
			bits := binary.LittleEndian.Uint64(b[i:])
			if bits&0x7ff0000000000000 != 0x7ff0000000000000 {
				continue
			}
			value = math.Float64frombits(bits)
		}
		if s.infOK && math.IsInf(value, 0) {
			continue
		}
		s.at, s.value = s.seen+int64(i/size), value
		return
	}
	s.seen += int64(len(b) / size)
}

func (s *finiteScan) text() string {
	return fmt.Sprintf("element %s is %g, want finite numbers", artefact.Index(int(s.at), s.shape), s.value)
}

// finitePacked looks for numbers that are not finite in files that hold them
// otherwise than in rows: archives. Of a sketch it looks whether its counts and sums agree. kind is empty for another program's file.
func finitePacked(path, kind string) error {
	if kind == artefact.KindCheckpoint {
		return artefact.CheckTensors(path)
	}
	switch filepath.Ext(path) {
	case ".npz":
		a, err := npy.OpenArchive(path)
		if err != nil {
			return err
		}
		defer a.Close()
		for _, name := range a.Names() {
			h, at, value, err := a.NonFinite(name)
			if err == nil && at >= 0 {
				err = artefact.NotFinite(name, int(at), h.Shape, float32(value))
			}
			if err != nil {
				return err
			}
		}
	case ".pt":
		return artefact.CheckTensorFile(path)
	case filepath.Ext(artefact.SketchFile):
		return artefact.CheckSketch(path)
	}
	return nil
}
