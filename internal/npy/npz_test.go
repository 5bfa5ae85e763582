package npy

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"encoding/json"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

func TestReadNumPyArchives(t *testing.T) {
	all := readWanted(t)
	for _, name := range []string{"savez.npz", "savez_compressed.npz"} {
		var want map[string]wanted
		if err := json.Unmarshal(all[name], &want); err != nil {
			t.Fatal(err)
		}
		a, err := OpenArchive(testutil.Golden("interop/" + name))
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		if !slices.Equal(a.Names(), []string{"first", "second"}) {
			t.Errorf("%s: arrays %v", name, a.Names())
		}
		for _, array := range a.Names() {
			got, err := a.Read(array)
			if err != nil {
				t.Fatal(err)
			}
			values, err := got.Float64()
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got.Shape, want[array].Shape) || !slices.Equal(values, want[array].Values) {
				t.Errorf("%s: %s: got %v %v, want %v", name, array, got.Shape, values, want[array])
			}
		}
	}
}

func writeArchive(t testing.TB, deflate bool) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := NewArchiveWriter(&buf, deflate)
	for _, name := range []string{"data", "more"} {
		entry, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := WriteFloat32(entry, []int{3, 1000}, make([]float32, 3000)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestWriteArchive(t *testing.T) {
	for _, deflate := range []bool{false, true} {
		data := writeArchive(t, deflate)
		if !bytes.Equal(data, writeArchive(t, deflate)) {
			t.Error("the same arrays gave other bytes")
		}
		if deflate && len(data) > 6000 {
			t.Errorf("%d bytes, not compressed", len(data))
		}
		a, err := NewArchive(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		got, err := a.Read("more")
		if err != nil {
			t.Fatal(err)
		}
		values, err := got.Float32()
		if err != nil || !slices.Equal(values, make([]float32, 3000)) || !slices.Equal(got.Shape, []int{3, 1000}) {
			t.Errorf("read back shape %v (%v)", got.Shape, err)
		}
		if _, err := a.Read("none"); err == nil || !strings.Contains(err.Error(), `["data" "more"]`) {
			t.Errorf("a missing array: %v", err)
		}
	}
}

// rawArchive builds an archive of one entry whose directory says what the test
// wants it to say.
func rawArchive(t *testing.T, h zip.FileHeader, packed []byte) *Archive {
	t.Helper()
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	h.Name = "x.npy"
	h.CompressedSize64 = uint64(len(packed))
	w, err := z.CreateRaw(&h)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(packed); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	a, err := NewArchive(bytes.NewReader(buf.Bytes()), int64(buf.Len()))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// deflated compresses content as a zip archive does.
func deflated(t *testing.T, content []byte) []byte {
	t.Helper()
	var packed bytes.Buffer
	w, err := flate.NewWriter(&packed, flate.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

func TestArchiveRefuses(t *testing.T) {
	var plain bytes.Buffer
	if err := WriteFloat32(&plain, []int{4}, []float32{1, 2, 3, 4}); err != nil {
		t.Fatal(err)
	}
	content := plain.Bytes()
	packed := deflated(t, content)
	size, sum := uint64(len(content)), crc32.ChecksumIEEE(content)
	bomb := AppendHeader(nil, Uint8, []int{1 << 30})

	tests := []struct {
		name   string
		header zip.FileHeader
		packed []byte
		want   string
	}{
		{"good, stored", zip.FileHeader{UncompressedSize64: size, CRC32: sum}, content, ""},
		{"good, deflated", zip.FileHeader{Method: zip.Deflate, UncompressedSize64: size, CRC32: sum}, packed, ""},
		{"checksum", zip.FileHeader{UncompressedSize64: size, CRC32: sum ^ 1}, content, "checksum"},
		{"checksum zero", zip.FileHeader{UncompressedSize64: size}, content, "checksum"},
		{"encrypted", zip.FileHeader{Flags: 1, UncompressedSize64: size, CRC32: sum}, content, "encrypted"},
		{"method", zip.FileHeader{Method: 12, UncompressedSize64: size, CRC32: sum}, content, "compression method 12"},
		{"too large", zip.FileHeader{Method: zip.Deflate, UncompressedSize64: MaxEntry + 1}, packed, "want at most"},
		{"impossible ratio", zip.FileHeader{Method: zip.Deflate, UncompressedSize64: 1<<30 + 128}, bomb, "cannot come from"},
		{"stored sizes differ", zip.FileHeader{UncompressedSize64: size + 4, CRC32: sum}, content, "cannot come from"},
		{"directory says more", zip.FileHeader{Method: zip.Deflate, UncompressedSize64: size + 4, CRC32: sum}, packed, "bytes of elements"},
		{"directory says less", zip.FileHeader{Method: zip.Deflate, UncompressedSize64: size - 4, CRC32: sum}, packed, "bytes of elements"},
		{"short stream", zip.FileHeader{Method: zip.Deflate, UncompressedSize64: size, CRC32: sum}, packed[:len(packed)/2], "unexpected EOF"},
		{"not an array", zip.FileHeader{UncompressedSize64: 4, CRC32: crc32.ChecksumIEEE([]byte("text"))}, []byte("text"), "not a .npy file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := rawArchive(t, tt.header, tt.packed).Read("x")
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got error %v, want %q", err, tt.want)
			}
		})
	}

	var twice bytes.Buffer
	z := zip.NewWriter(&twice)
	for _, name := range []string{"a.npy", "a"} {
		if _, err := z.Create(name); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := NewArchive(bytes.NewReader(twice.Bytes()), int64(twice.Len())); err == nil {
		t.Error("opened an archive with two arrays of one name")
	}
	path := filepath.Join(t.TempDir(), "not.npz")
	if err := os.WriteFile(path, content, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenArchive(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("opened a .npy file as an archive: %v", err)
	}
}
