package arch

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"
)

// unused returns a line for every permission of the tables that no import needs.
func unused(sources []source) []string {
	needed := map[[2]string]bool{} // importer, imported
	for _, s := range sources {
		if s.isTest() {
			continue
		}
		for _, imp := range s.imports {
			dir := path.Dir(s.path)
			if name, inside := strings.CutPrefix(imp.name, module); inside {
				needed[[2]string{dir, name}] = true
			} else {
				for p := imp.name; p != "."; p = path.Dir(p) {
					needed[[2]string{dir, p}] = true
				}
			}
		}
	}
	var found []string
	for dir, may := range allowed {
		for _, name := range may {
			if !needed[[2]string{dir, name}] {
				found = append(found, fmt.Sprintf("%s may import %s, and does not: remove it from the table", dir, name))
			}
		}
	}
	for mod, who := range importers {
		for _, dir := range who {
			if !needed[[2]string{dir, mod}] {
				found = append(found, fmt.Sprintf("%s may import %s, and does not: remove it from the table of importers", dir, mod))
			}
		}
	}
	slices.Sort(found)
	return found
}

func TestUnused(t *testing.T) {
	var sources []source
	for dir, may := range allowed {
		s := source{path: dir + "/a.go"}
		for _, name := range may {
			s.imports = append(s.imports, use{name: module + name})
		}
		for mod, who := range importers {
			if slices.Contains(who, dir) {
				s.imports = append(s.imports, use{name: mod + "/package"})
			}
		}
		sources = append(sources, s)
	}
	if got := unused(sources); len(got) > 0 {
		t.Errorf("all are used, and got %q", got)
	}
	for i, s := range sources {
		if s.path == "internal/heat/a.go" {
			sources[i].imports = s.imports[1:]
		}
		if s.path == "internal/ui/a.go" {
			sources[i].path = "internal/ui/a_test.go" // imports of tests need no permission
		}
	}
	got := unused(sources)
	if want := "internal/heat may import " + allowed["internal/heat"][0] + ", and does not: remove it from the table"; !slices.Contains(got, want) {
		t.Errorf("got %q, want %q among them", got, want)
	}
	if want := "internal/ui may import golang.org/x/term, and does not: remove it from the table of importers"; !slices.Contains(got, want) {
		t.Errorf("got %q, want %q among them", got, want)
	}
}
