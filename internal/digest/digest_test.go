package digest

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var sums = Sums{strings.Repeat("0a", 32), strings.Repeat("1b", 32)}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
		t.Fatal(err)
	}
}

// counted returns the sums that m has of paths, and how often they were computed.
func counted(t *testing.T, m Memory, paths ...string) int {
	t.Helper()
	n := 0
	got, err := m.Sums(paths, func() (Sums, error) { n++; return sums, nil })
	if err != nil || got != sums {
		t.Errorf("%v: %v, %v", paths, got, err)
	}
	return n
}

// TestSums holds that sums are computed again after every change of a file, also one that
// leaves its size and puts its time back.
func TestSums(t *testing.T) {
	defer func(was time.Duration) { settleTime = was }(settleTime)
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	write(t, a, "first")
	write(t, b, "second")
	info, err := os.Stat(a)
	if err != nil {
		t.Fatal(err)
	}
	if id := IdentityOf(info); id.Inode == 0 || id.Changed == 0 {
		t.Skip("this system does not tell files apart: nothing is remembered")
	}
	m := Memory{Dir: filepath.Join(dir, "home", "hashes")}
	counted(t, m, a)
	if n := counted(t, m, a); n != 1 {
		t.Error("a file that was just written is remembered: a change within the clock's step would not show")
	}
	settleTime = 0
	time.Sleep(20 * time.Millisecond) // the steps of the file system's clock
	counted(t, m, a, b)
	counted(t, m, a)
	if n := counted(t, m, a, b) + counted(t, m, a); n != 0 {
		t.Errorf("unchanged files: computed %d times, want 0", n)
	}
	for name, change := range map[string]func() error{
		"written to": func() error {
			write(t, a, "third")
			return os.Chtimes(a, info.ModTime(), info.ModTime())
		},
		"touched":  func() error { return os.Chtimes(b, time.Now(), time.Now()) },
		"replaced": func() error { write(t, a+"2", "first"); return os.Rename(a+"2", a) },
		"longer":   func() error { return os.Truncate(a, 6) },
	} {
		time.Sleep(20 * time.Millisecond)
		if err := change(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond)
		if n := counted(t, m, a, b); n != 1 {
			t.Errorf("%s: computed %d times, want once", name, n)
		}
		if n := counted(t, m, a, b); n != 0 {
			t.Errorf("%s, then unchanged: computed again", name)
		}
	}
	records, err := filepath.Glob(filepath.Join(m.Dir, "*.json"))
	if err != nil || len(records) != 2 {
		t.Fatalf("records %v, %v", records, err)
	}
	for _, content := range []string{"", "{", `{"version":1,"sha256":"no hash"}`} {
		for _, path := range records {
			write(t, path, content)
		}
		if n := counted(t, m, a, b); n != 1 {
			t.Errorf("record %q: computed %d times, want once", content, n)
		}
	}
}

// TestNothingKept holds that what cannot be remembered is computed.
func TestNothingKept(t *testing.T) {
	defer func(was time.Duration) { settleTime = was }(settleTime)
	settleTime = 0
	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	write(t, path, "content")
	time.Sleep(20 * time.Millisecond)
	for name, m := range map[string]Memory{
		"zero value": {},
		"too small":  {Dir: dir, Least: 8},
		"no folder":  {Dir: filepath.Join(path, "below")},
	} {
		if n := counted(t, m, path) + counted(t, m, path); n != 2 {
			t.Errorf("%s: computed %d times, want 2", name, n)
		}
	}
	if n := counted(t, Memory{Dir: dir}, filepath.Join(dir, "missing")); n != 1 {
		t.Error("a missing file was not left to whoever computes")
	}
	failure := errors.New("failed")
	m := Memory{Dir: filepath.Join(dir, "hashes")}
	if _, err := m.Sums([]string{path}, func() (Sums, error) { return Sums{}, failure }); err != failure {
		t.Errorf("error %v, want %v", err, failure)
	}
	if n := counted(t, m, path); n != 1 {
		t.Error("a failure is remembered")
	}
	// A file that changes while it is hashed.
	if _, err := m.Sums([]string{path}, func() (Sums, error) { write(t, path, "another content"); return sums, nil }); err != nil {
		t.Fatal(err)
	}
}

// TestRecordsBounded holds that old records go.
func TestRecordsBounded(t *testing.T) {
	m := Memory{Dir: t.TempDir()}
	for i := range maxRecords {
		write(t, filepath.Join(m.Dir, strings.Repeat("x", i+1)[:min(i+1, 100)]+time.Duration(i).String()+recordSuffix), "{}")
	}
	m.removeOld()
	left, err := os.ReadDir(m.Dir)
	if err != nil || len(left) != maxRecords/2 {
		t.Errorf("%d records left, %v, want %d", len(left), err, maxRecords/2)
	}
}

// TestCheckpoints holds that checkpoints are found by the hash of their tensors, whatever else
// is in the folder of their records.
func TestCheckpoints(t *testing.T) {
	defer func(was time.Duration) { settleTime = was }(settleTime)
	settleTime = 0
	dir := t.TempDir()
	m := Memory{Dir: filepath.Join(dir, "hashes")}
	if of := m.Checkpoints(); len(of) > 0 {
		t.Errorf("no folder: %v", of)
	}
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	write(t, a, "first")
	write(t, b, "second")
	if info, err := os.Stat(a); err != nil || IdentityOf(info).Inode == 0 {
		t.Skip("this system does not tell files apart: nothing is remembered")
	}
	time.Sleep(20 * time.Millisecond) // the steps of the file system's clock
	counted(t, m, a, b)
	write(t, filepath.Join(m.Dir, "x.json"), `{"version":1,"paths":[]}`)
	write(t, filepath.Join(m.Dir, "y.json"), "{")
	if of := m.Checkpoints(); len(of) != 1 || len(of[sums.Tensors]) != 1 || of[sums.Tensors][0] != a {
		t.Errorf("found %v, want %s", of, a)
	}
}
