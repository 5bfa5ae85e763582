package dataset

import (
	"strings"
	"testing"

	"github.com/clipnh/clipnh/configs"
	"github.com/clipnh/clipnh/internal/imageprep"
)

// Label maps whose numbers cannot occur in the data set are of another numbering, such as
// COCO-Stuff's ids from 1, and refused rather than read as other classes.
func TestOtherNumbering(t *testing.T) {
	const coco, cityscapes = "one of the data set's 171 ids, which are up to 181 with gaps, or 255", "one of the data set's 19 ids, which are up to 33 with gaps, or 255"
	for _, tt := range []struct {
		config, image, labels string
		ids                   []byte
		want                  string
	}{
		{"coco_stuff164k", "images/val2017/a.jpg", "annotations/val2017/a.png", []byte{0, 10, 12, 181, 255}, ""},
		{"coco_stuff164k", "images/val2017/a.jpg", "annotations/val2017/a.png", []byte{1, 182}, "label 182 at column 1 of row 0, want " + coco},
		{"coco_stuff164k", "images/val2017/a.jpg", "annotations/val2017/a.png", []byte{11}, "label 11 at column 0 of row 0, want " + coco},
		{"cityscapes", "leftImg8bit/val/a_leftImg8bit.png", "gtFine/val/a_gtFine_labelIds.png", []byte{0, 1, 29, 33, 255}, ""},
		{"cityscapes", "leftImg8bit/val/a_leftImg8bit.png", "gtFine/val/a_gtFine_labelIds.png", []byte{34}, "label 34 at column 0 of row 0, want " + cityscapes},
	} {
		config, err := configs.ReadSegmentation(tt.config)
		if err != nil {
			t.Fatal(err)
		}
		root := tree(t, map[string]string{tt.image: "", tt.labels: greyMap(tt.ids...)})
		s, err := OpenScenes(t.Context(), SceneOptions{Path: root, Layout: config.Layout, Classes: len(config.Classes)})
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.ReadLabels(0, imageprep.Options{})
		if (err == nil) != (tt.want == "") || err != nil && !strings.HasSuffix(err.Error(), tt.want) {
			t.Errorf("%s, %d: %v, want %q", tt.config, tt.ids, err, tt.want)
		}
	}
}
