package dataset

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/configs"
)

// skips writes what was skipped as "name: reason".
func skips(list []Skipped) []string {
	lines := make([]string, len(list))
	for i, s := range list {
		lines[i] = s.Name + ": " + s.Reason
	}
	return lines
}

// TestSkipped: what cannot be listed is named with a reason, and the others are
// listed as if it were not there.
func TestSkipped(t *testing.T) {
	const badName = "name has a line break or is not UTF-8"
	deep := strings.TrimSuffix(strings.Repeat("d/", maxDepth), "/")
	tests := []struct {
		name, kind    string
		files         map[string]string
		want, skipped []string
		classes       []string
		passed        Passed
	}{
		{
			name: "names that are no line", kind: Images,
			files: images("a.jpg", "b\n.jpg", "c\xff.jpg", "d\r/e.jpg", "f.jpg"),
			want:  []string{"a.jpg=-1", "f.jpg=-1"}, skipped: []string{`"b\n.jpg": ` + badName, `"c\xff.jpg": ` + badName, `"d\r/e.jpg": ` + badName},
		},
		{
			name: "folders too deep", kind: Images,
			files: images("a.jpg", deep+"/b.jpg", deep[2:]+"/c.jpg"),
			want:  []string{"a.jpg=-1", deep[2:] + "/c.jpg=-1"}, skipped: []string{deep + ": more than 64 folders within folders"},
		},
		{
			name: "links back", kind: Images,
			files: with(with(with(with(with(images("a.jpg", "b/c.jpg", "b/d/e.jpg", "f/g.jpg"), "up", "-> .."), "self", "-> ."), "b/d/root", "-> ../.."), "b/f", "-> ../f"), "f/b", "-> ../b"),
			// Links to other folders are followed, until one leads back.
			want: []string{"a.jpg=-1", "b/c.jpg=-1", "b/d/e.jpg=-1", "b/f/g.jpg=-1", "f/b/c.jpg=-1", "f/b/d/e.jpg=-1", "f/g.jpg=-1"},
			skipped: []string{"b/d/root: " + errLedBack.Error(), "b/f/b: " + errLedBack.Error(), "f/b/d/root: " + errLedBack.Error(), "f/b/f: " + errLedBack.Error(),
				"self: " + errLedBack.Error(), "up: " + errLedBack.Error()},
		},
		{
			name: "a class that links back", kind: ImageNetVal, files: with(images("val/n01/a.JPEG", "val/n02/b.JPEG"), "val/up", "-> .."),
			want: []string{"n01/a.JPEG=0", "n02/b.JPEG=1"}, skipped: []string{"up: " + errLedBack.Error()}, classes: []string{"n01", "n02", "up"}, passed: Passed{Split: "val"},
		},
		{
			name: "files of other kinds", kind: Images, files: images("a.jpg", "b", "c/d", "c/e.txt", ".hidden"),
			want: []string{"a.jpg=-1"}, passed: Passed{Files: 3, Bare: 2},
		},
		{
			name: "test split", kind: ImageNetTest, files: images("test/a.JPEG", "test/b\n.JPEG", "test/c"),
			want: []string{"a.JPEG=-1"}, skipped: []string{`"b\n.JPEG": ` + badName}, passed: Passed{Files: 1, Bare: 1, Split: "test"},
		},
		{
			name: "val split", kind: ImageNetVal, files: images("next.JPEG", "val/n01/a.JPEG", "val/n02\xff/b.JPEG", "val/n03/c.JPEG", "val/d.JPEG", "val/e"),
			want:    []string{"n01/a.JPEG=0", "n03/c.JPEG=2"}, // as in torchvision, where n02\xff has label 1
			skipped: []string{"d.JPEG: not in a class folder", `"n02\xff/b.JPEG": ` + badName},
			classes: []string{"n01", `"n02\xff"`, "n03"}, passed: Passed{Files: 1, Bare: 1, Split: "val", Beside: 1},
		},
		{
			name: "cars", kind: CarsTest, files: images("devkit/x", "cars_test/a.jpg", "cars_test/b\n.jpg"),
			want: []string{"a.jpg=-1"}, skipped: []string{`"b\n.jpg": ` + badName},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			root := tree(t, test.files)
			d, err := Open(t.Context(), Options{Kind: test.kind, Path: root})
			if err != nil {
				t.Fatal(err)
			}
			if got := listed(d); !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if test.passed.Split != "" {
				test.passed.Split = filepath.Join(root, test.passed.Split)
			}
			if got := skips(d.Skipped); !slices.Equal(got, test.skipped) {
				t.Errorf("skipped %q, want %q", got, test.skipped)
			}
			if !slices.Equal(d.Classes, test.classes) || d.Passed != test.passed {
				t.Errorf("classes %q, passed %+v, want %q, %+v", d.Classes, d.Passed, test.classes, test.passed)
			}
			for _, s := range d.Skipped {
				if _, err := os.Lstat(s.Path); err != nil {
					t.Errorf("skipped: %v", err)
				}
			}
			if strided := d.Stride(2); !slices.Equal(skips(strided.Skipped), test.skipped) {
				t.Errorf("with a stride, skipped %q", skips(strided.Skipped))
			}
		})
	}
}

