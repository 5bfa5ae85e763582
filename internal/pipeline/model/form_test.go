package model

import (
	"testing"

	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/testutil"
)

// TestForm writes how images are prepared into manifests and reads it again.
func TestForm(t *testing.T) {
	half := [3]float32{0.5, 0.25, 1. / 3}
	for _, form := range []imageprep.Form{
		{}, {Channels: imageprep.Channels{Mean: half, Std: half}}, {Channels: imageprep.Channels{Std: half}, Fit: imageprep.Squash}, {Fit: imageprep.ShortestBilinear},
	} {
		o := FormOrigin(form)
		if again, err := FormOf(o); err != nil || again != form {
			t.Errorf("%+v: %+v, %v (%+v)", form, again, err, o)
		}
		if (o == origin.Form{}) != (form == imageprep.Form{}) {
			t.Errorf("%+v: %+v", form, o)
		}
	}
	for want, o := range map[string]origin.Form{
		"image_mean": {Mean: "1,2", Std: "1,1,1"}, "image_std": {Mean: "1,1,1"}, "standard deviation": {Mean: "1,1,1", Std: "1,1,0"}, "image_resize": {Fit: "longest"},
	} {
		if _, err := FormOf(o); testutil.Line(err, want) != nil {
			t.Errorf("%+v: %v", o, err)
		}
	}
}
