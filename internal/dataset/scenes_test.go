package dataset

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/color"
	"image/png"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/configs"
	"github.com/clipnh/clipnh/internal/imageprep"
)

const demoScenes = "../demo/assets/VOC2010"

func TestDemoScenes(t *testing.T) {
	config, err := configs.ReadSegmentation("demo")
	if err != nil {
		t.Fatal(err)
	}
	s, err := OpenScenes(t.Context(), SceneOptions{Path: demoScenes, Layout: config.Layout, Classes: len(config.Classes)})
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Items) != 40 || len(s.Missing) > 0 || s.Source != "label maps SegmentationClassContext/*.png" {
		t.Errorf("%d scenes of %s, missing %q, want 40 and none", len(s.Items), s.Source, s.Missing)
	}
	for got, want := range map[string]string{
		s.Items[0].Path:   filepath.FromSlash(demoScenes + "/JPEGImages/2010_000001.jpg"),
		s.Items[0].Name:   "2010_000001.jpg",
		s.Items[0].Labels: filepath.FromSlash(demoScenes + "/SegmentationClassContext/2010_000001.png"),
	} {
		if got != want {
			t.Errorf("first scene has %s, want %s", got, want)
		}
	}
	for i := range s.Items {
		labels, err := s.ReadLabels(i, imageprep.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if labels.W != 256 || labels.H != 192 {
			t.Errorf("%s: %dx%d pixels, want 256x192", s.Items[i].Labels, labels.W, labels.H)
		}
		for _, c := range labels.Pix {
			if int(c) >= len(config.Classes) && c != Ignore {
				t.Fatalf("%s: class %d", s.Items[i].Labels, c)
			}
		}
	}
}

// greyMap is a label map of one row, as a PNG of 8 bits.
func greyMap(values ...byte) string {
	img := &image.Gray{Pix: values, Stride: len(values), Rect: image.Rect(0, 0, len(values), 1)}
	return encodePNG(img)
}

// paletteMap is the same with a palette, as VOC has them.
func paletteMap(values ...byte) string {
	palette := make(color.Palette, 256)
	for i := range palette {
		palette[i] = color.RGBA{byte(i), 0, byte(255 - i), 255}
	}
	return encodePNG(&image.Paletted{Pix: values, Stride: len(values), Rect: image.Rect(0, 0, len(values), 1), Palette: palette})
}

func encodePNG(img image.Image) string {
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		panic(err)
	}
	return b.String()
}

const no = Ignore

