package collect

import (
	"time"
)

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
