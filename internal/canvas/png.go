package canvas

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/png"
	"io"
)

// A PNG file begins with a signature and the header chunk. We add a tEXt chunk with
// this keyword, which names the file's maker, right after them.
const (
	signature  = "\x89PNG\r\n\x1a\n"
	headerSize = len(signature) + 4 + 4 + 13 + 4
	keyword    = "Software\x00"
	maxMaker   = 80 // bytes
)

// WritePNG writes the canvas as a PNG file that names its maker.
func (c *Canvas) WritePNG(w io.Writer, maker string) error { return writePNG(w, c.img, maker) }

// WritePNG writes the image as a PNG file that names its maker.
func (p Image) WritePNG(w io.Writer, maker string) error { return writePNG(w, p.image(), maker) }

func writePNG(w io.Writer, m image.Image, maker string) error {
	var b bytes.Buffer
	// BestSpeed takes a fifth of the default's time and makes files a sixth larger.
	if err := (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&b, m); err != nil {
		return err
	}
	return Sign(w, b.Bytes(), maker)
}

// Sign writes a PNG file made by Go's encoder with the name of its maker added. It
// panics if the name has more than 80 bytes.
func Sign(w io.Writer, file []byte, maker string) error {
	if len(maker) > maxMaker {
		panic("canvas: maker's name has more than 80 bytes")
	}
	if _, err := w.Write(file[:headerSize]); err != nil {
		return err
	}
	body := append([]byte("tEXt"+keyword), maker...)
	chunk := binary.BigEndian.AppendUint32(nil, uint32(len(body)-4))
	chunk = append(chunk, body...)
	chunk = binary.BigEndian.AppendUint32(chunk, crc32.ChecksumIEEE(body))
	if _, err := w.Write(chunk); err != nil {
		return err
	}
	_, err := w.Write(file[headerSize:])
	return err
}

// Maker returns the maker's name that WritePNG wrote to a PNG file. It is empty if
// there is none or the file is not a PNG. Maker reads only the beginning of the file.
func Maker(file io.Reader) (string, error) {
	begin := make([]byte, headerSize+4+4+len(keyword)+maxMaker)
	n, err := io.ReadFull(file, begin)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return "", err
	}
	begin = begin[:n]
	if n < headerSize+4 || !bytes.HasPrefix(begin, []byte(signature)) {
		return "", nil
	}
	size := binary.BigEndian.Uint32(begin[headerSize:])
	maker, found := bytes.CutPrefix(begin[headerSize+4:], []byte("tEXt"+keyword))
	if !found || size < uint32(len(keyword)) || int64(size)-int64(len(keyword)) > int64(len(maker)) {
		return "", nil
	}
	return string(maker[:int(size)-len(keyword)]), nil
}
