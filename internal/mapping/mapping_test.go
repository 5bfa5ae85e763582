package mapping

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/par"
)

// mapTest maps a file of size bytes, each 7.
func mapTest(t *testing.T, size int) (*Mapping, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "values")
	if err := os.WriteFile(path, bytes.Repeat([]byte{7}, size), 0o666); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m, err := New(f, int64(size))
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	if _, err := New(f, int64(size)+1); err == nil || !strings.Contains(err.Error(), "bytes, want") {
		t.Errorf("more than the file has: %v", err)
	}
	return m, path
}

func TestMapping(t *testing.T) {
	m, path := mapTest(t, 5000)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if len(m.Bytes()) != 5000 || m.Bytes()[4999] != 7 {
		t.Errorf("%d bytes that end in %d", len(m.Bytes()), m.Bytes()[4999])
	}
	if x := m.Floats(4, 1249); len(x) != 1249 || x[0] != x[1248] {
		t.Errorf("%d values, from %g to %g", len(x), x[0], x[1248])
	}
	for _, bad := range [][2]int{{2, 1}, {0, 1251}, {5004, 0}, {-4, 1}} {
		if p := par.Catch(func() { m.Floats(int64(bad[0]), bad[1]) }); p == nil {
			t.Errorf("%d values from byte %d on: no panic", bad[1], bad[0])
		}
	}
	if Fault("text") != nil {
		t.Error("a panic that is no fault has a file")
	}
}

// TestShrunk holds that a file which shrinks under its mapping is an error, in whichever
// goroutine it is read, in Go and in the assembly that copies.
func TestShrunk(t *testing.T) {
	const page = 1 << 16 // or larger than one
	m, path := mapTest(t, 4*page)
	if err := os.Truncate(path, page); err != nil {
		t.Fatal(err)
	}
	sum := byte(0)
	var group par.Group
	group.Go(func() { sum += m.Bytes()[3*page] })
	for name, read := range map[string]func(){
		"here":   func() { sum += m.Bytes()[2*page] },
		"copy":   func() { copy(make([]byte, page), m.Bytes()[2*page:]) },
		"group":  group.Wait,
		"helper": func() { par.NewTeam(2).For(4, func(lo, _, _ int) { sum += m.Bytes()[lo*page] }) },
	} {
		p := par.Catch(read)
		if p == nil {
			t.Errorf("%s: no panic", name)
			continue
		}
		if err := Fault(p.Value); !errors.Is(err, ErrGone) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v gave %v", name, p.Value, err)
		}
	}
	if m.Bytes()[0]+sum-sum != 7 {
		t.Error("what is left of the file changed")
	}
}
