package dataset

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

// sure returns a value that there must be.
func sure[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// forms are the archives that the tests make.
var forms = []string{"photos.tar", "photos.tar.gz", "photos.zip"}

// TestPacked holds that an archive lists what the folder does that was packed into it, in
// the same order and with the same labels.
func TestPacked(t *testing.T) {
	flat := images("ILSVRC2012_val_00000002.JPEG", "ILSVRC2012_val_00000001.JPEG", "ILSVRC2012_val_00000003.JPEG")
	strays := with(with(with(maps.Clone(flat), "README.txt", "x"), "info.json", "{}"), "sum.cls", "x")
	solution := "ImageId,PredictionString\nILSVRC2012_val_00000001,n02 1 1 1 1\nILSVRC2012_val_00000002,n01 1 1 1 1\n"
	tests := []struct {
		name, kind string
		files      map[string]string
		below      string            // what is opened as a folder
		top        string            // what members' names have before those in the folder
		beside     map[string]string // the archive
	}{
		{name: "images", kind: Images, files: with(with(images("b.jpg", "a/c.png", "a.b/d.gif", ".hidden.jpg", "a/.h/x.jpg"), "README", "x"), "notes.txt", "x")},
		{name: "images in a top folder", kind: Images, files: images("b.jpg", "a/c.png"), top: "photos/"},
		{name: "images after a dot and a slash", kind: Images, files: images("b.jpg", "a/c.png"), top: "./"},
		{name: "test", kind: ImageNetTest, files: images("test/b.jpg", "test/a.jpg", "val/n01/c.jpg")},
		{name: "test alone", kind: ImageNetTest, files: images("b.jpg", "a.jpg")},
		{name: "classes", kind: ImageNetVal, files: with(images("n02/b.jpg", "n01-x/z.jpg", "n01/a.jpg", "n01/sub/c.jpg", "stray.jpg"), "classes.txt", "n02\ttwo\nn01\tone\nn01-x\tother\n")},
		{name: "classes, numbers", kind: ImageNetVal, files: images("10/b.jpg", "9/a.jpg")},
		{name: "classes in val", kind: ImageNetVal, files: with(images("val/n02/b.jpg", "val/n01/a.jpg", "train/n03/x.jpg"), "classes.txt", "n02\ttwo\nn01\tone\n")},
		{name: "classes in a top folder", kind: ImageNetVal, files: images("n02/b.jpg", "n01/a.jpg"), top: "photos/"},
		{name: "Kaggle's tree", kind: ImageNetVal, files: images("ILSVRC/Data/CLS-LOC/val/n02/b.jpg", "ILSVRC/Data/CLS-LOC/val/n01/a.jpg", "ILSVRC/Data/CLS-LOC/test/x.jpg")},
		{name: "published, flat", kind: ImageNetVal, files: flat, beside: map[string]string{solutionName: solution}},
		{name: "flat, with texts of other things", kind: ImageNetVal, files: strays, beside: map[string]string{solutionName: solution}},
	}
	for _, test := range tests {
		for _, form := range forms {
			t.Run(test.name+", "+form, func(t *testing.T) {
				files := test.files
				for name, text := range test.beside {
					files = with(files, name, text)
				}
				root := tree(t, files)
				want, err := Open(t.Context(), Options{Kind: test.kind, Path: root})
				if err != nil {
					t.Fatal(err)
				}
				dir := tree(t, test.beside)
				packed := tree(t, test.files)
				for name := range test.beside {
					os.Remove(filepath.Join(packed, name))
				}
				path := filepath.Join(dir, form)
				testutil.Pack(t, packed, path, test.top)
				got, err := Open(t.Context(), Options{Kind: test.kind, Path: path})
				if err != nil {
					t.Fatal(err)
				}
				above, err := filepath.Rel(root, want.Root)
				if err != nil {
					t.Fatal(err)
				}
				prefix := form + "!" + strings.TrimPrefix(test.top, "./")
				if above != "." {
					prefix += filepath.ToSlash(above) + "/"
				}
				if !slices.Equal(got.Classes, want.Classes) || len(got.Skipped) != len(want.Skipped) {
					t.Errorf("classes %q, skipped %v, want %q, %v", got.Classes, got.Skipped, want.Classes, want.Skipped)
				}
				for i, line := range listed(want) {
					if line = prefix + line; i >= len(got.Items) || listed(got)[i] != line {
						t.Fatalf("%q, want %s in place %d", listed(got), line, i)
					}
				}
				if len(got.Items) != len(want.Items) || !slices.Equal(sure(got.Sizes()), sure(want.Sizes())) {
					t.Errorf("%d items of sizes %v, want %d of %v", len(got.Items), sure(got.Sizes()), len(want.Items), sure(want.Sizes()))
				}
				for i := range got.Items {
					f, err := got.Items[i].Load()
					if err != nil || string(f.Bytes) != "picture" {
						t.Errorf("%s: %v, or other bytes", got.Items[i].Path, err)
					}
				}
				classes, err := ClassesOf(t.Context(), Options{Kind: test.kind, Path: path})
				if err != nil || classes != nil && !slices.Equal(classes.Names, want.Classes) {
					t.Errorf("classes %v, %v, want %q", classes, err, want.Classes)
				}
			})
		}
	}
}

// TestPackedWrong holds what is refused, and what is left out.
func TestPackedWrong(t *testing.T) {
	for _, test := range []struct {
		name, kind, err string
		files           map[string]string
		skipped         []string
	}{
		{name: "no images", kind: Images, files: map[string]string{"README": "x"}, err: "no images ("},
		{name: "cars", kind: Cars, files: images("cars_train/1.jpg"), err: "no devkit/cars_meta.mat in it"},
		{name: "no classes", kind: ImageNetVal, files: images("a.jpg"), err: "1 image, but none in a folder of its class"},
		{name: "an unlisted class", kind: ImageNetVal, files: with(images("a/1.jpg", "b/1.jpg"), "classes.txt", "a\tA\n"), err: "folder b is not listed in "},
		{name: "names", kind: Images, files: images("a.jpg", "b\n.jpg", "\xff.jpg"), skipped: []string{`photos.tar!b\n.jpg": ` + notALine, `photos.tar!\xff.jpg": ` + notALine}},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "photos.tar")
			testutil.Pack(t, tree(t, test.files), path, "")
			d, err := Open(t.Context(), Options{Kind: test.kind, Path: path})
			if test.err != "" {
				if bad := testutil.Line(err, path, test.err); bad != nil {
					t.Error(bad)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, s := range d.Skipped {
				got = append(got, strings.TrimPrefix(s.Name, `"`)+": "+s.Reason)
			}
			if !slices.Equal(got, test.skipped) {
				t.Errorf("skipped %q, want %q", got, test.skipped)
			}
		})
	}
}

