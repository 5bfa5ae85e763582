package collect

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
)

// A long run is announced once, from the batches after the first; a short one is not.
func TestEstimate(t *testing.T) {
	for _, c := range []struct {
		images int
		want   []string
	}{
		{1000, []string{"4m4s: 16 in 4s"}}, // 976 are left
		{200, nil},
	} {
		var said []string
		at := time.Time{}
		e := &estimator{images: c.images, now: func() time.Time { return at }, say: func(left time.Duration, seen int, took time.Duration) {
			said = append(said, fmt.Sprintf("%v: %d in %v", left.Round(time.Second), seen, took))
		}}
		for _, batch := range []struct {
			images int
			took   time.Duration
		}{{8, time.Hour}, {8, time.Second}, {8, 3 * time.Second}, {8, time.Minute}} {
			at = at.Add(batch.took)
			e.batch(batch.images)
		}
		if !slices.Equal(said, c.want) {
			t.Errorf("%d images: said %q, want %q", c.images, said, c.want)
		}
	}
}

// A run that the disk has no room for is refused before an image is looked at; where there
// is room, what a long run says has the size.
func TestRoom(t *testing.T) {
	c, err := openCollector(t.Context(), goldenImages(t, "scores"), pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	if err := c.take(t.Context(), 0, c.listed.Count); err != nil {
		t.Fatal(err)
	}
	if err := c.room(math.MaxInt64/1000, 0); err == nil || !strings.Contains(err.Error(), "are still to be written, the disk has room for") {
		t.Errorf("an immense collection: %v, want no room", err)
	}
	if err := c.room(1<<10, 0); err != nil || !strings.Contains(c.disk, "takes 48 KiB, the disk has room for ") {
		t.Errorf("a small one: %v, said %q", err, c.disk)
	}
}
