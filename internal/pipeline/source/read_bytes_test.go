package source

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/testutil"
)

// counted counts what a stage says of bytes.
type counted struct {
	said
	bytes int64
}

func (c *counted) Read(n int64) { c.bytes += n }

// Images that are read count with the bytes of their files, those that cannot be decoded too.
func TestFeedCountsBytes(t *testing.T) {
	dir := t.TempDir()
	data, err := os.ReadFile(filepath.Join(testutil.Golden("dataset"), "00003.png"))
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"a.png": data, "b.jpg": []byte("not an image")} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d, err := dataset.Open(t.Context(), dataset.Options{Kind: dataset.Images, Path: dir})
	if err != nil {
		t.Fatal(err)
	}
	var say counted
	f := NewFeed(t.Context(), d.Items, FeedOptions{Input: imageprep.Input{Side: 8}, Batch: 1, Threads: 1, Images: imageprep.Options{MaxPixels: imageprep.DefaultMaxPixels}}, &say)
	defer f.Close()
	skipped := 0
	err = f.Next(t.Context(), len(d.Items), Visitor{
		Skip:  func(Skipped) { skipped++ },
		Batch: func([]dataset.Item, []float32) error { return nil },
	})
	if want := int64(len(data) + len("not an image")); err != nil || say.bytes != want || skipped != 1 {
		t.Errorf("%d bytes, %d skipped, %v, want %d bytes", say.bytes, skipped, err, want)
	}
}
