package source

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/testutil"
	"github.com/clipnh/clipnh/internal/ui"
)

// said keeps what a stage says.
type said struct{ lines []string }

func (*said) Progress() ui.Progress             { return nil }
func (*said) Read(int64)                        {}
func (s *said) Note(format string, args ...any) { s.add("note: ", format, args) }
func (s *said) Skip(err error)                  { s.Warn("skipped: %v", err) }
func (s *said) Warn(format string, args ...any) { s.add("warning: ", format, args) }
func (s *said) add(kind, format string, args []any) {
	s.lines = append(s.lines, kind+fmt.Sprintf(format, args...))
}

// An image whose name no artefact can hold is named and left out; a strict run
// stops.
func TestOpenImages(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.jpg", "b\n.jpg", "c"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Skip(err)
		}
	}
	o := dataset.Options{Kind: dataset.Images, Path: dir}
	var say said
	d, err := OpenImages(t.Context(), o, false, &say)
	if err != nil || len(d.Items) != 1 {
		t.Fatalf("%v, %+v, want one image", err, d)
	}
	want := []string{
		`warning: skipped: "b\n.jpg": name has a line break or is not UTF-8`,
		"note: files without an extension, which are not taken for images: 1",
	}
	if !slices.Equal(say.lines, want) {
		t.Errorf("said %q, want %q", say.lines, want)
	}
	if _, err := OpenImages(t.Context(), o, true, &say); err == nil || !strings.Contains(err.Error(), `b\n.jpg": name has a line break`) {
		t.Errorf("strict: error %v, want that of the name", err)
	}
}

// A flat data set says that it does not look into folders.
func TestFoldersNotLookedInto(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"more", "others"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "a.jpg"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for kind, want := range map[string][]string{
		dataset.ImageNetTest: {"note: folders of which no images are taken: 2; {dataset} images takes those in folders too"},
		dataset.Images:       nil,
	} {
		var say said
		if _, err := OpenImages(t.Context(), dataset.Options{Kind: kind, Path: dir}, false, &say); err != nil || !slices.Equal(say.lines, want) {
			t.Errorf("%s: said %q, %v, want %q", kind, say.lines, err, want)
		}
	}
	for i, name := range []string{"more/b.jpg", "more/c.png", "others/d/e.jpg", "others/f.txt"} {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), make([]byte, i), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o := dataset.Options{Kind: dataset.ImageNetTest, Path: dir}
	const left = "took no image of 2 folders, which hold 3 images"
	var say said
	want := []string{"warning: " + left + ": {dataset} images takes those in folders too"}
	if data, err := OpenImages(t.Context(), o, false, &say); err != nil || len(data.Items) != 1 || !slices.Equal(say.lines, want) {
		t.Errorf("said %q, %v, want %q", say.lines, err, want)
	}
	if _, err := OpenImages(t.Context(), o, true, &say); err == nil || err.Error() != left {
		t.Errorf("strict: error %v, want %s", err, left)
	}
}

