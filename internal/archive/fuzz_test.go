package archive

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

// What listing and reading may allocate in all, most of it garbage, for each byte of an
// archive: deflate makes at most 1032 of it, which are two headers of a tar archive.
const bytesFactor = (1032/tarBlock + 1) * 1700

// FuzzOpen lists and reads archives of any bytes. They never panic, allocate no more than
// bytesFactor allows for, and write nothing.
func FuzzOpen(f *testing.F) {
	entries := []entry{{name: "c/a.jpg", data: noise(700, 1)}, {name: "b.jpg", data: ""}, {name: "/../x.jpg", data: "1"}, {name: "l.jpg", kind: '2'}}
	packed := makeTar(f, entries...)
	f.Add(packed)
	f.Add(zipped(f, packed))
	f.Add(makeZip(f, zip.Deflate, entries...))
	f.Add(makeZip(f, zip.Store, entries...))
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := t.TempDir()
		path := filepath.Join(dir, "a")
		if err := os.WriteFile(path, b, 0o666); err != nil {
			t.Fatal(err)
		}
		allocated := testutil.Allocated(func() {
			a, err := Open(t.Context(), path, func(string) bool { return true })
			if err != nil {
				return
			}
			for i := range a.Members {
				m := &a.Members[i]
				if m.Size > 64*int64(len(b))+1<<20 { // of a bomb; reading a part is enough
					continue
				}
				r, err := a.Open(m)
				if err != nil {
					continue
				}
				n, err := io.Copy(io.Discard, r)
				if n > m.Size || err == nil && n != m.Size {
					t.Errorf("%q: %d bytes, want %d", m.Name, n, m.Size)
				}
				r.Close()
			}
		})
		if most := 64<<20 + bytesFactor*int64(len(b)); allocated > most {
			t.Errorf("%d bytes allocated for %d, want at most %d", allocated, len(b), most)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
			t.Errorf("files %v, want the archive alone", left)
		}
	})
}

// FuzzInflate compares with the standard library: what that unpacks is unpacked to the
// same bytes here, from the beginning and from every place kept.
func FuzzInflate(f *testing.F) {
	for level := range 10 {
		var b bytes.Buffer
		w, _ := gzip.NewWriterLevel(&b, level)
		io.WriteString(w, noise(200000, uint64(level)))
		w.Close()
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		const most = 1 << 22
		var want []byte
		r, wantErr := gzip.NewReader(bytes.NewReader(b))
		if wantErr == nil {
			want, wantErr = io.ReadAll(io.LimitReader(r, most))
		}
		x := newIndexer(t.Context(), bytes.NewReader(b), int64(len(b)))
		x.x.spacing = 1
		got, err := io.ReadAll(io.LimitReader(x, most))
		if wantErr != nil {
			return
		}
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%d bytes, %v, want %d", len(got), err, len(want))
		}
		for _, at := range []int{0, len(want) / 3, len(want) - 1, len(want) / 2} {
			if at < 0 {
				continue
			}
			z, err := x.x.section(bytes.NewReader(b), int64(at))
			if err != nil {
				t.Fatal(err)
			}
			part := make([]byte, min(1000, len(want)-at))
			if _, err := io.ReadFull(z, part); err != nil || !bytes.Equal(part, want[at:at+len(part)]) {
				t.Fatalf("from byte %d: %v, or other bytes", at, err)
			}
			x.x.giveBack(z)
		}
	})
}
