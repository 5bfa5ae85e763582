package packed

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clipnh/clipnh/internal/mapping"
	"github.com/clipnh/clipnh/internal/par"
)

var layout = Layout{Weights: "0123", Kernel: "k 1", Sections: []Section{
	{"first", "stem", 1000}, {"empty", "tensor", 0}, {"second", "gemm f32", 5000}, {"third", "tensor", 7},
}}

func section(i int) []float32 {
	values := make([]float32, layout.Sections[i].Len)
	for j := range values {
		values[j] = float32(i+1) / float32(j+3)
	}
	return values
}

// testStore returns a store with room for size bytes, and its notes.
func testStore(t *testing.T, size int64) (*Store, *[]string) {
	t.Helper()
	if !mapping.Supported {
		t.Skip("this system has no mappings: nothing is kept")
	}
	return storeIn(filepath.Join(t.TempDir(), "home", "packed"), size)
}

func storeIn(dir string, size int64) (*Store, *[]string) {
	notes := new([]string)
	var mu sync.Mutex
	return &Store{Dir: dir, Limit: size, Note: func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		*notes = append(*notes, fmt.Sprintf(format, args...))
	}}, notes
}

// fill writes the file of the layout.
func fill(t *testing.T, s *Store) *File {
	t.Helper()
	w := s.Create(layout)
	if w == nil {
		t.Fatal("no file begun")
	}
	par.NewTeam(3).Each(len(layout.Sections), func(i, _ int) { w.Write(i, section(i)) })
	f := w.Finish()
	if f == nil {
		t.Fatal("no file written")
	}
	return f
}

func same(t *testing.T, f *File) {
	t.Helper()
	if f == nil {
		t.Fatal("no file")
	}
	for i := range layout.Sections {
		if !slices.Equal(f.Section(i), section(i)) {
			t.Errorf("section %d has other values", i)
		}
	}
}

func files(t *testing.T, s *Store) []string {
	t.Helper()
	entries, err := os.ReadDir(s.Dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if e.Name() != tagName {
			names = append(names, e.Name())
		}
	}
	return names
}

func TestKept(t *testing.T) {
	s, notes := testStore(t, 1<<20)
	if s.Open(layout, par.Team{}) != nil {
		t.Error("a file before it is written")
	}
	same(t, fill(t, s))
	if s.Open(layout, par.Team{}) == nil {
		t.Error("a file that this process has is not found")
	}
	again, more := storeIn(s.Dir, layout.Bytes()) // to read
	same(t, again.Open(layout, par.NewTeam(2)))
	if names := files(t, s); !slices.Equal(names, []string{layout.name()}) || len(*notes)+len(*more) > 0 {
		t.Errorf("files %v, notes %v %v", names, *notes, *more)
	}
	info, err := os.Stat(filepath.Join(s.Dir, layout.name()))
	if err != nil || info.Size() != layout.Bytes() || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	others := []Layout{layout, layout, layout, layout}
	others[0].Weights, others[1].Kernel = "0124", "k 2"
	others[2].Sections = slices.Clone(layout.Sections)
	others[2].Sections[3].Packing = "other"
	others[3].Sections = layout.Sections[:3]
	for i, l := range others {
		if again.Open(l, par.Team{}) != nil {
			t.Errorf("layout %d is found by another's file", i)
		}
	}
	if (&Store{}).Open(layout, par.Team{}) != nil || (&Store{Limit: 1 << 30}).Create(layout) != nil || (&Store{Dir: s.Dir, Limit: layout.Bytes() - 1}).Create(layout) != nil {
		t.Error("a store without a folder or room keeps files")
	}
}

