package source

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
)

// TestNameOtherSizes holds that images are told by their names and sizes, whatever their order
// and whatever others there are.
func TestNameOtherSizes(t *testing.T) {
	dir := t.TempDir()
	data := &dataset.Dataset{}
	var names []string
	for i, name := range []string{"a.jpg", "b.jpg", "c.jpg"} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, make([]byte, i+1), 0o600); err != nil {
			t.Fatal(err)
		}
		data.Items = append(data.Items, dataset.Item{Name: name, Path: path})
		names = append(names, name)
	}
	of := &cache.Artefact{Manifest: cache.Manifest{Inputs: 3, Origin: origin.Origin{Images: &origin.Images{SHA256: data.Fingerprint(), Names: cache.ListHash(names), Stride: 1}}}}
	turned, more := data.Stride(1), data.Stride(1)
	slices.Reverse(turned.Items)
	more.Items = append(more.Items, dataset.Item{Name: "d.jpg", Path: filepath.Join(dir, "a.jpg")})
	other := data.Stride(1)
	other.Items[1].Path = filepath.Join(dir, "a.jpg")
	for what, test := range map[string]struct {
		data   *dataset.Dataset
		warned bool
	}{"same": {data, false}, "another order": {turned, false}, "more": {more, false}, "another size": {other, true}} {
		say, heard := pipelinetest.Heard()
		if nameOtherSizes(test.data, names, "data", of, say); (heard.Len() > 0) != test.warned {
			t.Errorf("%s: said %q, want a warning: %v", what, heard, test.warned)
		}
	}
}