// A folder that is taken for the split of a data set is named where nobody asked for one,
// and where there are images next to it.
func TestSplitTaken(t *testing.T) {
	test := []string{"test/1.jpg", "test/2.jpg"}
	val := []string{"val/cat/1.jpg", "val/dog/2.jpg"}
	for _, tt := range []struct {
		kind  string
		names []string
		said  string // {} is the data path, or that of the archive and an exclamation mark
	}{
		{dataset.ImageNetTest, test, "note: took the images of {}test"},
		{dataset.ImageNetTest, append([]string{"other/4.jpg", "5.txt"}, test...), "note: took the images of {}test"},
		{dataset.ImageNetTest, append([]string{"a.jpg", "b.png", "other/4.jpg"}, test...), "warning: took the images of {}test, and not the 2 images next to that folder: {dataset} images takes all, or give {data-path} that folder itself"},
		{dataset.ImageNetTest, []string{"a.jpg", "b.jpg"}, ""},
		{dataset.Images, append([]string{"a.jpg"}, test...), ""},
		{dataset.ImageNetVal, val, ""},
		{dataset.ImageNetVal, append([]string{"train/cat/3.jpg"}, val...), ""},
		{dataset.ImageNetVal, append([]string{"a.jpg"}, val...), "warning: took the images of {}val, and not the 1 image next to that folder: move these into the folders of their classes, or give {data-path} that folder itself"},
		{dataset.ImageNetVal, []string{"cat/1.jpg", "dog/2.jpg"}, ""},
	} {
		root := filepath.Join(t.TempDir(), "own")
		for _, name := range tt.names {
			path := filepath.Join(root, filepath.FromSlash(name))
			if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte("image"), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		packed := filepath.Join(t.TempDir(), "own.tar")
		testutil.Pack(t, root, packed, "")
		for path, prefix := range map[string]string{root: root + string(filepath.Separator), packed: packed + "!"} {
			var want []string
			if tt.said != "" {
				want = []string{strings.ReplaceAll(tt.said, "{}", prefix)}
			}
			var say said
			o := dataset.Options{Kind: tt.kind, Path: path}
			if _, err := OpenImages(t.Context(), o, false, &say); err != nil || !slices.Equal(say.lines, want) {
				t.Errorf("%s of %v: said %q, %v, want %q", tt.kind, tt.names, say.lines, err, want)
			}
			_, err := OpenImages(t.Context(), o, true, &said{})
			if refused := strings.HasPrefix(tt.said, "warning: "); (err != nil) != refused || refused && !strings.HasSuffix(err.Error(), "next to that folder") {
				t.Errorf("strict %s of %v: error %v", tt.kind, tt.names, err)
			}
		}
	}
}

// Of what was left out for one reason the first are named, and the others counted.
func TestNamePassedOver(t *testing.T) {
	var skipped []dataset.Skipped
	for i := range 50 {
		skipped = append(skipped, dataset.Skipped{Name: fmt.Sprint(i), Reason: "stray"})
	}
	skipped = append(skipped, dataset.Skipped{Name: "shut", Reason: "permission denied"})
	var say said
	if err := NamePassedOver(skipped, dataset.Passed{}, false, &say); err != nil {
		t.Fatal(err)
	}
	n := len(say.lines)
	if n != 22 || say.lines[19] != "warning: skipped: 19: stray" || say.lines[20] != "warning: skipped: shut: permission denied" || say.lines[21] != "warning: skipped: 30 more: stray" {
		t.Errorf("said %q", say.lines)
	}
}

// TestNameAbsent: of a list whose images are not all there, the list and the place of the first
// that is not are named; a strict run stops.
func TestNameAbsent(t *testing.T) {
	dir := t.TempDir()
	list := filepath.Join(dir, "photos.txt")
	for names, want := range map[string]string{
		"here.jpg\nnix.jpg\n":                   "1 of the 2 images that it lists is not there: it is number 2, nix.jpg",
		"gone/a.jpg\nhere.jpg\n\"b\".jpg\n\n\n": "2 of the 3 images that it lists are not there: the first is number 1, gone/a.jpg",
		"here.jpg\n":                            "",
	} {
		for path, text := range map[string]string{list: names, filepath.Join(dir, "here.jpg"): "image"} {
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		o, say := dataset.Options{Kind: dataset.Images, Path: list}, said{}
		if _, err := OpenImages(t.Context(), o, false, &say); err != nil {
			t.Fatal(err)
		}
		_, err := OpenImages(t.Context(), o, true, &say)
		if want == "" {
			if err != nil || len(say.lines) > 0 {
				t.Errorf("said %q, error %v, want nothing", say.lines, err)
			}
			continue
		}
		if want = list + ": " + want; len(say.lines) != 1 || say.lines[0] != "warning: "+want || !errors.Is(err, fs.ErrNotExist) || err.Error() != want {
			t.Errorf("said %q, strictly %v, want %q", say.lines, err, want)
		}
	}
}
