package dataset

import (
	"path/filepath"
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
	if len(s.Items) != 40 || len(s.Missing) > 0 {
		t.Errorf("%d scenes, missing %q, want 40 and none", len(s.Items), s.Missing)
	}
	if got, want := s.Items[0], (Scene{
		Path:   filepath.FromSlash(demoScenes + "/JPEGImages/2010_000001.jpg"),
		Name:   "2010_000001.jpg",
		Labels: filepath.FromSlash(demoScenes + "/SegmentationClassContext/2010_000001.png"),
	}); got != want {
		t.Errorf("first scene %+v, want %+v", got, want)
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
