package main

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

// TestSegmentEXIF segments an image whose EXIF turns it by 90 degrees: it is turned,
// unless that is switched off.
func TestSegmentEXIF(t *testing.T) {
	data, err := os.ReadFile(testutil.Golden("seg/slide.png"))
	if err != nil {
		t.Fatal(err)
	}
	size, err := png.DecodeConfig(bytes.NewReader(data))
	if err != nil || size.Width == size.Height {
		t.Fatal(size, err)
	}
	chunk := []byte("eXIfMM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00\x00\x00\x00\x00")
	turned := bytes.Clone(data[:33]) // up to the end of IHDR
	turned = binary.BigEndian.AppendUint32(turned, uint32(len(chunk)-4))
	turned = binary.BigEndian.AppendUint32(append(turned, chunk...), crc32.ChecksumIEEE(chunk))
	dir := t.TempDir()
	path := filepath.Join(dir, "turned.png")
	if err := os.WriteFile(path, append(turned, data[33:]...), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		flags []string
		want  image.Point
	}{
		{nil, image.Pt(size.Height, size.Width)},
		{[]string{"--exif=false"}, image.Pt(size.Width, size.Height)},
	} {
		must(t, exitDone, append([]string{"segment", "--model", testutil.Golden("model/tiny_jit.pt"), "--vocab", testutil.Golden("text/toy_merges.txt"),
			"--method", "self-self", "--image", path, "--classes", "dog,cat", "--save-dir", filepath.Join(dir, "labels"), "--quiet"}, test.flags...)...)
		file, err := os.Open(filepath.Join(dir, "labels", "turned.png"))
		if err != nil {
			t.Fatal(err)
		}
		labels, err := png.DecodeConfig(file)
		file.Close()
		if got := image.Pt(labels.Width, labels.Height); err != nil || got != test.want {
			t.Errorf("%q: labels of %v, %v, want %v", test.flags, got, err, test.want)
		}
	}
}
