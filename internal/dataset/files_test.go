package dataset

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a/2.png", "a/1.jpg", "a/b/3.PNG", "a/notes.txt", "4.png", "bare", "other/4.png", "other/{[4,5].png"} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(filepath.Join(dir, "other"))
	for _, test := range []struct {
		name, paths, want string
	}{
		{"files and a folder", "4.png ../bare ../a", "4.png ../bare ../a/1.jpg ../a/2.png ../a/b/3.PNG"},
		{"the current folder", ".", "4.png {[4,5].png"},
		{"the folder above", "..", "../4.png ../a/1.jpg ../a/2.png ../a/b/3.PNG ../other/4.png ../other/{[4,5].png"},
		{"paths that are not clean", "./../a//b/./3.PNG", "../a/b/3.PNG"},
		{"patterns with braces", "../{4,a/2}.png ../a/{1..1}.jpg {[4,5].png", "../4.png ../a/2.png ../a/1.jpg {[4,5].png"},
		{"an absolute path", dir + "/bare", filepath.ToSlash(dir) + "/bare"},
	} {
		t.Run(test.name, func(t *testing.T) {
			d, err := Files(t.Context(), strings.Fields(test.paths))
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, item := range d.Items {
				names = append(names, item.Name)
				if _, err := os.Stat(item.Path); err != nil || item.Label != Unlabelled {
					t.Errorf("%+v: %v", item, err)
				}
			}
			if got := strings.Join(names, " "); got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
		})
	}
	for paths, want := range map[string]string{
		"4.png ./4.png":     "4.png: given twice",
		"../a ../a/b/3.PNG": "../a/b/3.PNG: given twice",
		"../{a,a/b}":        "../a/b/3.PNG: given twice",
		"{4.png,":           "{4.png,: a brace that is not closed",
		"{4,5}.png":         "5.png: no such file or directory",
	} {
		if _, err := Files(t.Context(), strings.Fields(paths)); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", paths, err, want)
		}
	}
	if _, err := Files(t.Context(), []string{"4.png", "missing.png"}); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "missing.png") {
		t.Errorf("a missing file: %v", err)
	}
}

// TestSkippedFiles: the path of a file that is skipped is quoted as a whole, if its name is no line.
func TestSkippedFiles(t *testing.T) {
	for name, want := range map[string]string{
		"a.jpg": "in/it/a.jpg", `"a\xff.jpg"`: `"in/it/a\xff.jpg"`, `"a.jpg"`: `in/it/"a.jpg"`, `"a`: `in/it/"a`,
	} {
		if got := nameIn("in/it", name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}
