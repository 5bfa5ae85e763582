package live

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/testutil"
)

// TestChangedImage refuses to explain and to segment an image of the collection whose file
// has changed without changing its size: what pages say belongs to the image that it was.
func TestChangedImage(t *testing.T) {
	w := theWorld(t)
	l := opened(t, w.options())
	const image = 7
	name := l.ledger.Names[image]
	data, err := os.ReadFile(l.items[name].Path)
	if err != nil {
		t.Fatal(err)
	}
	changed := *l.items[name]
	changed.Path = filepath.Join(t.TempDir(), "changed.jpg")
	data[len(data)-3] ^= 1 // within the scan
	if err := os.WriteFile(changed.Path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	l.items[name] = &changed
	_, explained := l.Image(t.Context(), image, Question{List: 1})
	_, segmented := l.SegmentImage(t.Context(), image, SegmentQuestion{Classes: []string{"car", "sky"}})
	for what, err := range map[string]error{"explain": explained, "segment": segmented} {
		if !errors.Is(err, cache.ErrStale) || testutil.Line(err, changed.Path, "its bytes have changed since") != nil {
			t.Errorf("%s: %v, want it to be refused", what, err)
		}
	}
	if _, err := l.Image(t.Context(), image+1, Question{List: 1}); err != nil {
		t.Errorf("another image: %v", err)
	}
}
