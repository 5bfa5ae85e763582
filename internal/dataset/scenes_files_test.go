package dataset

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/configs"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/testutil"
)

// TestPackedScenes opens the demo's scenes in archives: the same scenes, sizes, fingerprint
// and label maps as in the folder.
func TestPackedScenes(t *testing.T) {
	config, err := configs.ReadSegmentation("demo")
	if err != nil {
		t.Fatal(err)
	}
	o := SceneOptions{Path: demoScenes, Layout: config.Layout, Classes: len(config.Classes)}
	want, err := OpenScenes(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	for _, top := range []string{"", "VOCdevkit/VOC2010/"} {
		for _, form := range []string{"voc.tar", "voc.tar.gz", "voc.zip"} {
			o.Path = filepath.Join(t.TempDir(), form)
			testutil.Pack(t, demoScenes, o.Path, top)
			got, err := OpenScenes(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Items) != len(want.Items) || len(got.Missing)+len(got.Skipped) > 0 || got.Source != want.Source || sure(got.Fingerprint()) != sure(want.Fingerprint()) || !slices.Equal(sure(got.Sizes()), sure(want.Sizes())) {
				t.Fatalf("%s: %d scenes of %s, missing %q, skipped %v, or another fingerprint", o.Path, len(got.Items), got.Source, got.Missing, got.Skipped)
			}
			for i := range got.Items {
				if path := o.Path + "!" + top + "JPEGImages/" + want.Items[i].Name; got.Items[i].Path != path || got.Items[i].Name != want.Items[i].Name {
					t.Fatalf("scene %d is %s, %s, want %s", i, got.Items[i].Name, got.Items[i].Path, path)
				}
				a, err := got.ReadLabels(i, imageprep.Options{})
				if err != nil {
					t.Fatal(err)
				}
				b, err := want.ReadLabels(i, imageprep.Options{})
				if err != nil || a.W != b.W || !slices.Equal(a.Pix, b.Pix) {
					t.Errorf("%s: other labels, %v", got.Items[i].Labels, err)
				}
				image, ours := got.Items[i].Image(), want.Items[i].Image()
				f, err := image.Load()
				if err != nil {
					t.Fatal(err)
				}
				if own, err := ours.Load(); err != nil || string(own.Bytes) != string(f.Bytes) {
					t.Errorf("%s: other bytes, %v", image.Path, err)
				}
			}
		}
	}
}

// TestPackedScenesWrong holds what is missing, and what is refused.
func TestPackedScenesWrong(t *testing.T) {
	layout := configs.Layout{
		Images: "img", ImageSuffix: ".jpg", List: "val.txt", IgnoreIndex: -1,
		Labels: []configs.LabelSource{{Annotation: "all.json"}, {Folder: "ann", Suffix: ".png"}},
	}
	whole := map[string]string{"img/a.jpg": "a", "img/b.jpg": "b", "ann/a.png": greyMap(0), "ann/b.png": greyMap(1), "val.txt": "a\nb.jpg\n"}
	for name, test := range map[string]struct {
		change  map[string]string // of files; empty: not there
		missing []string          // files, below the archive
		err     string
	}{
		"whole":          {nil, nil, ""},
		"a label map":    {map[string]string{"ann/b.png": ""}, []string{"ann/b.png"}, ""},
		"an image":       {map[string]string{"img/a.jpg": ""}, []string{"img/a.jpg"}, ""},
		"the list":       {map[string]string{"val.txt": ""}, nil, "no val.txt in it"},
		"all label maps": {map[string]string{"ann/a.png": "", "ann/b.png": ""}, nil, "no label maps in it"},
		"all images":     {map[string]string{"img/a.jpg": "", "img/b.jpg": ""}, nil, "no img in it"},
		"annotations":    {map[string]string{"all.json": "{}"}, nil, "!all.json: annotations in an archive, want them in a folder"},
		"a bad list":     {map[string]string{"val.txt": "a\n../b\n"}, nil, "!val.txt: line 2: \"../b\", want the name of an image"},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			for _, files := range []map[string]string{whole, test.change} {
				for file, text := range files {
					path := filepath.Join(root, filepath.FromSlash(file))
					if text == "" {
						if err := os.Remove(path); err != nil {
							t.Fatal(err)
						}
						continue
					}
					if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
						t.Fatal(err)
					}
					if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
						t.Fatal(err)
					}
				}
			}
			path := filepath.Join(t.TempDir(), "data.tar")
			testutil.Pack(t, root, path, "")
			s, err := OpenScenes(t.Context(), SceneOptions{Path: path, Layout: layout, Classes: 2})
			if test.err != "" {
				if bad := testutil.Line(err, path, test.err); bad != nil {
					t.Error(bad)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var missing []string
			for _, m := range s.Missing {
				missing = append(missing, strings.TrimPrefix(m, path+"!"))
			}
			if !slices.Equal(missing, test.missing) || len(s.Items) != 2-len(test.missing) {
				t.Errorf("%d scenes, missing %q, want %q", len(s.Items), missing, test.missing)
			}
		})
	}
}
