package site

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/evanw/esbuild/pkg/api"
)

var update = flag.Bool("update", false, "write web/app.js from the modules in web/src")

// bundle makes one classic script of the modules.
func bundle(t *testing.T) []byte {
	t.Helper()
	result := api.Build(api.BuildOptions{
		EntryPoints: []string{"web/src/main.mjs"},
		Bundle:      true,
		Format:      api.FormatIIFE,
		Target:      api.ES2022,
		Charset:     api.CharsetUTF8,
		Banner:      map[string]string{"js": "// Made from the modules in web/src by \"go generate\". Do not edit."},
	})
	for _, m := range append(result.Errors, result.Warnings...) {
		t.Errorf("%s:%d: %s", m.Location.File, m.Location.Line, m.Text)
	}
	if len(result.OutputFiles) != 1 {
		t.Fatalf("esbuild made %d files, want 1", len(result.OutputFiles))
	}
	return result.OutputFiles[0].Contents
}

// TestBundle holds that web/app.js is what the modules bundle to.
func TestBundle(t *testing.T) {
	const path = "web/app.js"
	want := bundle(t)
	if t.Failed() {
		return
	}
	if *update {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not the bundle of web/src; run go generate ./internal/site", path)
	}
}

// TestSyntax lets Node check each module, where there is Node.
func TestSyntax(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not installed")
	}
	modules := modules(t)
	for _, path := range modules {
		if out, err := exec.Command(node, "--check", path).CombinedOutput(); err != nil {
			t.Errorf("node --check %s: %v\n%s", path, err, out)
		}
	}
}

// TestImports holds that modules do not import each other in circles, and name each other
// once.
func TestImports(t *testing.T) {
	line := regexp.MustCompile(`(?m)^import .*from "(\..*)";$`)
	imports := map[string][]string{}
	for _, path := range modules(t) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range line.FindAllSubmatch(text, -1) {
			other := filepath.Join(filepath.Dir(path), string(m[1]))
			if slices.Contains(imports[path], other) {
				t.Errorf("%s imports %s twice", path, other)
			}
			imports[path] = append(imports[path], other)
		}
	}
	done := map[string]bool{}
	var follow func(path string, way []string)
	follow = func(path string, way []string) {
		if slices.Contains(way, path) {
			t.Errorf("imports in a circle: %s", strings.Join(append(way, path), " -> "))
			return
		}
		if done[path] {
			return
		}
		for _, other := range imports[path] {
			follow(other, append(way, path))
		}
		done[path] = true
	}
	follow(filepath.Join("web", "src", "main.mjs"), nil)
	if len(done) != len(modules(t)) {
		t.Errorf("main.mjs reaches %d modules of %d", len(done), len(modules(t)))
	}
}

// modules are the paths of the modules.
func modules(t *testing.T) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir("web/src", func(path string, d os.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".mjs" {
			all = append(all, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 20 {
		t.Fatalf("%d modules, want all of them", len(all))
	}
	return all
}
