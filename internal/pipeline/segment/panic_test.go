package segment

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/testutil"
)

// TestReadersCarryPanics holds that a panic in a goroutine that reads ahead reaches the
// one that waits for what is read, instead of ending the program or letting it wait
// forever.
func TestReadersCarryPanics(t *testing.T) {
	image := testutil.Golden(filepath.Join("dataset", "00003.png"))

	const side = 8
	items := []dataset.Item{{Name: "a", Path: image}, {Name: "b", Path: image}}
	d := source.NewDecoder(context.Background(), items, imageprep.Input{Side: side}, 1, 1, imageprep.Options{})
	first, ok := d.Next()
	if !ok || first.Err != nil {
		t.Fatalf("first image: %v, %v", ok, first.Err)
	}
	first.Pixels = first.Pixels[:1] // too short for the next one
	d.Release(first)
	if p := par.Catch(func() { d.Next() }); p == nil {
		t.Error("decoder: no panic")
	}
	d.Close()

	scenes := []sceneToRead{{name: "a", item: dataset.Item{Path: image}, load: func() (*dataset.LabelBytes, error) { panic("injected") }}}
	r := readScenes(context.Background(), scenes, &Options{}, side)
	if p := par.Catch(func() { r.next() }); p == nil || p.Value != "injected" {
		t.Errorf("scene reader: %v", p)
	}
	r.close()
}