// TestPackedGone holds that the images of an archive that is gone have no size, and
// cannot be loaded.
func TestPackedGone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "photos.tar")
	testutil.Pack(t, tree(t, images("a.jpg", "b.jpg")), path, "")
	d, err := Open(t.Context(), Options{Kind: Images, Path: path})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if got, err := d.Sizes(); !slices.Equal(got, []int64{unopened, unopened}) || err != nil {
		t.Errorf("sizes %v, want %d: %v", got, unopened, err)
	}
	if _, err := d.Items[0].Load(); err == nil {
		t.Error("an image of an archive that is gone is loaded")
	}
}

// TestJoinPacked holds that a table's rows are found by names in archives and by files.
func TestJoinPacked(t *testing.T) {
	l := &Labels{Path: "t.csv", Known: []Labelled{{Image: "a/1.jpg"}, {Image: "2.jpg"}, {Image: "photos.tar!b/1.jpg"}, {Image: "wow!.jpg"}, {Image: "c/x!.jpg"}, {Image: "b.tar!y.jpg"}}}
	got, err := l.Join([]string{"photos.tar!2.jpg", "photos.tar!b/1.jpg", "photos.tar!a/1.jpg", "wow!.jpg", "photos.tar!other.jpg", "wow!/a!.tar!c/x!.jpg", "wow!/a.tar!b.tar!y.jpg"})
	if err != nil || !slices.Equal(got, []int{1, 2, 0, 3, -1, 4, 5}) {
		t.Errorf("%v, %v", got, err)
	}
}
