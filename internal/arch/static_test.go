package arch

import "testing"

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