// unreadable makes folders within dir, the innermost of which no path can reach,
// whoever runs the test, and an image beside it. It returns the outermost's name.
func unreadable(t *testing.T, dir string) string {
	t.Helper()
	name := strings.Repeat("x", 250)
	at, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	for range 17 { // 17 names of 250 bytes are longer than PATH_MAX
		err := at.Mkdir(name, 0o755)
		inner, openErr := at.OpenRoot(name)
		at.Close()
		if err := errors.Join(err, openErr); err != nil {
			t.Skip("the file system has no paths so long: ", err)
		}
		at = inner
	}
	at.Close()
	return name
}

// TestUnreadableFolder: a folder that cannot be read is named, whatever the layout.
func TestUnreadableFolder(t *testing.T) {
	check := func(t *testing.T, got []Skipped, long string) {
		t.Helper()
		if len(got) != 1 || !strings.HasPrefix(got[0].Name, long) || !strings.Contains(got[0].Reason, "name too long") || strings.Contains(got[0].Reason, long) {
			t.Errorf("skipped %d: %.100q, want one folder %.8s... with its reason", len(got), skips(got), long)
		}
	}
	for _, test := range []struct{ kind, in, image, want string }{
		{Images, "", "a.jpg", "a.jpg=-1"},
		{ImageNetVal, "val", "val/n01/a.JPEG", "n01/a.JPEG=0"},
	} {
		t.Run(test.kind, func(t *testing.T) {
			dir := tree(t, images(test.image))
			long := unreadable(t, filepath.Join(dir, test.in))
			d, err := Open(t.Context(), Options{Kind: test.kind, Path: dir})
			if err != nil {
				t.Fatal(err)
			}
			if got := listed(d); !slices.Equal(got, []string{test.want}) {
				t.Errorf("got %q, want %s", got, test.want)
			}
			check(t, d.Skipped, long)
		})
	}
	t.Run("scenes", func(t *testing.T) {
		dir := tree(t, images("img/a.jpg", "map/a.png"))
		long := unreadable(t, filepath.Join(dir, "img"))
		layout := configs.Layout{Images: "img", ImageSuffix: ".jpg", Labels: []configs.LabelSource{{Folder: "map", Suffix: ".png"}}}
		s, err := OpenScenes(t.Context(), SceneOptions{Path: dir, Layout: layout, Classes: 2})
		if err != nil {
			t.Fatal(err)
		}
		if len(s.Items) != 1 {
			t.Errorf("%d scenes, want 1", len(s.Items))
		}
		check(t, s.Skipped, long)
	})
	t.Run("no rights", func(t *testing.T) {
		dir := tree(t, images("a.jpg", "shut/b.jpg"))
		shut := filepath.Join(dir, "shut")
		if err := os.Chmod(shut, 0); err != nil {
			t.Fatal(err)
		}
		defer os.Chmod(shut, 0o755)
		if _, err := os.ReadDir(shut); err == nil {
			t.Skip("whoever runs this may read everything")
		}
		d, err := Open(t.Context(), Options{Kind: Images, Path: dir})
		if err != nil || fmt.Sprint(skips(d.Skipped)) != "[shut: permission denied]" {
			t.Errorf("%v, %+v, want shut to be skipped", err, d)
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := Open(ctx, Options{Kind: Images, Path: tree(t, images("a.jpg", "b/c.jpg"))}); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v, want that of the context", err)
		}
	})
}