// Each config reads a tree as its data set is handed out or usually converted.
func TestSceneKinds(t *testing.T) {
	const ctx, voc = "ImageSets/SegmentationContext/val.txt", "ImageSets/Segmentation/val.txt"
	const city, cityMap = "leftImg8bit/val/ulm/ulm_000000_000001", "gtFine/val/ulm/ulm_000000_000001"
	for _, tt := range []struct {
		name, config string
		files        map[string]string
		source       string
		scenes       []string   // names
		labels       [][]uint16 // one row each
	}{
		{
			name: "context59 by its list", config: "context59",
			files: map[string]string{
				"JPEGImages/b.jpg": "", "JPEGImages/a.jpg": "", "JPEGImages/train.jpg": "",
				"SegmentationClassContext/a.png": greyMap(0, 1, 59, 255),
				"SegmentationClassContext/b.png": greyMap(2, 0),
				ctx:                              "b\na\n",
			},
			source: "label maps SegmentationClassContext/*.png",
			scenes: []string{"b.jpg", "a.jpg"}, labels: [][]uint16{{1, no}, {no, 0, 58, no}},
		},
		{
			name: "context60", config: "context60",
			files: map[string]string{
				"JPEGImages/a.jpg": "", "SegmentationClassContext/a.png": greyMap(0, 1, 59, 255), ctx: "a\n",
			},
			source: "label maps SegmentationClassContext/*.png",
			scenes: []string{"a.jpg"}, labels: [][]uint16{{0, 1, 59, no}},
		},
		{
			name: "context59 from the raw annotation", config: "context59",
			files:  map[string]string{"JPEGImages/b.jpg": "", "JPEGImages/a.jpg": "", "trainval_merged.json": detail},
			source: "annotations trainval_merged.json",
			scenes: []string{"a.jpg", "b.jpg"}, labels: [][]uint16{{0, 0, no, 1, 0, 1}, {no, no, no, no, no, no}},
		},
		{
			name: "context60 from the raw annotation with a list", config: "context60",
			files: map[string]string{
				"JPEGImages/c.jpg": "", "JPEGImages/a.jpg": "", "trainval_merged.json": detail, ctx: "c.jpg\na.jpg\n",
			},
			source: "annotations trainval_merged.json",
			scenes: []string{"c.jpg", "a.jpg"}, labels: [][]uint16{{0}, {1, 1, 0, 2, 1, 2}},
		},
		{
			name: "voc20", config: "voc20",
			files: map[string]string{
				"JPEGImages/a.jpg": "", "SegmentationClass/a.png": paletteMap(0, 1, 20, 255), voc: "a\n",
			},
			source: "label maps SegmentationClass/*.png",
			scenes: []string{"a.jpg"}, labels: [][]uint16{{no, 0, 19, no}},
		},
		{
			name: "voc21", config: "voc21",
			files: map[string]string{
				"JPEGImages/a.jpg": "", "SegmentationClass/a.png": paletteMap(0, 1, 20, 255), voc: "a\n",
			},
			source: "label maps SegmentationClass/*.png",
			scenes: []string{"a.jpg"}, labels: [][]uint16{{0, 1, 20, no}},
		},
		{
			name: "ade20k", config: "ade20k",
			files: map[string]string{
				"images/validation/ADE_val_00000002.jpg": "", "images/validation/ADE_val_00000001.jpg": "",
				"images/training/ADE_train_00000001.jpg":      "",
				"annotations/validation/ADE_val_00000001.png": greyMap(0, 1, 150),
				"annotations/validation/ADE_val_00000002.png": greyMap(3),
			},
			source: "label maps annotations/validation/*.png",
			scenes: []string{"ADE_val_00000001.jpg", "ADE_val_00000002.jpg"}, labels: [][]uint16{{no, 0, 149}, {2}},
		},
		{
			name: "coco_object", config: "coco_object",
			files: map[string]string{
				"images/val2017/000000000139.jpg":                       "",
				"annotations/val2017/000000000139_instanceTrainIds.png": greyMap(0, 1, 80, 255),
				"annotations/val2017/000000000139.png":                  greyMap(181),
			},
			source: "label maps annotations/val2017/*_instanceTrainIds.png",
			scenes: []string{"000000000139.jpg"}, labels: [][]uint16{{0, 1, 80, no}},
		},
		{
			name: "coco_stuff10k", config: "coco_stuff10k",
			files: map[string]string{
				"images/test2014/COCO_train2014_000000000077.jpg":                    "",
				"annotations/test2014/COCO_train2014_000000000077_labelTrainIds.png": greyMap(0, 1, 171),
			},
			source: "label maps annotations/test2014/*_labelTrainIds.png",
			scenes: []string{"COCO_train2014_000000000077.jpg"}, labels: [][]uint16{{no, 0, 170}},
		},
		{
			name: "coco_stuff164k", config: "coco_stuff164k",
			files: map[string]string{
				"images/val2017/000000000139.jpg":                    "",
				"annotations/val2017/000000000139_labelTrainIds.png": greyMap(0, 1, 170, 255),
				"annotations/val2017/000000000139.png":               greyMap(0, 1, 181, 255),
			},
			source: "label maps annotations/val2017/*_labelTrainIds.png",
			scenes: []string{"000000000139.jpg"}, labels: [][]uint16{{0, 1, 170, no}},
		},
		{
			name: "coco_stuff164k as it is handed out", config: "coco_stuff164k",
			files: map[string]string{
				"images/val2017/000000000139.jpg":      "",
				"annotations/val2017/000000000139.png": greyMap(0, 12, 89, 91, 181, 255),
			},
			source: "label maps annotations/val2017/*.png",
			scenes: []string{"000000000139.jpg"}, labels: [][]uint16{{0, 11, 79, 80, 170, no}},
		},
		{
			name: "cityscapes", config: "cityscapes",
			files: map[string]string{
				"leftImg8bit/val/bonn/bonn_000001_000001_leftImg8bit.png": "", city + "_leftImg8bit.png": "",
				"gtFine/val/bonn/bonn_000001_000001_gtFine_labelTrainIds.png": greyMap(18),
				cityMap + "_gtFine_labelTrainIds.png":                         greyMap(0, 18, 255),
				cityMap + "_gtFine_labelIds.png":                              greyMap(7, 33, 1),
				cityMap + "_gtFine_color.png":                                 "",
			},
			source: "label maps gtFine/val/*_gtFine_labelTrainIds.png",
			scenes: []string{"bonn/bonn_000001_000001_leftImg8bit.png", "ulm/ulm_000000_000001_leftImg8bit.png"},
			labels: [][]uint16{{18}, {0, 18, no}},
		},
		{
			name: "cityscapes as it is handed out", config: "cityscapes",
			files: map[string]string{
				city + "_leftImg8bit.png": "", cityMap + "_gtFine_labelIds.png": greyMap(0, 7, 8, 9, 31, 33, 30),
				cityMap + "_gtFine_instanceIds.png": "", cityMap + "_gtFine_polygons.json": "{}",
			},
			source: "label maps gtFine/val/*_gtFine_labelIds.png",
			scenes: []string{"ulm/ulm_000000_000001_leftImg8bit.png"}, labels: [][]uint16{{no, 0, 1, no, 16, 18, no}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			config, err := configs.ReadSegmentation(tt.config)
			if err != nil {
				t.Fatal(err)
			}
			root := tree(t, tt.files)
			s, err := OpenScenes(t.Context(), SceneOptions{Path: root, Layout: config.Layout, Classes: len(config.Classes)})
			if err != nil {
				t.Fatal(err)
			}
			if s.Source != tt.source || len(s.Missing) > 0 {
				t.Errorf("source %s, missing %q, want %s and none", s.Source, s.Missing, tt.source)
			}
			if len(s.Items) != len(tt.scenes) {
				t.Fatalf("%d scenes, want %q", len(s.Items), tt.scenes)
			}
			for i, scene := range s.Items {
				if scene.Name != tt.scenes[i] {
					t.Errorf("scene %d is %s, want %s", i, scene.Name, tt.scenes[i])
				}
				if !isFile(scene.Path) || !isFile(scene.Labels) {
					t.Errorf("scene %d: %s or %s is no file", i, scene.Path, scene.Labels)
				}
				labels, err := s.ReadLabels(i, imageprep.Options{})
				if err != nil || !slices.Equal(labels.Pix, tt.labels[i]) {
					t.Errorf("classes of %s: %+v, %v, want %d", scene.Name, labels, err, tt.labels[i])
				}
			}
		})
	}
}

