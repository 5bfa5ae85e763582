package imagelist

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

// sample is a list of n images, one in three of a store, one in five with a path of its own.
func sample(n int) (Head, []Entry) {
	h := Head{
		Dataset: "images", DataPath: "/photos", Base: "/photos", Root: "/photos", Classes: []string{"cat", "dog"},
		Stores:  []Store{{"/photos/a.tar", "a.tar"}, {"/photos/b.tar", "b.tar"}},
		Skipped: []Skipped{{"/photos/\x01", "x", "why"}}, Passed: Passed{Files: 3},
	}
	var entries []Entry
	for i := range n {
		e := Entry{Name: fmt.Sprintf("%06d.jpg", i), Size: int64(i) - 1, Label: i%3 - 1, Store: -1}
		switch {
		case i%3 == 0:
			e.Store = i % 2
		case i%5 == 0:
			e.Path = fmt.Sprintf("/elsewhere/%d", i)
		}
		entries = append(entries, e)
	}
	return h, entries
}

func written(t testing.TB, h Head, entries []Entry) string {
	t.Helper()
	var b bytes.Buffer
	err := Write(&b, &h, func(add func(Entry) error) error {
		for _, e := range entries {
			if err := add(e); err != nil {
				return err
			}
		}
		h.SHA256 = "of all" // known only then
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "x.listing")
	if err := os.WriteFile(path, b.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestListing: what was written is read, all of it and any part.
func TestListing(t *testing.T) {
	for _, n := range []int{0, 1, BlockEntries - 1, BlockEntries, BlockEntries + 1, 3*BlockEntries + 7} {
		h, entries := sample(n)
		f, err := Open(written(t, h, entries))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if f.Images != n || f.SHA256 != "of all" || !reflect.DeepEqual(f.Stores, h.Stores) || !reflect.DeepEqual(f.Skipped, h.Skipped) || f.Passed != h.Passed {
			t.Errorf("%d entries: head %+v", n, f.Head)
		}
		for _, part := range [][2]int{{0, n}, {n / 2, n}, {n / 3, n/3 + min(n, 5)}, {n, n}} {
			next := part[0]
			err := f.Each(part[0], part[1], func(i int, e Entry) error {
				if i != next || e != entries[i] {
					t.Fatalf("%d entries: %d is %+v, want %d, %+v", n, i, e, next, entries[next])
				}
				next++
				return nil
			})
			if err != nil || next != part[1] {
				t.Errorf("%d entries: part %v ended at %d: %v", n, part, next, err)
			}
		}
	}
}

// TestDamaged: any byte that has changed is noticed where it is read, and a cut file when it is
// opened.
func TestDamaged(t *testing.T) {
	h, entries := sample(50)
	path := written(t, h, entries)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	read := func(data []byte) error {
		if err := os.WriteFile(path, data, 0o666); err != nil {
			t.Fatal(err)
		}
		f, err := Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		return f.Each(0, f.Images, func(int, Entry) error { return nil })
	}
	for i := range whole {
		data := bytes.Clone(whole)
		data[i] ^= 4
		if err := read(data); err == nil || !strings.Contains(err.Error(), path) {
			t.Fatalf("byte %d changed: error %v", i, err)
		}
		if err := read(whole[:i]); err == nil {
			t.Fatalf("%d bytes of it: no error", i)
		}
	}
	if err := read(whole); err != nil {
		t.Error(err)
	}
}

// TestEnds: places where archives end that cannot be are refused.
func TestEnds(t *testing.T) {
	for _, c := range []struct {
		ends []int
		fits bool
	}{{nil, true}, {[]int{1, 49}, true}, {[]int{0}, false}, {[]int{50}, false}, {[]int{-1}, false}, {[]int{7, 7}, false}, {[]int{9, 7}, false}} {
		h, entries := sample(50)
		h.Ends = c.ends
		f, err := Open(written(t, h, entries))
		if (err == nil) != c.fits {
			t.Errorf("%v: %v", c.ends, err)
		}
		if err == nil {
			f.Close()
		}
	}
}

// sealed is a list of one block and a head, with their checksums.
func sealed(block, head []byte) []byte {
	data := append([]byte(Magic), block...)
	data = binary.BigEndian.AppendUint32(data, crc32.Checksum(block, castagnoli))
	data = append(data, head...)
	data = binary.BigEndian.AppendUint64(data, uint64(len(head)))
	return binary.BigEndian.AppendUint32(data, crc32.Checksum(head, castagnoli))
}

// FuzzReadListing: no list panics or takes memory without bound, and what is read and written
// is read again. Checksums are right, so that what they seal is read.
func FuzzReadListing(f *testing.F) {
	h, entries := sample(20)
	whole, err := os.ReadFile(written(f, h, entries))
	if err != nil {
		f.Fatal(err)
	}
	l, err := Open(written(f, h, entries))
	if err != nil {
		f.Fatal(err)
	}
	head := whole[l.starts[1] : len(whole)-tailBytes]
	f.Add(whole[len(Magic):l.starts[1]-4], head)
	f.Add([]byte{}, []byte(`{"images":0,"blocks":[]}`))
	f.Add(whole[len(Magic):l.starts[1]-4], bytes.Replace(head, []byte(`"tables":false,`), []byte(`"tables":false,"ends":[3,9],`), 1))
	if !bytes.Equal(sealed(whole[len(Magic):l.starts[1]-4], head), whole) {
		f.Fatal("not sealed as lists are")
	}
	if err := l.Close(); err != nil {
		f.Fatal(err)
	}
	read := func(data []byte) (*File, []Entry, error) {
		l := &File{path: "x", file: bytes.NewReader(data)}
		if err := l.readHead(int64(len(data))); err != nil {
			return nil, nil, err
		}
		entries := make([]Entry, 0, l.Images)
		err := l.Each(0, l.Images, func(_ int, e Entry) error { entries = append(entries, e); return nil })
		return l, entries, err
	}
	f.Fuzz(func(t *testing.T, block, head []byte) {
		data := sealed(block, head)
		var l *File
		var entries []Entry
		var err error
		if wasteful := testutil.Within(testutil.Multiple(len(data), 64), func() { l, entries, err = read(data) }); wasteful != nil {
			t.Fatal(wasteful)
		}
		if err != nil {
			return
		}
		for i, end := range l.Ends {
			if end < 1 || end >= l.Images || i > 0 && end <= l.Ends[i-1] {
				t.Fatalf("archives of %d images end at %v", l.Images, l.Ends)
			}
		}
		var again bytes.Buffer
		h := l.Head
		err = Write(&again, &h, func(add func(Entry) error) error {
			for _, e := range entries {
				if err := add(e); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		_, got, err := read(again.Bytes())
		if err != nil || !slices.Equal(got, entries) {
			t.Errorf("read again: %d entries, %v, want %d", len(got), err, len(entries))
		}
	})
}
