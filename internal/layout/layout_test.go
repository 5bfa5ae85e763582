package layout

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/png"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/configs"
	"github.com/clipnh/clipnh/internal/testutil"
)

// copyDemo copies a folder or file of the demo's data, so that a test can spoil it; of
// many files in one folder the first few.
func copyDemo(t *testing.T, names ...string) string {
	t.Helper()
	const few = 40 // the scenes of VOC2010
	dir, demo := t.TempDir(), filepath.Join("..", "demo", "assets")
	for _, name := range names {
		copied := map[string]int{}
		err := filepath.WalkDir(filepath.Join(demo, name), func(path string, d fs.DirEntry, err error) error {
			if folder := filepath.Dir(path); err != nil || d.IsDir() || copied[folder] == few {
				return err
			}
			copied[filepath.Dir(path)]++
			rel, err := filepath.Rel(demo, path)
			if err != nil {
				return err
			}
			data, err := os.ReadFile(path)
			if err == nil {
				write(t, string(data), dir, rel)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func write(t *testing.T, data string, path ...string) {
	t.Helper()
	file := filepath.Join(path...)
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(data), 0o666); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, path ...string) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(path...)); err != nil {
		t.Fatal(err)
	}
}

// image is a PNG without any content.
func encode(t *testing.T, img image.Image) string {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// check checks that the report has want among its problems; none if want is
// empty.
func check(t *testing.T, kind, path, want string) *Report {
	t.Helper()
	r, err := Check(context.Background(), kind, path)
	if err != nil {
		t.Fatal(err)
	}
	var problems []string
	for _, p := range r.Parts {
		problems = append(problems, p.Problems...)
	}
	all := strings.Join(problems, "\n")
	if want == "" && all != "" || !strings.Contains(all, want) || r.OK != (all == "") || r.OK == (len(r.Get) > 0) {
		t.Errorf("%s: ok %v, problems %q, want %q; get %q", kind, r.OK, problems, want, r.Get)
	}
	return r
}

// spoilt are ways to spoil the demo's data sets.
var spoilt = []struct {
	name, kind string
	below      string // the folder to check
	spoil      func(t *testing.T, dir string)
	want       string // among the problems
}{
	{"context", "context", "VOC2010", func(*testing.T, string) {}, ""},
	{"no image of a scene", "context", "VOC2010", func(t *testing.T, dir string) { remove(t, dir, "JPEGImages", "2010_000001.jpg") },
		"images that are wanted are missing: "},
	{"no label map of a scene", "context", "VOC2010", func(t *testing.T, dir string) { remove(t, dir, "SegmentationClassContext", "2010_000001.png") },
		"label maps that are wanted are missing: "},
	{"no list", "context", "VOC2010", func(t *testing.T, dir string) { remove(t, dir, "ImageSets") }, "there is no "},
	{"label map in colour", "context", "VOC2010", func(t *testing.T, dir string) {
		write(t, encode(t, image.NewNRGBA(image.Rect(0, 0, 224, 224))), dir, "SegmentationClassContext", "2010_000001.png")
	}, "2010_000001.png"},
	{"label map of another size", "context", "VOC2010", func(t *testing.T, dir string) {
		write(t, encode(t, image.NewGray(image.Rect(0, 0, 7, 8))), dir, "SegmentationClassContext", "2010_000001.png")
	}, "2010_000001.png: 7x8 pixels, the image 2010_000001.jpg has"},
	{"no label map but a file", "context", "VOC2010", func(t *testing.T, dir string) {
		write(t, "no image", dir, "SegmentationClassContext", "2010_000001.png")
	}, "2010_000001.png"},
	{"cars", "cars", "stanford_cars", func(*testing.T, string) {}, ""},
	{"no devkit", "cars", "stanford_cars", func(t *testing.T, dir string) { remove(t, dir, "devkit") }, "cars_meta.mat: no such file"},
	{"another MATLAB", "cars", "stanford_cars", func(t *testing.T, dir string) {
		write(t, "MATLAB 7.3 MAT-file"+strings.Repeat(" ", 200), dir, "devkit", "cars_meta.mat")
	}, "a MATLAB 7.3 file, which is HDF5, want a MATLAB 5 file"},
	{"short devkit", "cars", "stanford_cars", func(t *testing.T, dir string) { write(t, "MATLAB 5.0", dir, "devkit", "cars_meta.mat") }, "10 bytes, want the head"},
	{"no colours", "cars", "stanford_cars", func(t *testing.T, dir string) { remove(t, dir, "..", "refined_train.csv") }, "neither in"},
	{"other columns", "cars", "stanford_cars", func(t *testing.T, dir string) { write(t, "a,b,c\n", dir, "refined_train.csv") }, "want the columns image,Class"},
	{"other classes", "cars", "stanford_cars", func(t *testing.T, dir string) { write(t, "image,Class\n00001.jpg,197_1\n", dir, "refined_train.csv") },
		`row 1: Class "197_1", want CLASS_COLOUR`},
	{"other images", "cars", "stanford_cars", func(t *testing.T, dir string) { write(t, "image,Class\nx.jpg,1_1\n", dir, "refined_train.csv") },
		"no row names an image"},
	{"broken rows", "cars", "stanford_cars", func(t *testing.T, dir string) { write(t, "image,Class\n00001.jpg\n", dir, "refined_train.csv") }, "wrong number of fields"},
	{"imagenet", "imagenet", "imagenet", func(*testing.T, string) {}, ""},
	{"no test split", "imagenet", "imagenet", func(t *testing.T, dir string) { remove(t, dir, "test") }, "there is no "},
	{"no val split", "imagenet", "imagenet", func(t *testing.T, dir string) { remove(t, dir, "val") }, "there is no "},
	{"empty test split", "imagenet_test", "imagenet", func(t *testing.T, dir string) {
		remove(t, dir, "test")
		write(t, "", dir, "test", "readme.txt")
	}, "no images"},
	{"a few classes without their names", "imagenet_val", "imagenet/val", func(t *testing.T, dir string) {
		remove(t, dir, "..", "classes.txt")
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for i, e := range entries {
			if err := os.Rename(filepath.Join(dir, e.Name()), filepath.Join(dir, "n0000000"+string(rune('0'+i%10))+e.Name()[:0])); err != nil {
				remove(t, dir, e.Name()) // ten are enough
			}
		}
	}, "10 of 1000 folders of classes and no classes.txt"},
}

func TestCheck(t *testing.T) {
	for _, tt := range spoilt {
		t.Run(tt.name, func(t *testing.T) {
			dir := copyDemo(t, strings.Split(tt.below, "/")[0])
			if tt.kind == "cars" {
				dir = copyDemo(t, tt.below, "refined_train.csv")
			}
			dir = filepath.Join(dir, filepath.FromSlash(tt.below))
			tt.spoil(t, dir)
			before := names(t, dir)
			check(t, tt.kind, dir, tt.want)
			if after := names(t, dir); after != before {
				t.Error("the check changed the folder")
			}
		})
	}
}

func names(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		all.WriteString(path + "\n")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

// Every kind of scenes is found where its config says that it lies, in each form of
// label maps that are files.
func TestCheckScenes(t *testing.T) {
	img := image.NewGray(image.Rect(0, 0, 4, 3))
	for i := range img.Pix {
		img.Pix[i] = 8 // a label in every convention
	}
	grey := encode(t, img)
	for _, s := range sceneKinds {
		config, err := configs.ReadSegmentation(s.config)
		if err != nil {
			t.Fatal(err)
		}
		l := config.Layout
		for _, source := range l.Labels {
			if source.Annotation != "" {
				continue
			}
			dir := t.TempDir()
			for _, scene := range []string{"a", "b"} {
				if s.name == "cityscapes" {
					scene = "ulm/" + scene
				}
				write(t, grey, dir, l.Images, scene+l.ImageSuffix)
				write(t, grey, dir, source.Folder, scene+source.Suffix)
			}
			if l.List != "" {
				write(t, "a\nb\n", dir, l.List)
			}
			r := check(t, s.name, dir, "")
			if r.Parts[0].Count != 2 || r.Parts[1].Count != 2 {
				t.Errorf("%s: %+v, want two scenes", s.name, r.Parts)
			}
			check(t, s.name, t.TempDir(), "there is no ")
		}
	}
}

func TestCheckAboveTheRoot(t *testing.T) {
	r := check(t, "context", filepath.Join("..", "demo", "assets"), "there is no ")
	if notes := strings.Join(r.Parts[0].Notes, "\n"); !strings.Contains(notes, filepath.Join("assets", "VOC2010")) {
		t.Errorf("notes %q do not name the root", notes)
	}
}

func TestCheckRefuses(t *testing.T) {
	for kind, path := range map[string]string{"cats": ".", "context": "nowhere", "voc": "layout.go"} {
		if r, err := Check(context.Background(), kind, path); err == nil {
			t.Errorf("%s in %s: %+v, want an error", kind, path, r)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, kind := range []string{"context", "cars", "imagenet"} {
		dir := map[string]string{"context": "VOC2010", "cars": "stanford_cars", "imagenet": "imagenet"}[kind]
		if _, err := Check(ctx, kind, filepath.Join("..", "demo", "assets", dir)); err == nil {
			t.Errorf("%s: cancelled, want an error", kind)
		}
	}
}

// coloursFactor is what checking a table of colours may allocate in all for each
// of its bytes.
const coloursFactor = 64

func FuzzReadColours(f *testing.F) {
	for _, seed := range []string{"image,Class\n00001.jpg,1_6\n", "image,Class\n\"a\nb\",999_9\n", "image\n", "image,Class\n,\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var p Part
		if wasteful := testutil.Within(testutil.Multiple(len(data), coloursFactor), func() {
			p = Part{}
			readColours(bytes.NewReader(data), "table.csv", []string{"00001.jpg"}, &p)
		}); wasteful != nil {
			t.Error(wasteful)
		}
		if p.Count > bytes.Count(data, []byte(","))+1 {
			t.Errorf("%d rows of %d bytes", p.Count, len(data))
		}
		for _, line := range append(p.Problems, p.Notes...) {
			if bad := testutil.Line(errors.New(line)); bad != nil {
				t.Error(bad)
			}
		}
	})
}

// What a listing leaves out is noted, the first few by name.
func TestLeftOut(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.jpg", "b\n.jpg", "c\n.jpg", "d\n.jpg", "e\n.jpg"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Skip(err)
		}
	}
	r, err := Check(t.Context(), "imagenet_test", dir)
	if err != nil || !r.OK {
		t.Fatalf("%+v, %v", r, err)
	}
	const reason = "name has a line break or is not UTF-8"
	want := []string{`skipped: "b\n.jpg": ` + reason, `skipped: "c\n.jpg": ` + reason, `skipped: "d\n.jpg": ` + reason, "skipped: 1 more",
		"1 of the 100000 published images: results cannot be compared with published ones"}
	if got := r.Parts[0].Notes; !slices.Equal(got, want) {
		t.Errorf("notes %q, want %q", got, want)
	}
}

// TestScenesPacked checks an archive of a data set for segmentation, and that of cars.
func TestScenesPacked(t *testing.T) {
	for kind, dir := range map[string]string{"context": "VOC2010", "cars": "stanford_cars"} {
		folder := filepath.Join("..", "demo", "assets", dir)
		archive := filepath.Join(t.TempDir(), "a.tar")
		testutil.Pack(t, folder, archive, "")
		want, err := Check(t.Context(), kind, folder)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Check(t.Context(), kind, archive)
		if err != nil {
			t.Fatal(err)
		}
		if got.Parts[0].Count != want.Parts[0].Count || len(got.Parts[0].Problems) > 0 {
			t.Errorf("%s: %+v of the archive, %+v of the folder", kind, got.Parts[0], want.Parts[0])
		}
		if kind == "context" && (!got.OK || got.Parts[1].Count != want.Parts[1].Count) {
			t.Errorf("%s: %+v of the archive, %+v of the folder", kind, got.Parts[1], want.Parts[1])
		}
	}
}