// mine is a layout of a user's own.
var mine = configs.Layout{
	Images: "photos", ImageSuffix: ".jpg", IgnoreIndex: -1, List: "lists/all.txt",
	Labels: []configs.LabelSource{{Folder: "maps", Suffix: "_map.png"}},
}

func mineFiles(more ...string) map[string]string {
	files := map[string]string{
		"photos/a.jpg": "", "photos/sub/b.jpg": "",
		"maps/a_map.png": greyMap(0, 2), "maps/sub/b_map.png": greyMap(3),
		"lists/all.txt": "a\nsub/b\n",
	}
	for i := 0; i < len(more); i += 2 {
		if files[more[i]] = more[i+1]; more[i+1] == "gone" {
			delete(files, more[i])
		}
	}
	return files
}

func TestScenesMissing(t *testing.T) {
	root := tree(t, mineFiles("lists/all.txt", "a\nsub/b\nc\nd\n", "photos/c.jpg", "", "maps/d_map.png", greyMap(0)))
	s, err := OpenScenes(t.Context(), SceneOptions{Path: root, Layout: mine, Classes: 4})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{filepath.Join(root, "maps", "c_map.png"), filepath.Join(root, "photos", "d.jpg")}
	if len(s.Items) != 2 || !slices.Equal(s.Missing, want) {
		t.Errorf("%d scenes, missing %q, want 2 and %q", len(s.Items), s.Missing, want)
	}
}

func TestScenesFingerprint(t *testing.T) {
	open := func(more ...string) string {
		s, err := OpenScenes(t.Context(), SceneOptions{Path: tree(t, mineFiles(more...)), Layout: mine, Classes: 4})
		if err != nil {
			t.Fatal(err)
		}
		return sure(s.Fingerprint())
	}
	first := open()
	if open() != first {
		t.Error("the same files in another place have another fingerprint")
	}
	for _, change := range [][]string{{"photos/a.jpg", "x"}, {"maps/a_map.png", greyMap(0, 1, 2)}, {"lists/all.txt", "sub/b\na\n"}} {
		if open(change...) == first {
			t.Errorf("the fingerprint knows nothing of %s", change[0])
		}
	}
}

