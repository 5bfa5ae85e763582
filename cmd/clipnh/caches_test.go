package main

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/asset"
	"github.com/clipnh/clipnh/internal/mapping"
)

// TestPackedCache holds that a collection has the same bytes without packed weights that
// are kept, when they are written, when they are used, and when they are damaged or cannot
// be written, which is said.
func TestPackedCache(t *testing.T) {
	if !mapping.Supported {
		t.Skip("this system has no mappings: nothing is kept")
	}
	defer func(was int64) { keptFrom = was }(keptFrom)
	keptFrom = 0
	dir := t.TempDir()
	home := filepath.Join(dir, "home")
	t.Setenv(asset.HomeVariable, home)
	t.Setenv(packedSizeVariable, "")
	n := 0
	collect := func(flags ...string) (files map[string]string, stderr string) {
		n++
		out := filepath.Join(dir, "out", string(rune('a'+n)))
		_, stderr = must(t, exitDone, slices.Concat([]string{"collect", "--dataset", "images", "--sample-stride", "16", "--save-path", out}, goldenModel(), flags)...)
		files = map[string]string{}
		for _, name := range []string{"scores.npy", "directions.value.npy", "bias.npy"} {
			b, err := os.ReadFile(filepath.Join(out, name))
			if err != nil {
				t.Fatal(err)
			}
			files[name] = string(b)
		}
		return files, stderr
	}
	kept := func(folder string) []string {
		paths, err := filepath.Glob(filepath.Join(home, folder, "*.[jw]*"))
		if err != nil {
			t.Fatal(err)
		}
		return paths
	}
	want, _ := collect("--no-packed-cache")
	if len(kept("packed")) > 0 {
		t.Fatalf("--no-packed-cache left %v", kept("packed"))
	}
	check := func(when, note string, flags ...string) {
		t.Helper()
		got, stderr := collect(flags...)
		if !maps.Equal(got, want) {
			t.Errorf("%s: other bytes", when)
		}
		said := strings.Contains(stderr, "packed weights") || strings.Contains(stderr, "packing the weights")
		if said != (note != "") || !strings.Contains(stderr, note) {
			t.Errorf("%s: stderr %q, want a note with %q", when, stderr, note)
		}
	}
	check("first use", "")
	packs := kept("packed")
	if len(packs) != 2 || len(kept("hashes")) != 1 { // the tower, and what turns scores into contributions
		t.Fatalf("kept %v and %v, want two and one", packs, kept("hashes"))
	}
	check("used again", "")
	check("without", "", "--no-packed-cache")
	if err := os.Truncate(packs[0], 5000); err != nil {
		t.Fatal(err)
	}
	check("cut", packs[0]+": 5000 bytes, want ")
	check("made again", "")
	listed := func(flag string) (r keptWeights) {
		t.Helper()
		stdout, _ := must(t, exitDone, "info", flag, "--json")
		if err := json.Unmarshal([]byte(stdout), &r); err != nil {
			t.Fatal(err)
		}
		return r
	}
	r := listed("--cache")
	if len(r.Files) != 2 || r.Limit != packedSize || r.Bytes != r.Files[0].Bytes+r.Files[1].Bytes || r.Folder != filepath.Join(home, "packed") || r.Removed != 0 {
		t.Errorf("listed %+v", r)
	}
	for _, f := range r.Files {
		if len(f.Models) != 1 || filepath.Base(f.Models[0]) != filepath.Base(goldenModel()[1]) || !slices.Contains(packs, f.Path) {
			t.Errorf("listed %+v, want one of %s", f, goldenModel()[1])
		}
	}
	if stdout, _ := must(t, exitDone, "info", "--cache"); !strings.Contains(stdout, ", 2 files\n") || !strings.Contains(stdout, filepath.Base(packs[0])) || !strings.Contains(stdout, ", of "+r.Files[0].Models[0]) {
		t.Errorf("printed %q", stdout)
	}
	t.Setenv(packedSizeVariable, strconv.FormatInt(r.Bytes-1, 10))
	check("lowered", "")
	if left := kept("packed"); len(left) != 1 {
		t.Errorf("%d bytes less than there are: kept %v, want one", 1, left)
	}
	t.Setenv(packedSizeVariable, "")
	if r := listed("--clear-cache"); len(r.Files) != 0 || r.Removed != 1 || len(kept("packed")) > 0 {
		t.Errorf("cleared %+v, kept %v", r, kept("packed"))
	}
	check("cleared", "")
	for _, args := range [][]string{{"--cache", "--devices"}, {"--clear-cache", "--plan"}, {"--cache", "--model", "x"}} {
		if _, stderr := must(t, exitUsage, append([]string{"info"}, args...)...); !strings.Contains(stderr, "with ") {
			t.Errorf("%q: %q", args, stderr)
		}
	}
	if err := errors.Join(os.RemoveAll(home), os.WriteFile(home, nil, 0o666)); err != nil {
		t.Fatal(err)
	}
	check("no folder", "packed weights are not kept for the next run: ")
	if err := os.Remove(home); err != nil {
		t.Fatal(err)
	}
	t.Setenv(packedSizeVariable, "0")
	check("no room", "")
	if len(kept("packed")) > 0 {
		t.Errorf("%s=0 kept %v", packedSizeVariable, kept("packed"))
	}
	t.Setenv(packedSizeVariable, "4 gigabytes")
	if _, stderr := must(t, exitUsage, append(goldenModel(), "collect", "--save-path", dir)...); !strings.Contains(stderr, packedSizeVariable+`: "4 gigabytes", want`) {
		t.Errorf("a wrong size: %q", stderr)
	}
}

func TestByteCount(t *testing.T) {
	for text, want := range map[string]int64{
		"": 7, "0": 0, "12": 12, "12B": 12, "3K": 3 << 10, "500M": 500 << 20, "4GiB": 4 << 30, "2T": 2 << 40,
		"-1": -1, "G": -1, "1.5G": -1, "4 G": -1, "9999999999T": -1, "1KM": -1, "1iB": 1, "x": -1,
	} {
		if n, err := byteCount(text, 7); want < 0 && err == nil || want >= 0 && (err != nil || n != want) {
			t.Errorf("%q: %d, %v, want %d", text, n, err, want)
		}
	}
}

// TestShrunkFile holds that a file which becomes shorter while it is mapped ends a command
// with an error, not with a signal.
func TestShrunkFile(t *testing.T) {
	if !mapping.Supported {
		t.Skip("this system has no mappings")
	}
	path := filepath.Join(t.TempDir(), "values")
	if err := os.WriteFile(path, make([]byte, 1<<17), 0o666); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m, err := mapping.New(f, 1<<17)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	sum := byte(0)
	err = mapping.Catch(func() error { sum += m.Bytes()[1<<16]; return nil })
	if !errors.Is(err, mapping.ErrGone) || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v, sum %d", err, sum)
	}
	if err := mapping.Catch(func() error { return os.ErrExist }); err != os.ErrExist {
		t.Errorf("another error became %v", err)
	}
}
