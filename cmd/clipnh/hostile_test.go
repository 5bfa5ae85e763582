package main

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/testutil"
)

// hostileFolder returns a folder of files as a stranger with bad intent would
// send them, for the scripts.
func hostileFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range map[string][]byte{
		"truncated.pt":           cutInHalf(t, "model/tiny_sd_fp32.pt"),
		"system.pt":              torchZip(t, zip.Store, "x/data.pkl", "\x80\x02cos\nsystem\nX\x08\x00\x00\x00rm -rf ~\x85R."),
		"bomb.pt":                torchZip(t, zip.Store, "x/data.pkl", sharedWithoutEnd()),
		"deep.pt":                torchZip(t, zip.Store, "x/data.pkl", "\x80\x02"+strings.Repeat("(", 100_000)+"."),
		"deflated.pt":            torchZip(t, zip.Deflate, "x/data.pkl", strings.Repeat("N0", 1<<20)+"N."),
		"outside.pt":             torchZip(t, zip.Store, "../../.bashrc", "alias ls=rm"),
		"huge.safetensors":       append(binary.LittleEndian.AppendUint64(nil, 1<<62), "{}"...),
		"overlap.safetensors":    safetensors(`{"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[8],"data_offsets":[4,12]}}`, 12),
		"no-pool.safetensors":    withoutPool(t),
		"shape.npy":              npyOf("{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4), }", 16),
		"short.npy":              npyOf("{'descr': '<f4', 'fortran_order': False, 'shape': (4, 256, 32), }", 16),
		"object.npy":             npyOf("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", 16),
		"bomb.npz":               npzBomb(t),
		"bomb.txt.gz":            gzipOf(t, "#version: 1\n"+strings.Repeat("\n", 65<<20)),
		"scores/manifest.json":   []byte("{\"format\": \"clipnh\", \"version\": 1, \"shape\": [1, 2"),
		"newer/manifest.json":    []byte(`{"format": "clipnh", "version": 99, "shape": []}`),
		"escape/manifest.json":   []byte(`{"format": "clipnh", "version": 1, "kind": "scores", "shape": [1], "payloads": [{"file": "../../etc/passwd", "bytes": 1, "sha256": "00"}]}`),
		"pictures/a-65535.png":   pngOf(65535, nil),
		"pictures/b-65535.jpg":   jpegOf(t, 65535),
		"pictures/c-65535.gif":   []byte("GIF89a\xff\xff\xff\xff\x00\x00\x00,\x00\x00\x00\x00\xff\xff\xff\xff\x00\x08\x00;"),
		"pictures/d-16384.webp":  []byte("RIFF\x11\x00\x00\x00WEBPVP8L\x05\x00\x00\x00\x2f\xff\xff\xff\x0f\x00"),
		"pictures/e-promise.png": pngOf(13000, testutil.Zlib(t, make([]byte, 1<<10))),
		"pictures/f-half.jpg":    cutInHalf(t, "images/02_rgb_444_64x64.jpg"),
		"pictures/g-bomb.png":    pngOf(4, testutil.Zlib(t, make([]byte, 32<<20))),
		"pictures/h-canvas.gif":  []byte("GIF89a\xc8\x32\xc8\x32\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02\x44\x01\x00;"),
		"pictures/i-photo.heic":  []byte("\x00\x00\x00\x18ftypheic\x00\x00\x00\x00"),
		"pictures/j-sound.pgm":   []byte("P5 4 4 255\n0123456789abcdef"),
	} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// withoutPool is the golden model's file without the tensors of its attention pool.
func withoutPool(t *testing.T) []byte {
	path := pipelinetest.Renamed(t, func(name string) []string {
		if strings.Contains(name, "attnpool") {
			return nil
		}
		return []string{name}
	})
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func cutInHalf(t *testing.T, golden string) []byte {
	t.Helper()
	data, err := os.ReadFile(testutil.Golden(golden))
	if err != nil {
		t.Fatal(err)
	}
	return data[:len(data)/2]
}

// torchZip is a zip file of one record.
func torchZip(t *testing.T, method uint16, name, content string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: method})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(content)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// sharedWithoutEnd is a pickle of some hundred bytes for a tree of 2^60 tuples:
// each holds the one before twice.
func sharedWithoutEnd() string {
	return "\x80\x02)q\x00" + strings.Repeat("h\x00h\x00\x86q\x00", 60) + "."
}

func safetensors(header string, data int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), make([]byte, data)...)
}

// npyOf is a .npy file of a header and so many bytes of elements.
func npyOf(header string, elements int) []byte {
	b := binary.LittleEndian.AppendUint16([]byte("\x93NUMPY\x01\x00"), uint16(len(header)))
	return append(append(b, header...), make([]byte, elements)...)
}

// npzBomb is an archive whose matrix claims more than deflate can make.
func npzBomb(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.CreateRaw(&zip.FileHeader{Name: "format.npy", Method: zip.Deflate, CompressedSize64: 4, UncompressedSize64: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("bomb")); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gzipOf(t *testing.T, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// pngOf is a PNG file of 8-bit RGB that claims a size.
func pngOf(side uint32, packed []byte) []byte {
	return testutil.PNG{W: side, H: side, Depth: 8, Kind: 2}.File(packed)
}

// jpegOf is a golden JPEG file whose frame claims a size.
func jpegOf(t *testing.T, side int) []byte {
	t.Helper()
	data, err := os.ReadFile(testutil.Golden("images/02_rgb_444_64x64.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(data, []byte("\xff\xc0\x00\x11\x08"))
	if at < 0 {
		t.Fatal("no frame in the golden file")
	}
	binary.BigEndian.PutUint16(data[at+5:], uint16(side))
	binary.BigEndian.PutUint16(data[at+7:], uint16(side))
	return data
}
