package npy

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"math"
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
			got, err := a.Read(array, MaxEntry)
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
		got, err := a.Read("more", 12000)
		if err != nil {
			t.Fatal(err)
		}
		values, err := got.Float32()
		if err != nil || !slices.Equal(values, make([]float32, 3000)) || !slices.Equal(got.Shape, []int{3, 1000}) {
			t.Errorf("read back shape %v (%v)", got.Shape, err)
		}
		if _, err := a.Read("none", MaxEntry); err == nil || !strings.Contains(err.Error(), `no array "none" among 2: "data", "more"`) {
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
			_, err := rawArchive(t, tt.header, tt.packed).Read("x", MaxEntry)
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

// TestReadBounds refuses an array of more than is wanted before it is unpacked.
func TestReadBounds(t *testing.T) {
	content := append(AppendHeader(nil, Float32, []int{1 << 22}), make([]byte, 16<<20)...)
	a := rawArchive(t, zip.FileHeader{Method: zip.Deflate, UncompressedSize64: uint64(len(content)), CRC32: crc32.ChecksumIEEE(content)}, deflated(t, content))
	read := func() error { _, err := a.Read("x", 1<<20); return err }
	if testutil.Parsed(t, testutil.Slack, read, "float32 of shape 4194304, 16777216 bytes, want at most 1048576") {
		t.Error("no error")
	}
	look := func() error { _, _, _, err := a.NonFinite("x"); return err }
	if !testutil.Parsed(t, testutil.Slack, look) {
		t.Error("16 MiB were not looked through")
	}
}

// TestNonFinite puts NaN and infinities into arrays of each type and byte order,
// long enough to be cut into several parts.
func TestNonFinite(t *testing.T) {
	const n, bad = 100_003, 77_777
	for _, descr := range []string{"<f2", ">f2", "<f4", ">f4", "<f8", ">f8"} {
		for _, value := range []float64{1, math.NaN(), math.Inf(-1)} {
			order := binary.AppendByteOrder(binary.LittleEndian)
			if descr[0] == '>' {
				order = binary.BigEndian
			}
			content := withHeader(fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%d,)}", descr, n), 0)
			for i := range n {
				x := 2.0
				if i >= bad {
					x = value
				}
				switch descr[1:] {
				case "f2":
					half := map[bool]uint16{true: 0x3c00, false: 0x7e00}[x-x == 0]
					if math.IsInf(x, -1) {
						half = 0xfc00
					}
					content = order.AppendUint16(content, half)
				case "f4":
					content = order.AppendUint32(content, math.Float32bits(float32(x)))
				default:
					content = order.AppendUint64(content, math.Float64bits(x))
				}
			}
			a := rawArchive(t, zip.FileHeader{Method: zip.Deflate, UncompressedSize64: uint64(len(content)), CRC32: crc32.ChecksumIEEE(content)}, deflated(t, content))
			h, at, got, err := a.NonFinite("x")
			want := int64(bad)
			if value == 1 {
				want, value = -1, 0
			}
			if err != nil || at != want || got != value && !(got != got && value != value) || h.Count() != n {
				t.Errorf("%s: element %d is %g (%v), want %d and %g", descr, at, got, err, want, value)
			}
		}
	}
	content := append(AppendHeader(nil, Int32, []int{2}), 0, 0, 0x80, 0x7f, 0, 0, 0xc0, 0x7f)
	a := rawArchive(t, zip.FileHeader{UncompressedSize64: uint64(len(content)), CRC32: crc32.ChecksumIEEE(content)}, content)
	if _, at, _, err := a.NonFinite("x"); at != -1 || err != nil {
		t.Errorf("integers: element %d, %v", at, err)
	}
	a.byName["x"].CRC32++
	if _, _, _, err := a.NonFinite("x"); err == nil {
		t.Error("a wrong checksum was passed")
	}
}
