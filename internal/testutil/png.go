package testutil

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"testing"
)

// PNG is what a PNG file's header says, true or not.
type PNG struct {
	W, H                   uint32
	Depth, Kind, Interlace byte
	Palette                []byte // none if nil
}

// File makes the file, each chunk with its right checksum. packed is the pixel
// data as the file holds it; Zlib packs some.
func (p PNG) File(packed []byte) []byte {
	file := []byte("\x89PNG\r\n\x1a\n")
	chunk := func(name string, body []byte) {
		file = binary.BigEndian.AppendUint32(file, uint32(len(body)))
		at := len(file)
		file = append(append(file, name...), body...)
		file = binary.BigEndian.AppendUint32(file, crc32.ChecksumIEEE(file[at:]))
	}
	header := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, p.W), p.H)
	chunk("IHDR", append(header, p.Depth, p.Kind, 0, 0, p.Interlace))
	if p.Palette != nil {
		chunk("PLTE", p.Palette)
	}
	chunk("IDAT", packed)
	chunk("IEND", nil)
	return file
}

// Zlib compresses raw as well as can be.
func Zlib(t testing.TB, raw []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := zlib.NewWriterLevel(&b, zlib.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(raw); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
