package archive

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clipnh/clipnh/internal/foreign"
)

// An entry of an archive that a test makes.
type entry struct {
	name string
	data string
	kind byte // of a tar header; 0 for a file
}

func makeTar(t testing.TB, entries ...entry) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Size: int64(len(e.data)), Mode: 0o644, Typeflag: tar.TypeReg}
		if e.kind != 0 {
			h.Typeflag, h.Size, h.Linkname = e.kind, 0, "elsewhere"
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if e.kind == 0 {
			io.WriteString(w, e.data)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func makeZip(t testing.TB, method uint16, entries ...entry) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, e := range entries {
		h := &zip.FileHeader{Name: e.name, Method: method}
		if e.kind == tar.TypeSymlink {
			h.SetMode(os.ModeSymlink)
		}
		f, err := w.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(f, e.data)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zipped(t testing.TB, b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	w.Write(b)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func write(t testing.TB, name string, b []byte) string {
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b, 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

func isJPG(name string) bool { return strings.HasSuffix(name, ".jpg") }

// noise are bytes that deflate packs to about half.
func noise(n int, seed uint64) string {
	r := rand.New(rand.NewPCG(seed, 1))
	b := make([]byte, n)
	for i := range b {
		b[i] = "abcdefghijklmnop"[r.IntN(16)]
	}
	return string(b)
}

// TestForms reads the same members out of all forms, in an order that is not theirs and
// from several goroutines.
func TestForms(t *testing.T) {
	var entries []entry
	for i := range 60 {
		entries = append(entries, entry{name: fmt.Sprintf("c%d/%02d.jpg", i%3, i), data: noise(i*1000, uint64(i))})
	}
	entries = append(entries, entry{name: "./README", data: "no image"}, entry{name: "./c0/last.jpg", data: "x"}, entry{name: strings.Repeat("long/", 50) + "z.jpg", data: "long"})
	packed := makeTar(t, entries...)
	forms := map[string][]byte{
		"a.tar": packed, "a.tar.gz": zipped(t, packed), "a.tgz": slices.Concat(zipped(t, packed[:30000]), zipped(t, packed[30000:])),
		"deflated.zip": makeZip(t, zip.Deflate, entries...), "stored.zip": makeZip(t, zip.Store, entries...),
	}
	for name, b := range forms {
		t.Run(name, func(t *testing.T) {
			a, err := Open(t.Context(), write(t, name, b), isJPG)
			if err != nil || len(a.Skipped) > 0 {
				t.Fatal(err, a.Skipped)
			}
			if a.index != nil && len(a.index.points) < 2 {
				t.Errorf("%d places to go on from, want more", len(a.index.points))
			}
			if len(a.Members) != 62 {
				t.Fatalf("%d members, want 62", len(a.Members))
			}
			read := func(i int) error {
				m := &a.Members[i]
				got, err := a.ReadAll(m, 1<<20)
				if err != nil {
					return fmt.Errorf("%s: %w", m.Name, err)
				}
				at := slices.IndexFunc(entries, func(e entry) bool { return strings.TrimPrefix(e.name, "./") == m.Name })
				if string(got) != entries[at].data {
					return fmt.Errorf("%s: other bytes", m.Name)
				}
				return nil
			}
			done := make(chan error)
			for k := range 4 {
				go func() {
					var failed error
					for _, i := range rand.New(rand.NewPCG(uint64(k), 2)).Perm(len(a.Members)) {
						failed = errors.Join(failed, read(i))
					}
					done <- failed
				}()
			}
			for range 4 {
				if err := <-done; err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// TestSkipped holds what is left out of an archive, and why.
func TestSkipped(t *testing.T) {
	long := strings.Repeat("n", mostName) + ".jpg"
	bad := []entry{
		{name: "ok.jpg", data: "1"}, {name: "twice.jpg", data: "first"},
		{name: "../out.jpg", data: "x"}, {name: "a/../../out.jpg", data: "x"}, {name: "/abs.jpg", data: "x"}, {name: long, data: "x"},
		{name: "link.jpg", kind: tar.TypeSymlink, data: "ok.jpg"}, {name: "twice.jpg", data: "second"},
	}
	wantBoth := []string{
		"../out.jpg: its name leads out of the archive", "a/../../out.jpg: its name leads out of the archive",
		"/abs.jpg: an absolute name, want one below the archive's root", long[:256] + ": a name of 4100 bytes, want at most 4096",
		"link.jpg: a link, want a file", "twice.jpg: there is another member of this name behind it, which is used",
	}
	tars := append(slices.Clone(bad), entry{name: "hard.jpg", kind: tar.TypeLink}, entry{name: "dev.jpg", kind: tar.TypeChar}, entry{name: "pipe.jpg", kind: tar.TypeFifo})
	two := zipped(t, makeTar(t, entry{name: "ok.jpg"}, entry{name: "twice.jpg", data: "second"}))
	for name, test := range map[string]struct {
		data []byte
		want []string
	}{
		"a.tar": {makeTar(t, tars...), append(slices.Clone(wantBoth), "hard.jpg: a link, want a file", "dev.jpg: not a regular file", "pipe.jpg: not a regular file")},
		"a.zip": {makeZip(t, zip.Store, bad...), wantBoth},
		"bomb.zip": {makeZip(t, zip.Deflate, entry{name: "ok.jpg"}, entry{name: "twice.jpg", data: "second"}, entry{name: "bomb.jpg", data: string(make([]byte, freeSize+1))}),
			[]string{"bomb.jpg: 67108865 bytes packed in 65"}},
		"bomb.tgz": {zipped(t, makeTar(t, entry{name: "ok.jpg"}, entry{name: "twice.jpg", data: "second"}, entry{name: "bomb.jpg", data: string(make([]byte, freeSize+1))})), []string{"bomb.jpg: "}},
		"open.tar": {bytes.TrimRight(makeTar(t, entry{name: "ok.jpg"}, entry{name: "twice.jpg", data: "second" + strings.Repeat("\n", 506)}), "\x00"),
			[]string{": the archive has no end mark: it may be cut short"}},
		"two.tar": {slices.Concat(makeTar(t, entry{name: "ok.jpg"}, entry{name: "twice.jpg", data: "second"}), makeTar(t, entry{name: "b.jpg"})),
			[]string{": more bytes behind the archive's end mark, which are not read"}},
		"two.tgz":   {slices.Concat(two, zipped(t, makeTar(t, entry{name: "b.jpg"}))), []string{": " + bytesBehind}},
		"one.tgz":   {slices.Concat(two, []byte{'\n'}), []string{": " + bytesBehind}},
		"text.tgz":  {slices.Concat(two, []byte("and some text")), []string{": " + bytesBehind}},
		"zeros.tgz": {slices.Concat(two, make([]byte, 5000)), nil},
	} {
		t.Run(name, func(t *testing.T) {
			a, err := Open(t.Context(), write(t, name, test.data), isJPG)
			if err != nil {
				t.Fatal(err)
			}
			got := reasons(a)
			slices.Sort(got)
			slices.Sort(test.want)
			if !slices.EqualFunc(got, test.want, strings.HasPrefix) {
				t.Errorf("skipped %q, want %q", got, test.want)
			}
			if len(a.Members) != 2 || a.Members[0].Name != "ok.jpg" {
				t.Fatalf("members %+v, want ok.jpg and twice.jpg", a.Members)
			}
			if b, err := a.ReadAll(&a.Members[1], 1000); err != nil || !strings.HasPrefix(string(b), "second") {
				t.Errorf("twice.jpg: %q, %v, want the second", b, err)
			}
		})
	}
}

// TestRefused holds archives that are refused as a whole.
func TestRefused(t *testing.T) {
	packed := makeTar(t, entry{name: "a.jpg", data: noise(5000, 1)}, entry{name: "b.jpg", data: noise(5000, 2)})
	gz := zipped(t, packed)
	bent := slices.Clone(gz)
	bent[len(bent)/2] ^= 0x55
	sum := slices.Clone(gz)
	sum[len(sum)-6] ^= 1
	header := slices.Clone(packed)
	header[5632+3] ^= 1
	first := slices.Clone(packed)
	first[3] ^= 1
	for name, test := range map[string]struct {
		data []byte
		want string
	}{
		"cut.tar":    {packed[:9000], "the archive is cut short"},
		"cut.tgz":    {gz[:len(gz)-2000], "the archive is cut short"},
		"second.tgz": {slices.Concat(zipped(t, packed[:6000]), []byte("no gzip member")), "compressed data is damaged"},
		"begun.tgz":  {slices.Concat(gz, []byte("\x1f\x8b")), "the archive is cut short"},
		"bent.tgz":   {bent, "compressed data is damaged"},
		"sum.tgz":    {sum, "compressed data is damaged"},
		"header.tar": {header, "the header at or before byte 6144 is damaged"},
		"text.tgz":   {zipped(t, []byte(strings.Repeat("text\n", 500))), "compressed with gzip, but not a tar archive in it, want a .tar.gz"},
		"cut.zip":    {makeZip(t, zip.Store, entry{name: "a.jpg", data: noise(5000, 1)})[:3000], "a zip archive without a directory at its end: it is cut short or damaged"},
		"page.tar":   {[]byte("<!DOCTYPE html><html></html>"), "an HTML page, as a server sends it to a browser, want a .tar, .tar.gz or .zip"},
		"other.tar":  {[]byte("no archive"), "not an archive, want a .tar, .tar.gz or .zip"},
		"empty.tar":  {nil, "the file is empty, want a .tar, .tar.gz or .zip"},
		"begun.tar":  {packed[:400], "the archive is cut short"},
		"first.tar":  {first, "the header at byte 0 is damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, name, test.data)
			if _, err := Open(t.Context(), path, isJPG); err == nil || err.Error() != path+": "+test.want {
				t.Errorf("%v, want %s", err, test.want)
			}
		})
	}
}

// TestZerosOfGzip holds that a small file that unpacks to a large archive of nothing
// ends early.
func TestZerosOfGzip(t *testing.T) {
	defer func(was int64) { freeUnpacked = was }(freeUnpacked)
	freeUnpacked = 1 << 20
	path := write(t, "a.tgz", zipped(t, makeTar(t, entry{name: "a.txt", data: string(make([]byte, 4<<20))})))
	if _, err := Open(t.Context(), path, isJPG); err == nil || !strings.Contains(err.Error(), "times as many: want an archive of images") {
		t.Error(err)
	}
}

// TestDamagedMembers holds that a member with other bytes than its entry says is
// ErrDamaged, and that others can still be read.
func TestDamagedMembers(t *testing.T) {
	data := makeZip(t, zip.Deflate, entry{name: "a.jpg", data: noise(5000, 1)}, entry{name: "b.jpg", data: noise(5000, 2)})
	data[500] ^= 0x40
	a, err := Open(t.Context(), write(t, "a.zip", data), isJPG)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.ReadAll(&a.Members[0], 1<<20); !errors.Is(err, ErrDamaged) {
		t.Errorf("%v, want ErrDamaged", err)
	}
	if _, err := a.ReadAll(&a.Members[1], 1<<20); err != nil {
		t.Error(err)
	}
	for _, lie := range []int64{4999, 5001} {
		m := a.Members[1]
		m.Size = lie
		if _, err := a.ReadAll(&m, 1<<20); !errors.Is(err, ErrDamaged) {
			t.Errorf("%d bytes for 5000: %v, want ErrDamaged", lie, err)
		}
	}
}

// TestChanged holds that an archive that is not what was listed is not read.
func TestChanged(t *testing.T) {
	path := write(t, "a.tar", makeTar(t, entry{name: "a.jpg", data: "1"}))
	a, err := Open(t.Context(), path, isJPG)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, time.Time{}, time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Open(&a.Members[0]); err == nil || err.Error() != path+": the file was changed after it was listed" || errors.Is(err, ErrDamaged) {
		t.Error(err)
	}
	if _, err := a.There(); !errors.Is(err, foreign.ErrChanged) {
		t.Errorf("%v, want %v", err, foreign.ErrChanged)
	}
}

// TestCancelled holds that a listing ends with its context.
func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	tape := makeTar(t, entry{name: "a.jpg", data: "1"})
	for name, b := range map[string][]byte{"a.tar": tape, "a.tgz": zipped(t, tape), "a.zip": makeZip(t, zip.Store, entry{name: "a.jpg"})} {
		if _, err := Open(ctx, write(t, name, b), isJPG); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// cancelling is a file that cancels a context when it is read, and counts later reads.
type cancelling struct {
	io.ReaderAt
	cancel context.CancelFunc
	reads  int
}

func (c *cancelling) ReadAt(p []byte, at int64) (int, error) {
	c.cancel()
	c.reads++
	return c.ReaderAt.ReadAt(p, at)
}

// TestCancelledInNothing holds that a listing ends with its context where nothing is
// unpacked from many bytes.
func TestCancelledInNothing(t *testing.T) {
	blocks := append(zipped(t, nil)[:10], make([]byte, 0, 1<<20)...)
	for len(blocks) < 1<<20 {
		blocks = append(blocks, 0, 0, 0, 0xff, 0xff)
	}
	for name, b := range map[string][]byte{
		"blocks": blocks, "members": bytes.Repeat(zipped(t, nil), 1<<15),
		"zeros": append(zipped(t, nil), make([]byte, 1<<20)...),
		"name":  append([]byte("\x1f\x8b\x08\x08\x00\x00\x00\x00\x00\x00"), strings.Repeat("n", 1<<20)...),
	} {
		ctx, cancel := context.WithCancel(t.Context())
		src := &cancelling{ReaderAt: bytes.NewReader(b), cancel: cancel}
		if _, err := io.Copy(io.Discard, newIndexer(ctx, src, int64(len(b)))); !errors.Is(err, context.Canceled) || src.reads > 1 {
			t.Errorf("%s: %v after %d reads, want %v after 1", name, err, src.reads, context.Canceled)
		}
	}
}

// failing is a file that cannot be read from a place on.
type failing struct {
	io.ReaderAt
	from int64
}

var errDisk = errors.New("input/output error")

func (f failing) ReadAt(p []byte, at int64) (int, error) {
	if at >= f.from {
		return 0, errDisk
	}
	return f.ReaderAt.ReadAt(p[:min(int64(len(p)), f.from-at)], at)
}

// TestFailingZip holds that a file that cannot be read is not taken for a damaged member,
// also behind the last byte of the member, which is read with others unless they fill
// deflate's window.
func TestFailingZip(t *testing.T) {
	path := write(t, "a.zip", makeZip(t, zip.Deflate, entry{name: "a.jpg", data: noise(window, 1)}))
	a, err := Open(t.Context(), path, isJPG)
	if err != nil {
		t.Fatal(err)
	}
	m := &a.Members[0]
	for _, before := range []int64{m.packed, 100, 5, 4, 3, 2, 1} {
		f, err := a.listed.Open()
		if err != nil {
			t.Fatal(err)
		}
		r := &reader{file: f, left: m.Size}
		r.zip(failing{f, m.at + m.packed - before}, m)
		if _, err := io.ReadAll(r); !errors.Is(err, errDisk) || errors.Is(err, ErrDamaged) {
			t.Errorf("%d bytes before the end: %v, want %v", before, err, errDisk)
		}
		r.Close()
	}
}
