package source

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
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
	listed, err := data.Fingerprint()
	if err != nil {
		t.Fatal(err)
	}
	of := &cache.Artefact{Manifest: cache.Manifest{Inputs: 3, Origin: origin.Origin{Images: &origin.Images{SHA256: listed, Names: cache.ListHash(names), Stride: 1}}}}
	turned, more := data.Stride(1), data.Stride(1)
	slices.Reverse(turned.Items)
	more.Items = append(more.Items, dataset.Item{Name: "d.jpg", Path: filepath.Join(dir, "a.jpg")})
	other := data.Stride(1)
	other.Items[1].Path = filepath.Join(dir, "a.jpg")
	moreOther := more.Stride(1)
	moreOther.Items[1].Path = filepath.Join(dir, "a.jpg")
	skipping := *of
	skipping.Manifest.Skipped = []cache.Skipped{{Name: "c.jpg"}}
	for what, test := range map[string]struct {
		data   *dataset.Dataset
		of     *cache.Artefact
		warned bool
	}{
		"same": {data, of, false}, "another order": {turned, of, false}, "more": {more, of, false}, "another size": {other, of, true},
		"one skipped": {data, &skipping, false}, "more, one skipped": {more, &skipping, false}, "more, another size, one skipped": {moreOther, &skipping, true},
	} {
		names := names[:len(names)-len(test.of.Manifest.Skipped)]
		say, heard := pipelinetest.Heard()
		if err := nameOtherSizes(t.Context(), test.data, names, "data", test.of, false, say); (heard.Len() > 0) != test.warned || err != nil {
			t.Errorf("%s: said %q, %v, want a warning: %v", what, heard, err, test.warned)
		}
		if err := nameOtherSizes(t.Context(), test.data, names, "data", test.of, true, say); errors.Is(err, cache.ErrStale) != test.warned {
			t.Errorf("%s: to a strict run the error %v, want one: %v", what, err, test.warned)
		}
	}
}

// TestFirstNamed: the first image of other bytes is found with a task that shows how far it is, and
// an interrupt ends it.
func TestFirstNamed(t *testing.T) {
	dir := t.TempDir()
	var items []dataset.Item
	var sums []uint32
	for i := range 5 {
		data, path := []byte{byte(i)}, filepath.Join(dir, strconv.Itoa(i))
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		items, sums = append(items, dataset.Item{Path: path}), append(sums, cache.SumOf(data))
	}
	sums[3]++
	of := &cache.Artefact{Manifest: cache.Manifest{Inputs: 5, Payloads: []cache.Payload{{Chunks: []cache.Chunk{{Rows: 5, Inputs: cache.SumsText(sums)}}}}}}
	ctx, cancel := context.WithCancel(t.Context())
	looked := int64(0)
	say := &pipelinetest.Interrupting{Reporter: pipelinetest.Silent(), After: 1, Cancel: func() { looked++ }}
	if first, err := firstNamed(ctx, items, of, say); err != nil || first != " (the first is "+items[3].Path+")" || looked != 4 {
		t.Errorf("first %q, error %v, %d images counted, want 4", first, err, looked)
	}
	say.After, say.Cancel = 2, cancel
	if _, err := firstNamed(ctx, items, of, say); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: error %v", err)
	}
}

// TestNameEmpty holds that folders of classes without images are named, and classes of a table
// are not.
func TestNameEmpty(t *testing.T) {
	data := &dataset.Dataset{Kind: dataset.ImageNetVal, Classes: []string{"a", "b", "c"}, Items: []dataset.Item{{Name: "a/1.jpg"}, {Name: "c/1.jpg", Label: 2}}}
	say, heard := pipelinetest.Heard()
	NameEmpty(data, "val", say)
	if want := "val: 1 of its 3 classes without images, \"b\": each counts as a class"; !strings.Contains(heard.String(), want) {
		t.Errorf("said %q, want %q", heard, want)
	}
	say, heard = pipelinetest.Heard()
	data.ClassesFile = "classes.txt"
	if NameEmpty(data, "val", say); heard.Len() > 0 {
		t.Errorf("said %q of classes that a table has", heard)
	}
}
