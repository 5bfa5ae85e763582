package source

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/ui"
)

// said keeps what a stage says.
type said struct{ lines []string }

func (*said) Progress() ui.Progress             { return nil }
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
		dataset.ImageNetTest: {"note: folders in which images were not looked for: 2; {dataset} images takes those in folders too"},
		dataset.Images:       nil,
	} {
		var say said
		if _, err := OpenImages(t.Context(), dataset.Options{Kind: kind, Path: dir}, false, &say); err != nil || !slices.Equal(say.lines, want) {
			t.Errorf("%s: said %q, %v, want %q", kind, say.lines, err, want)
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
