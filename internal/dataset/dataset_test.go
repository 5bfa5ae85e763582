package dataset

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// tree makes files below a temporary folder: a path to a text, or to "-> target"
// for a link. A path that ends in a slash is a folder.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		switch target, link := strings.CutPrefix(text, "-> "); {
		case strings.HasSuffix(name, "/"):
			err = os.MkdirAll(path, 0o755)
		case link:
			err = os.Symlink(filepath.FromSlash(target), path)
		default:
			err = os.WriteFile(path, []byte(text), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// images makes a map of files for tree, all alike.
func images(names ...string) map[string]string {
	files := make(map[string]string, len(names))
	for _, name := range names {
		files[name] = "picture"
	}
	return files
}

func with(files map[string]string, name, text string) map[string]string {
	files[name] = text
	return files
}

// listed writes items as "name=label".
func listed(d *Dataset) []string {
	list := make([]string, len(d.Items))
	for i, item := range d.Items {
		list[i] = fmt.Sprintf("%s=%d", item.Name, item.Label)
	}
	return list
}

func TestOpen(t *testing.T) {
	tests := []struct {
		name, kind, below string
		files             map[string]string
		root              string // below the folder
		want, classes     []string
	}{
		{
			name: "images at any depth in name order", kind: Images,
			files: with(images("b.jpg", "B.PNG", "a/z.webp", "a-b/x.gif", "a.jpeg", "z/y/x/w.JPE", "10.jpg", "9.jpg", "é.jfif"), "readme.txt", ""),
			want:  []string{"10.jpg=-1", "9.jpg=-1", "B.PNG=-1", "a-b/x.gif=-1", "a.jpeg=-1", "a/z.webp=-1", "b.jpg=-1", "z/y/x/w.JPE=-1", "é.jfif=-1"},
		},
		{
			name: "hidden files and folders are passed over", kind: Images,
			files: images("a.jpg", ".b.jpg", "._a.jpg", ".git/c.jpg", "d/.e/f.jpg"),
			want:  []string{"a.jpg=-1"},
		},
		{
			name: "images of formats that are not decoded, or seldom met", kind: Images,
			files: images("a.HEIC", "b.tif", "c.bmp", "d.pdf", "e.npy", "f", "g.MPO", "h.apng", "i.pbm", "j.avif"),
			want:  []string{"a.HEIC=-1", "b.tif=-1", "c.bmp=-1", "g.MPO=-1", "h.apng=-1", "i.pbm=-1", "j.avif=-1"},
		},
		{
			name: "links are followed, not back up", kind: Images,
			files: map[string]string{
				"far/a.jpg": "picture", "here/b.jpg": "-> ../far/a.jpg", "here/far": "-> ../far",
				"here/up": "-> ..", "here/self": "-> .", "lost.jpg": "-> nowhere.jpg", "lost": "-> nowhere",
			},
			want: []string{"far/a.jpg=-1", "here/b.jpg=-1", "here/far/a.jpg=-1", "lost.jpg=-1"},
		},
		{
			name: "links lead out of the folder", kind: Images, below: "in",
			files: map[string]string{"out/a.jpg": "picture", "in/out": "-> ../out"},
			root:  "in", want: []string{"out/a.jpg=-1"},
		},
		{
			name: "test split", kind: ImageNetTest,
			files: images("test/c.JPEG", "test/a.JPEG", "test/deeper/b.JPEG", "val/n1/x.JPEG", "d.JPEG"),
			root:  "test", want: []string{"a.JPEG=-1", "c.JPEG=-1"},
		},
		{
			name: "test images in the folder itself", kind: ImageNetTest,
			files: images("c.JPEG", "a.JPEG"),
			want:  []string{"a.JPEG=-1", "c.JPEG=-1"},
		},
		{
			name: "val split, labels by sorted folder", kind: ImageNetVal,
			files: images("val/n02/b.JPEG", "val/n02/a.JPEG", "val/n01/z.JPEG", "val/n03/x/y.JPEG", "val/stray.JPEG", "test/t.JPEG", "val/.hidden/h.JPEG"),
			root:  "val", want: []string{"n01/z.JPEG=0", "n02/a.JPEG=1", "n02/b.JPEG=1", "n03/x/y.JPEG=2"},
			classes: []string{"n01", "n02", "n03"},
		},
		{
			name: "val folders in the folder itself", kind: ImageNetVal,
			files: images("n02/b.JPEG", "n01/z.JPEG"),
			want:  []string{"n01/z.JPEG=0", "n02/b.JPEG=1"}, classes: []string{"n01", "n02"},
		},
		{
			name: "order is by folder first", kind: ImageNetVal,
			files: images("n1/x.JPEG", "n1-b/x.JPEG"),
			want:  []string{"n1/x.JPEG=0", "n1-b/x.JPEG=1"}, classes: []string{"n1", "n1-b"},
		},
		{
			name: "an empty class keeps its label", kind: ImageNetVal,
			files: with(images("n01/a.JPEG", "n03/a.JPEG"), "n02/", ""),
			want:  []string{"n01/a.JPEG=0", "n03/a.JPEG=2"}, classes: []string{"n01", "n02", "n03"},
		},
		{
			name: "linked class folder", kind: ImageNetVal,
			files: with(images("far/a.JPEG", "val/n01/a.JPEG"), "val/n02", "-> ../far"),
			root:  "val", want: []string{"n01/a.JPEG=0", "n02/a.JPEG=1"}, classes: []string{"n01", "n02"},
		},
		{
			name: "classes.txt gives order and names", kind: ImageNetVal,
			files: with(images("val/n01/a.JPEG", "val/n02/a.JPEG"), "classes.txt", "n02\tsea lion\nn09\tnone here\nn01\ttench\n"),
			root:  "val", want: []string{"n01/a.JPEG=2", "n02/a.JPEG=0"}, classes: []string{"sea lion", "none here", "tench"},
		},
		{
			name: "classes.txt beside a val that was named", kind: ImageNetVal, below: "val",
			files: with(images("val/n01/a.JPEG", "val/n02/a.JPEG"), "classes.txt", "n02\tsea lion\r\nn01\ttench\r\n"),
			root:  "val", want: []string{"n01/a.JPEG=1", "n02/a.JPEG=0"}, classes: []string{"sea lion", "tench"},
		},
		{
			name: "classes.txt within", kind: ImageNetVal,
			files: with(images("n01/a.JPEG", "n02/a.JPEG"), "classes.txt", "n02\tsea lion\nn01\ttench"),
			want:  []string{"n01/a.JPEG=1", "n02/a.JPEG=0"}, classes: []string{"sea lion", "tench"},
		},
		{
			name: "classes.txt beside a folder of another name is not for it", kind: ImageNetVal, below: "mine",
			files: with(images("mine/n01/a.JPEG"), "classes.txt", "n02\tsea lion\n"),
			root:  "mine", want: []string{"n01/a.JPEG=0"}, classes: []string{"n01"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := tree(t, test.files)
			for _, end := range []string{"", string(filepath.Separator)} {
				d, err := Open(t.Context(), Options{Kind: test.kind, Path: filepath.Join(dir, test.below) + end})
				if err != nil {
					t.Fatal(err)
				}
				if got := listed(d); !slices.Equal(got, test.want) {
					t.Errorf("got %q, want %q", got, test.want)
				}
				if !slices.Equal(d.Classes, test.classes) || d.Kind != test.kind || d.Root != filepath.Join(dir, test.root) {
					t.Errorf("got %s %s, classes %q, want classes %q", d.Kind, d.Root, d.Classes, test.classes)
				}
				for _, item := range d.Items {
					if want := filepath.Join(d.Root, filepath.FromSlash(item.Name)); item.Path != want {
						t.Errorf("%s: path %s, want %s", item.Name, item.Path, want)
					}
				}
			}
		})
	}
}

func TestOpenErrors(t *testing.T) {
	tests := []struct {
		name, kind, below string
		files             map[string]string
		err, hint         string // DIR stands for the folder
	}{
		{name: "kind", kind: "imagenet", err: `dataset "imagenet", want one of imagenet_test, imagenet_val, images, cars, cars_test`},
		{name: "missing", kind: Images, below: "no", err: "stat DIR/no: no such file or directory"},
		{name: "a file", kind: Images, below: "a.zip", files: images("a.zip"), err: "DIR/a.zip: not an archive, want a .tar, .tar.gz or .zip"},
		{
			name: "empty", kind: Images,
			err:  "DIR: the folder is empty, want images",
			hint: "give the folder, the archive or the list of the images",
		},
		{
			name: "other files", kind: Images, files: images("a.txt", "b/c.npy"),
			err: "DIR: no images (EXTENSIONS) among 2 files and 1 folder",
		},
		{
			name: "line break", kind: Images, files: images("a\nb.jpg"),
			err: `"DIR/a\nb.jpg": name has a line break or is not UTF-8`,
		},
		{
			name: "not UTF-8", kind: ImageNetVal, files: images("n01\xff/b.jpg"),
			err: `"DIR/n01\xff/b.jpg": name has a line break or is not UTF-8`,
		},
		{
			name: "test split of folders", kind: ImageNetTest, files: images("n01/a.JPEG"),
			err:  "DIR: no images (EXTENSIONS) among 0 files and 1 folder, which holds 1 image",
			hint: `for images in folders, use "{dataset} images", or "{dataset} imagenet_val" where each class has its folder`,
		},
		{
			name: "flat val split", kind: ImageNetVal, files: images("val/a.JPEG", "val/b.JPEG"),
			err:  "DIR/val: 2 images, but none in a folder of its class",
			hint: `move each image into the folder of its class, put LOC_val_solution.csv or ILSVRC2012_devkit_t12 next to them, or use "{dataset} images" for images without labels`,
		},
		{
			name: "empty val split", kind: ImageNetVal, files: map[string]string{"val/n01/": "", "val/a.txt": ""},
			err: "DIR/val: no images (EXTENSIONS) among 1 file and 1 folder",
		},
		{
			name: "classes.txt without tab", kind: ImageNetVal, files: with(images("val/n01/a.JPEG"), "classes.txt", "n01 tench\n"),
			err: `DIR/classes.txt: line 1: "n01 tench", want a folder, a tab and the name of the class`,
		},
		{
			name: "classes.txt repeats", kind: ImageNetVal, files: with(images("val/n01/a.JPEG"), "classes.txt", "n01\ta\nn01\tb\n"),
			err: "DIR/classes.txt: line 2: folder \"n01\" is listed already, in line 1",
		},
		{
			name: "classes.txt lacks a folder", kind: ImageNetVal, files: with(images("val/n01/a.JPEG", "val/n02/a.JPEG"), "classes.txt", "n01\ta\n"),
			err: "DIR/val: folder n02 is not listed in DIR/classes.txt",
		},
		{
			name: "classes.txt is no text", kind: ImageNetVal, files: with(images("val/n01/a.JPEG"), "classes.txt", "n01\t\xff\n"),
			err: "DIR/classes.txt: line 1: text is not UTF-8",
		},
		{
			name: "too deep", kind: Images, files: images(strings.Repeat("d/", maxDepth) + "a.jpg"),
			err: "DIR: no images (EXTENSIONS) among 0 files and 64 folders; folders that cannot be read: 1, such as DIR" +
				strings.Repeat("/d", maxDepth) + ": more than 64 folders within folders",
		},
		{
			name: "names without extension", kind: Images, files: images("0a1b", "2c3d", "readme.txt"),
			err:  "DIR: no images (EXTENSIONS) among 3 files and 0 folders",
			hint: "names without an extension: 2; if these files are images, give them one, .jpg for any format",
		},
		{
			name: "stray images beside empty class folders", kind: ImageNetVal, files: with(images("val/a.JPEG"), "val/n01/", ""),
			err:  "DIR/val: 1 image, but none in a folder of its class",
			hint: `move each image into the folder of its class, put LOC_val_solution.csv or ILSVRC2012_devkit_t12 next to them, or use "{dataset} images" for images without labels`,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := tree(t, test.files)
			_, err := Open(t.Context(), Options{Kind: test.kind, Path: filepath.Join(dir, test.below)})
			if err == nil {
				t.Fatal("no error")
			}
			if got := strings.NewReplacer(dir, "DIR", strings.Join(decoded, " "), "EXTENSIONS").Replace(err.Error()); got != test.err {
				t.Errorf("error %q, want %q", got, test.err)
			}
			var h interface{ Hint() string }
			hint := ""
			if errors.As(err, &h) {
				hint = h.Hint()
			}
			if hint != test.hint {
				t.Errorf("hint %q, want %q", hint, test.hint)
			}
		})
	}
	if _, err := Open(t.Context(), Options{Kind: Images, Path: ""}); err == nil {
		t.Error("no path: no error")
	}
}

func TestOpenStopsWhenCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := tree(t, images("val/n01/a.jpg", "test/b.jpg"))
	for _, kind := range Kinds() {
		if _, err := Open(ctx, Options{Kind: kind, Path: dir}); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: error %v, want %v", kind, err, context.Canceled)
		}
	}
}

func TestStride(t *testing.T) {
	d, err := Open(t.Context(), Options{Kind: Images, Path: tree(t, images("a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg"))})
	if err != nil {
		t.Fatal(err)
	}
	for k, want := range map[int]string{1: "a b c d e", 2: "a c e", 3: "a d", 4: "a e", 5: "a", 9: "a"} {
		var got []string
		for _, item := range d.Stride(k).Items {
			got = append(got, strings.TrimSuffix(item.Name, ".jpg"))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("every %d: got %q, want %q", k, got, want)
		}
	}
	if len(d.Items) != 5 {
		t.Errorf("the data set itself now has %d images", len(d.Items))
	}
}

func TestFingerprint(t *testing.T) {
	open := func(kind, dir string) *Dataset {
		t.Helper()
		d, err := Open(t.Context(), Options{Kind: kind, Path: dir})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	dir := tree(t, images("val/n01/a.jpg", "val/n01/b.jpg", "val/n02/c.jpg"))
	print := sure(open(ImageNetVal, dir).Fingerprint())
	sum := sha256.Sum256([]byte("n01/a.jpg\x007\nn01/b.jpg\x007\nn02/c.jpg\x007\n"))
	if want := hex.EncodeToString(sum[:]); print != want {
		t.Errorf("fingerprint %s, want %s", print, want)
	}
	same := tree(t, with(images("n01/a.jpg", "n01/b.jpg", "n02/c.jpg"), "classes.txt", "n02\tx\nn01\ty\n"))
	if got := sure(open(ImageNetVal, same).Fingerprint()); got != print {
		t.Error("the place of the folder or its labels changed the fingerprint")
	}
	if got := sure(open(ImageNetVal, dir).Stride(2).Fingerprint()); got == print {
		t.Error("a stride did not change the fingerprint")
	}
	for change, files := range map[string]map[string]string{
		"a name":   images("n01/a.jpg", "n01/bb.jpg", "n02/c.jpg"),
		"an image": images("n01/a.jpg", "n01/b.jpg", "n02/c.jpg", "n02/d.jpg"),
		"a size":   with(images("n01/a.jpg", "n01/b.jpg"), "n02/c.jpg", "another image"),
		"no file":  with(images("n01/a.jpg", "n01/b.jpg"), "n02/c.jpg", "-> nowhere"),
	} {
		if got := sure(open(ImageNetVal, tree(t, files)).Fingerprint()); got == print {
			t.Errorf("%s did not change the fingerprint", change)
		}
	}
}

func TestDemo(t *testing.T) {
	dir := filepath.Join("..", "demo", "assets", "imagenet")
	val, err := Open(t.Context(), Options{Kind: ImageNetVal, Path: dir})
	if err != nil {
		t.Fatal(err)
	}
	if len(val.Items) != 400 || len(val.Classes) != 40 {
		t.Fatalf("%d images of %d classes, want 400 of 40", len(val.Items), len(val.Classes))
	}
	perClass := make([]int, len(val.Classes))
	for _, item := range val.Items {
		perClass[item.Label]++
	}
	for label, n := range perClass {
		if n != 10 {
			t.Errorf("class %d, %s: %d images, want 10", label, val.Classes[label], n)
		}
	}
	first := val.Items[0]
	if first.Name != "n09000000/DEMO_val_00000081.JPEG" || val.Classes[first.Label] != "black circle" {
		t.Errorf("first image %s, %s", first.Name, val.Classes[first.Label])
	}
	test, err := Open(t.Context(), Options{Kind: ImageNetTest, Path: dir})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(test.Items); n != 300 || test.Items[299].Name != "DEMO_test_00000300.JPEG" {
		t.Errorf("%d images, the last %s", n, test.Items[n-1].Name)
	}
	all, err := Open(t.Context(), Options{Kind: Images, Path: dir})
	if err != nil {
		t.Fatal(err)
	}
	if len(all.Items) != 700 || all.Items[0].Name != "test/DEMO_test_00000001.JPEG" {
		t.Errorf("%d images, the first %s", len(all.Items), all.Items[0].Name)
	}
}
