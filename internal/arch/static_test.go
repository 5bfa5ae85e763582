package arch

import (
	"debug/elf"
	"os"
	"runtime"
	"testing"
)

// dynamic is the package that makes a program dynamic on Linux, and open to the faults of
// the library that it opens.
const dynamic = "internal/ort"

// TestStaticProgram holds that clipnh cannot come to import it by any package: the table of
// allowed imports has no way from one to the other.
func TestStaticProgram(t *testing.T) {
	seen := map[string]bool{}
	var visit func(dir string)
	visit = func(dir string) {
		if seen[dir] {
			return
		}
		seen[dir] = true
		for _, next := range allowed[dir] {
			visit(next)
		}
	}
	visit("cmd/clipnh")
	if seen[dynamic] {
		t.Errorf("cmd/clipnh may import %s, by way of others", dynamic)
	}
	if !seen["internal/kernel"] {
		t.Error("the table was not followed")
	}
	clear(seen)
	visit("cmd/clipnh-ort")
	if !seen[dynamic] {
		t.Errorf("cmd/clipnh-ort may not import %s", dynamic)
	}
}

// TestStaticBuild holds that a program which was built, by "make static", runs without the
// system's loader and libraries.
func TestStaticBuild(t *testing.T) {
	path := os.Getenv("CLIPNH_BUILT")
	if path == "" || runtime.GOOS != "linux" {
		t.Skip(`"make static" builds and tests the program, on Linux`)
	}
	program, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	for _, p := range program.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("%s is dynamic: it has a segment %s", path, p.Type)
		}
	}
}
