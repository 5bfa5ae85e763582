package report

import (
	"testing"

	"github.com/clipnh/clipnh/internal/origin"
)

// TestTitle names a model by its architecture, or by its file.
func TestTitle(t *testing.T) {
	for _, test := range []struct{ title, architecture, model, want string }{
		{"", "RN50", "mine.pt", "RN50 on val"},
		{"", "custom", "models/tiny.vit.pt", "tiny.vit on val"},
		{"", "custom", "", "a model on val"},
		{"", "", "", "a model on val"},
		{"Photos", "RN50", "", "Photos"},
	} {
		b := &base{Options: Options{Title: test.title, Model: test.model, ScoresPath: "caches/val/"}, from: origin.Origin{Model: test.architecture}}
		if got := b.title(); got != test.want {
			t.Errorf("%+v: %q", test, got)
		}
	}
}
