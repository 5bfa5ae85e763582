package explore

import (
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/pipeline/live"
)

// TestLayoutOfImages: how images are laid out is what was given, or what the report or its
// scores say, and nothing else is assumed.
func TestLayoutOfImages(t *testing.T) {
	dir, _ := folder(t)
	r, err := OpenReport(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, test := range []struct{ given, scores, want string }{
		{"", dataset.ImageNetVal, dataset.ImageNetVal},
		{dataset.Cars, dataset.ImageNetVal, dataset.Cars},
		{dataset.Images, "", dataset.Images},
		{"", "", ""},
	} {
		r.overview.Data.Name = test.scores
		o, err := r.Inputs(Paths{Dataset: test.given != ""}, live.Options{Data: dataset.Options{Path: "photos", Kind: test.given}}, t.Errorf)
		if test.want == "" {
			if err == nil || !strings.Contains(err.Error(), "{data-path} photos: ") || !strings.Contains(err.Error(), "want {dataset}") {
				t.Errorf("neither says it: error %v, want one that asks for {dataset}", err)
			}
		} else if err != nil || o.Data.Kind != test.want {
			t.Errorf("given %q, scores %q: read as %q (%v), want %q", test.given, test.scores, o.Data.Kind, err, test.want)
		}
	}
}
