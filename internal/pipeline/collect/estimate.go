package collect

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/ui"
)

// room fails when the disk has no room for the rows of the images that are left, before
// the first of them goes through the tower.
func (c *collector) room(rowBytes int64, rows int) error {
	path, total := c.options.SavePath, rowBytes*int64(len(c.items))
	if artefact.IsDense(path) {
		c.say.Note("%s: the dense tensor of %d images takes %s", path, len(c.items), ui.FormatBytes(total))
	}
	c.disk = fmt.Sprintf("; %s takes %s", path, ui.FormatBytes(total))
	free, err := cache.Free(filepath.Dir(path))
	if errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	if err != nil {
		return err
	}
	left := total - rowBytes*int64(rows) + c.pending
	if uint64(left) <= free {
		c.disk += fmt.Sprintf(", the disk has room for %s", ui.FormatBytes(int64(free)))
		return nil
	}
	err = fmt.Errorf("%s: %s are still to be written, the disk has room for %s", path, ui.FormatBytes(left), ui.FormatBytes(int64(free)))
	switch {
	case c.mode.row().kind == artefact.KindDense:
		err = fmt.Errorf("%w (scores alone, a path without .dat or .npy, take %d times less)", err, c.model.Config.OutDim)
	case !c.options.Half:
		err = hint.With(err, "{dtype} float16 takes half as much, {stats-only} next to nothing, and {sample-stride} takes fewer images")
	}
	return err
}

// An estimator says once how long a run will take, if that is long.
type estimator struct {
	images int // of the run
	now    func() time.Time
	say    func(left time.Duration, seen int, took time.Duration) // images that were timed

	first, seen int       // images of the first batch, which takes longer than others, and of all so far
	since       time.Time // the end of the first
	said        bool
}

const (
	longRun     = time.Minute     // what is left of a run that is worth a word
	estimatedIn = 2 * time.Second // how long batches are timed
)

// batch is called after each batch of images.
func (e *estimator) batch(images int) {
	e.seen += images
	if e.first == 0 {
		e.first, e.since = images, e.now()
		return
	}
	took := e.now().Sub(e.since)
	if e.said || took < estimatedIn {
		return
	}
	e.said = true
	timed := e.seen - e.first
	if left := time.Duration(float64(took) / float64(timed) * float64(e.images-e.seen)); left >= longRun {
		e.say(left, timed, took)
	}
}

// estimate returns the estimator of a run over so many images.
func (c *collector) estimate(images int) *estimator {
	return &estimator{images: images, now: time.Now, say: func(left time.Duration, seen int, took time.Duration) {
		c.say.Note("%s at %s: about %s to go%s", ui.Images.Count(int64(images)), ui.Images.Rate(int64(seen), took), ui.FormatDuration(left), c.disk)
	}}
}