func TestOpenScenesRefuses(t *testing.T) {
	const hint = "the data path is the folder that holds photos/*.jpg, maps/*_map.png, lists/all.txt"
	for _, tt := range []struct {
		name       string
		files      map[string]string
		below      string
		want, hint string // ROOT stands for the folder
	}{
		{"another data set", map[string]string{"val/x.jpg": ""}, "", "ROOT: no photos in it", hint},
		{"above the root", map[string]string{"VOC/2010/photos/x.jpg": ""}, "", "ROOT: no photos in it", hint + "; ROOT/VOC/2010 has one"},
		{"no label maps", mineFiles("maps/a_map.png", "gone", "maps/sub/b_map.png", "gone", "maps/a.png", ""), "", "ROOT: no label maps in it", hint},
		{"no folder of maps", map[string]string{"photos/a.jpg": ""}, "", "ROOT: no label maps in it", hint},
		{"no list", mineFiles("lists/all.txt", "gone"), "", "ROOT: no lists/all.txt in it", hint},
		{"none of the list", mineFiles("lists/all.txt", "x\ny\n"), "", "ROOT: none of 2 scenes is there, ROOT/photos/x.jpg is the first file missing", hint},
		{"an empty list", mineFiles("lists/all.txt", ""), "", "ROOT/lists/all.txt: no lines, want at least one", ""},
		{"a name twice", mineFiles("lists/all.txt", "a\nsub/b\na.jpg\n"), "", "ROOT/lists/all.txt: line 3: \"a\" is listed already, in line 1", ""},
		{"a name that leads out", mineFiles("lists/all.txt", "a\n../b\n"), "", `ROOT/lists/all.txt: line 2: "../b", want the name of an image`, ""},
		{"an absolute name", mineFiles("lists/all.txt", "/etc/a\n"), "", `ROOT/lists/all.txt: line 1: "/etc/a", want the name of an image`, ""},
		{"a file", mineFiles(), "photos/a.jpg", "ROOT/photos/a.jpg: a file, want a folder, an archive or a list of images", whatLists},
		{"standard input", nil, "-", "stat -: no such file or directory", "standard input is not read: write the paths to a file; " + whatLists},
		{"nothing", mineFiles(), "none", "stat ROOT/none: no such file or directory", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := tree(t, tt.files)
			path := filepath.Join(root, tt.below)
			if tt.below == "-" {
				path = tt.below
			}
			_, err := OpenScenes(t.Context(), SceneOptions{Path: path, Layout: mine, Classes: 4})
			want := strings.ReplaceAll(tt.want, "ROOT", root)
			if err == nil || err.Error() != want {
				t.Fatalf("error %v, want %s", err, want)
			}
			var h interface{ Hint() string }
			got := ""
			if errors.As(err, &h) {
				got = h.Hint()
			}
			if want := strings.ReplaceAll(tt.hint, "ROOT", root); got != want {
				t.Errorf("hint %s, want %s", got, want)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := OpenScenes(ctx, SceneOptions{Path: tree(t, mineFiles()), Layout: mine, Classes: 4}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v of a cancelled context", err)
	}
}

func TestReadLabelsRefuses(t *testing.T) {
	root := tree(t, mineFiles("maps/a_map.png", greyMap(0, 4)))
	for _, tt := range []struct {
		name    string
		layout  func(*configs.Layout)
		classes int
		want    string
	}{
		{"a label too many", func(*configs.Layout) {}, 4, "label 4 at column 1 of row 0, want 0 to 3"},
		{"with zero reduced", func(l *configs.Layout) { l.ReduceZeroLabel = true }, 3, "label 4 at column 1 of row 0, want 0 to 3"},
		{"with an ignored one", func(l *configs.Layout) { l.IgnoreIndex = 9 }, 4, "label 4 at column 1 of row 0, want 0 to 3, or 9"},
		{"as many as there are", func(*configs.Layout) {}, 5, ""},
		{"ignored itself", func(l *configs.Layout) { l.IgnoreIndex = 4 }, 4, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			layout := mine
			tt.layout(&layout)
			s, err := OpenScenes(t.Context(), SceneOptions{Path: root, Layout: layout, Classes: tt.classes})
			if err != nil {
				t.Fatal(err)
			}
			_, err = s.ReadLabels(0, imageprep.Options{})
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			want := "read label map: " + s.Items[0].Labels + ": " + tt.want
			if err == nil || err.Error() != want {
				t.Errorf("error %v, want %s", err, want)
			}
			var h interface{ Hint() string }
			if !errors.As(err, &h) {
				t.Error("no hint")
			}
		})
	}
}

// An annotation that lacks an image of the list is another data set's.
func TestAnnotationsLackAImage(t *testing.T) {
	config, err := configs.ReadSegmentation("context59")
	if err != nil {
		t.Fatal(err)
	}
	root := tree(t, map[string]string{"JPEGImages/x.jpg": "", "trainval_merged.json": detail, config.Layout.List: "x\n"})
	_, err = OpenScenes(t.Context(), SceneOptions{Path: root, Layout: config.Layout, Classes: len(config.Classes)})
	want := filepath.Join(root, "trainval_merged.json") + ": no image x.jpg, which ImageSets/SegmentationContext/val.txt lists"
	if err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}
