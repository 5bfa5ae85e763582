package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/layout"
)

// TestNextCommands checks that every kind of data set gets command lines with existing
// commands and flags and with its path, and that a wrong one gets none.
func TestNextCommands(t *testing.T) {
	for _, kind := range layout.Kinds() {
		for _, images := range []int{layout.SubsetImages, layout.SubsetImages + 1} {
			r := &layout.Report{Kind: kind, Path: "a b", OK: true, Config: "voc20", Parts: []layout.Part{{Count: images}, {Name: "table.csv"}}}
			next := nextCommands(r)
			if len(next) == 0 {
				t.Errorf("%s: no command", kind)
			}
			subset := slices.ContainsFunc(next, func(line string) bool { return strings.HasPrefix(line, "clipnh data subset ") })
			if want := strings.HasPrefix(kind, "imagenet") && kind != "imagenet_val" && images > layout.SubsetImages; subset != want {
				t.Errorf("%s: %d images: %q, want a subset: %t", kind, images, next, want)
			}
			if !strings.Contains(next[0], " --data-path 'a b'") {
				t.Errorf("%s: %q: no path", kind, next)
			}
			for _, line := range next {
				checkFlags(t, line)
			}
		}
	}
	if next := nextCommands(&layout.Report{Kind: "cars", Path: "cars", Parts: []layout.Part{{}}}); next != nil {
		t.Errorf("%q for a wrong layout", next)
	}
}

// checkFlags checks that the command of a line and its flags exist.
func checkFlags(t *testing.T, line string) {
	t.Helper()
	root := newRootCommand(&globalOptions{})
	cmd, rest, err := root.Find(strings.Fields(strings.ReplaceAll(line, "'a b'", "a"))[1:])
	if err != nil || cmd == root {
		t.Errorf("%s: %v", line, err)
		return
	}
	for _, word := range rest {
		name, _, _ := strings.Cut(word, "=")
		if name, ok := strings.CutPrefix(name, "--"); ok && cmd.Flags().Lookup(name) == nil {
			t.Errorf("%s: %s has no flag --%s", line, cmd.CommandPath(), name)
		}
	}
}

// TestDataCheckSpelling checks that notes name flags as the program spells them.
func TestDataCheckSpelling(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "test", "n01"), 0o777); err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"", "--json"} {
		args := append([]string{"data", "check", "imagenet_test", dir}, strings.Fields(format)...)
		stdout, _ := must(t, exitFailed, args...)
		if !strings.Contains(stdout, "--dataset imagenet_val") || strings.Contains(stdout, "{dataset}") {
			t.Errorf("%s: %s", format, stdout)
		}
	}
}
