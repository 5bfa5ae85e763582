package main

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

// TestVerifyArchives compares collections with the same images in a folder, in an archive, and in
// an archive with a folder of its own around them.
func TestVerifyArchives(t *testing.T) {
	dir := t.TempDir()
	folder := filepath.Join(dir, "photos")
	images := map[string][]byte{}
	for i, name := range []string{"a.png", "x/a.png", "x/b.png"} {
		_, content := pngTurned(t, i)
		images[name] = content
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	archive := func(name, top string) string {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for name, content := range images {
			if err := w.WriteHeader(&tar.Header{Name: top + name, Mode: 0o666, Size: int64(len(content))}); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write(content); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
		return path
	}
	places := []string{folder, archive("flat.tar", ""), archive("photos.tar", "photos/")}
	var collections, summaries []string
	for _, place := range places {
		for _, kind := range []struct {
			to    *[]string
			flags []string
			end   string
		}{{&collections, nil, ".scores"}, {&summaries, []string{"--stats-only", "--no-features"}, ".summary"}} {
			path := place + kind.end
			must(t, exitDone, append([]string{"collect", "--model", testutil.Golden("model/tiny_jit.pt"), "--dataset", "images", "--data-path", place,
				"--save-path", path, "--quiet"}, kind.flags...)...)
			*kind.to = append(*kind.to, path)
		}
	}
	compare := func(paths []string, status int, want string) {
		t.Helper()
		for _, path := range paths {
			for _, place := range places {
				code, out, errs := clipnh("verify", path, "--data-path", place)
				if code != status || !strings.Contains(out, want) {
					t.Errorf("%s in %s: status %d, want %d and %q\n%s%s", path, place, code, status, want, out, errs)
				}
			}
		}
	}
	compare(collections, exitDone, "  same\n")
	compare(summaries, exitDone, "  same sizes\n")
	// Another image of that name, in all three.
	_, images["x/b.png"] = pngTurned(t, 3)
	if err := os.WriteFile(filepath.Join(folder, "x/b.png"), images["x/b.png"], 0o666); err != nil {
		t.Fatal(err)
	}
	archive("flat.tar", "")
	archive("photos.tar", "photos/")
	compare(collections, exitStale, "stale")
}