// TestDamaged holds that a file which is not byte for byte what was written is told,
// never used, and replaced.
func TestDamaged(t *testing.T) {
	s, _ := testStore(t, 1<<20)
	fill(t, s)
	path := filepath.Join(s.Dir, layout.name())
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	flipped := func(at int) []byte {
		b := slices.Clone(whole)
		b[at] ^= 4
		return b
	}
	offsets, _ := layout.place()
	head := len(layout.text())
	write := func(b []byte) func() error { return func() error { return os.WriteFile(path, b, 0o600) } }
	for name, c := range map[string]struct {
		damage func() error
		want   string
	}{
		"first value":     {write(flipped(int(offsets[0]) + 1)), "first is damaged: CRC-32C"},
		"last value":      {write(flipped(int(offsets[3]) + 4*7 - 1)), "third is damaged: CRC-32C"},
		"version":         {write(flipped(len(firstLine) - 2)), "other packed weights"},
		"layout":          {write(flipped(head - 5)), "other packed weights"},
		"checksum":        {write(flipped(head + 8)), "second is damaged"},
		"sum of header":   {write(flipped(head + 4*len(layout.Sections))), "header is damaged"},
		"cut":             {write(whole[:len(whole)-1]), "bytes, want"},
		"longer":          {write(append(slices.Clone(whole), 0)), "bytes, want"},
		"empty":           {write(nil), "0 bytes, want"},
		"zeros":           {write(make([]byte, len(whole))), "other packed weights"},
		"another's":       {write([]byte(strings.Repeat("foreign!", len(whole)/8))), "other packed weights"},
		"link":            {func() error { os.Rename(path, path+".away"); return os.Symlink(path+".away", path) }, "a link"},
		"folder's folder": {func() error { return os.Mkdir(path, 0o700) }, "folder"},
	} {
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
		if name == "link" {
			if err := write(whole)(); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.damage(); err != nil {
			t.Fatal(err)
		}
		fresh, notes := storeIn(s.Dir, 1<<20)
		if fresh.Open(layout, par.NewTeam(2)) != nil {
			t.Errorf("%s: used", name)
		}
		if len(*notes) != 1 || !strings.Contains((*notes)[0], c.want) || !strings.Contains((*notes)[0], path) {
			t.Errorf("%s: notes %q, want one with %q", name, *notes, c.want)
		}
		if name == "folder's folder" {
			continue // a file cannot take its place
		}
		same(t, fill(t, fresh))
		last, more := storeIn(s.Dir, 1<<20)
		same(t, last.Open(layout, par.Team{}))
		if len(*more) > 0 {
			t.Errorf("%s, then written again: notes %q", name, *more)
		}
	}
}

// TestFaultOfNewFile holds that a fault in a file which this process wrote is an error with
// the file's path, not with the one that it had before.
func TestFaultOfNewFile(t *testing.T) {
	s, _ := testStore(t, 1<<20)
	f := fill(t, s)
	path := filepath.Join(s.Dir, layout.name())
	if err := os.Truncate(path, 1); err != nil {
		t.Fatal(err)
	}
	sum := float32(0)
	p := par.Catch(func() {
		for _, x := range f.Section(2) {
			sum += x
		}
	})
	if p == nil {
		t.Fatalf("read %g of a file that was cut", sum)
	}
	if err := mapping.Fault(p.Value); !errors.Is(err, mapping.ErrGone) || !strings.Contains(err.Error(), path+":") {
		t.Errorf("%v, want one of %s", err, path)
	}
}

// TestNotWritten holds that a run goes on where nothing can be kept, and says so once.
func TestNotWritten(t *testing.T) {
	s, notes := testStore(t, 1<<20)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	s.Dir = filepath.Join(file, "packed") // no folder, whoever runs the test
	for range 2 {
		if s.Create(layout) != nil {
			t.Error("a file in a folder that cannot be made")
		}
	}
	if len(*notes) != 1 || !strings.Contains((*notes)[0], "not kept") {
		t.Errorf("notes %q, want one", *notes)
	}

	s, notes = testStore(t, 1<<20)
	w := s.Create(layout)
	w.Write(0, section(0))
	w.file.Close() // as a full disk: all that follows fails
	for i := range layout.Sections {
		w.Write(i, section(i))
	}
	if w.Finish() != nil || s.Create(layout) != nil {
		t.Error("a file that could not be written")
	}
	if names := files(t, s); len(names) > 0 || len(*notes) != 1 || !strings.Contains((*notes)[0], w.path+":") || strings.Contains((*notes)[0], temporaryMark) {
		t.Errorf("files %v, notes %q, want one with %s", names, *notes, w.path)
	}

	s, _ = testStore(t, layout.Bytes()-1)
	if s.Create(layout) != nil {
		t.Error("a file larger than all may be")
	}
	s, _ = testStore(t, 1<<20)
	s.Create(layout).Discard()
	if names := files(t, s); len(names) > 0 {
		t.Errorf("discarded, but %v", names)
	}
}

// TestAtOnce has several processes, which share nothing but the folder, make one file.
func TestAtOnce(t *testing.T) {
	first, _ := testStore(t, 1<<20)
	var group par.Group
	for range 4 {
		group.Go(func() {
			s, notes := storeIn(first.Dir, 1<<20)
			same(t, fill(t, s))
			other, _ := storeIn(first.Dir, 1<<20)
			same(t, other.Open(layout, par.Team{}))
			if len(*notes) > 0 {
				t.Errorf("notes %q", *notes)
			}
		})
	}
	group.Wait()
	if names := files(t, first); !slices.Equal(names, []string{layout.name()}) {
		t.Errorf("files %v", names)
	}
}

// TestLowered holds that a store whose limit was lowered removes the least recently used files
// when it is next opened, whatever it is opened for.
func TestLowered(t *testing.T) {
	s, _ := testStore(t, 1<<20)
	fill(t, s)
	for i, name := range []string{"a", "b"} {
		path, then := filepath.Join(s.Dir, name+suffix), time.Now().Add(time.Duration(i-9)*time.Hour)
		if err := errors.Join(os.WriteFile(path, make([]byte, layout.Bytes()), 0o600), os.Chtimes(path, then, then)); err != nil {
			t.Fatal(err)
		}
	}
	other := layout
	other.Weights = "none"
	for _, c := range []struct {
		limit int64
		want  []string
	}{
		{3 * layout.Bytes(), []string{"a" + suffix, "b" + suffix, layout.name()}},
		{2*layout.Bytes() + 9, []string{"b" + suffix, layout.name()}},
		{layout.Bytes(), []string{layout.name()}},
		{0, nil},
	} {
		slices.Sort(c.want)
		lower, notes := storeIn(s.Dir, c.limit)
		if c.limit == layout.Bytes() {
			if lower.Open(other, par.Team{}) != nil {
				t.Error("another layout was found")
			}
		} else {
			same(t, lower.Open(layout, par.Team{})) // mapped, though it may be gone
		}
		if names := files(t, s); !slices.Equal(names, c.want) || len(*notes) > 0 {
			t.Errorf("of %d bytes: files %v, notes %v, want %v", c.limit, names, *notes, c.want)
		}
	}
}

// TestClear holds that files are listed with what they are of, and removed but for what is
// being written and what is another's.
func TestClear(t *testing.T) {
	s, _ := testStore(t, 1<<20)
	if list, err := s.Files(); len(list) > 0 || err != nil {
		t.Errorf("no folder: %v, %v", list, err)
	}
	fill(t, s)
	partial := layout.name() + temporaryMark + "00"
	for _, name := range []string{"damaged" + suffix, partial, "other"} {
		if err := os.WriteFile(filepath.Join(s.Dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	list, err := s.Files()
	if err != nil || len(list) != 3 {
		t.Fatalf("%v, %v, want three files", list, err)
	}
	for _, k := range list {
		whole := filepath.Base(k.Path) == layout.name()
		if (k.Weights == layout.Weights && k.Kernel == layout.Kernel && k.Bytes == layout.Bytes()) != whole || k.Partial != (filepath.Base(k.Path) == partial) || time.Since(k.Used) > time.Hour {
			t.Errorf("%+v", k)
		}
	}
	if removed, err := s.Clear(); err != nil || len(removed) != 2 {
		t.Errorf("removed %v, %v, want two", removed, err)
	}
	if names := files(t, s); !slices.Equal(names, []string{partial, "other"}) {
		t.Errorf("files %v are left", names)
	}
}

// TestBounded holds that the least recently used files go, with what killed processes
// left, and that others' files stay.
func TestBounded(t *testing.T) {
	s, _ := testStore(t, 3*layout.Bytes())
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	put := func(name string, age time.Duration) {
		path, then := filepath.Join(s.Dir, name), time.Now().Add(-age)
		if err := os.WriteFile(path, make([]byte, layout.Bytes()), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, then, then); err != nil {
			t.Fatal(err)
		}
	}
	put("a"+suffix, 3*time.Hour)
	put("b"+suffix, 5*time.Hour)
	put("c"+suffix, 2*time.Hour)
	put("d"+suffix+temporaryMark+"00", 2*time.Hour)
	put("e"+suffix+temporaryMark+"00", time.Minute) // somebody writes it
	put("other", 9*time.Hour)
	fill(t, s)
	want := []string{"c" + suffix, layout.name(), "e" + suffix + temporaryMark + "00", "other"}
	if names := files(t, s); !slices.Equal(names, want) {
		t.Errorf("files %v, want %v", names, want)
	}
	// Use makes a file younger.
	path := filepath.Join(s.Dir, layout.name())
	then := time.Now().Add(-4 * time.Hour)
	if err := os.Chtimes(path, then, then); err != nil {
		t.Fatal(err)
	}
	again, _ := storeIn(s.Dir, 1<<20)
	same(t, again.Open(layout, par.Team{}))
	if info, err := os.Stat(path); err != nil || time.Since(info.ModTime()) > time.Hour {
		t.Errorf("used, but last at %v, %v", info.ModTime(), err)
	}
}
