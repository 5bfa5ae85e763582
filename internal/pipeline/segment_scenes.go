package pipeline

import (
	"context"
	"fmt"
	"math"

	"github.com/clipnh/clipnh/internal/imageprep"
)

// sceneToRead is a picture to segment, and what was read of it.
type sceneToRead struct {
	name, path string
	read       func() (*imageprep.Labels, error) // the true labels; nil if there are none

	picture       *imageprep.RGB // as it is; only if it is to be drawn
	scaled        *imageprep.RGB // as the tower sees it
	width, height int            // of the picture as it is
	truth         []uint16       // [height,width], nil if there is none
	err           error
}

// sceneReader reads scenes ahead of whoever needs them, in their order.
type sceneReader struct {
	scenes chan *sceneToRead
	stop   context.CancelFunc
}

// scenesAhead is how many scenes are in memory besides the one in hand.
const scenesAhead = 2

// readScenes reads pictures, scaled so that the shorter side is given and the
// longer one as bounded in o, and their labels.
func readScenes(ctx context.Context, scenes []sceneToRead, o *SegmentOptions, shorter int) *sceneReader {
	ctx, stop := context.WithCancel(ctx)
	r := &sceneReader{make(chan *sceneToRead, scenesAhead-1), stop}
	go func() {
		defer close(r.scenes)
		for i := range scenes {
			s := scenes[i]
			if s.err = ctx.Err(); s.err == nil {
				s.err = s.open(o, shorter)
			}
			select {
			case r.scenes <- &s:
			case <-ctx.Done():
				return
			}
		}
	}()
	return r
}

// next returns the next scene; ok is false after the last one or when the
// context was cancelled.
func (r *sceneReader) next() (s *sceneToRead, ok bool) {
	s, ok = <-r.scenes
	return s, ok
}

// close ends the reading and waits for it.
func (r *sceneReader) close() {
	r.stop()
	for range r.scenes {
	}
}

func (s *sceneToRead) open(o *SegmentOptions, shorter int) error {
	picture, err := imageprep.ReadFile(s.path, o.Images)
	if err != nil {
		return err
	}
	s.width, s.height = picture.W, picture.H
	if s.read != nil {
		labels, err := s.read()
		if err != nil {
			return err
		}
		if labels.W != s.width || labels.H != s.height {
			return fmt.Errorf("%s: %dx%d pixels, but its label map has %dx%d", s.path, s.width, s.height, labels.W, labels.H)
		}
		s.truth = labels.Pix
	}
	w, h := scaledSize(s.width, s.height, shorter, o.Setup.LongerSide)
	if o.Pillow {
		s.scaled = imageprep.Resize(picture, w, h, imageprep.Bilinear)
	} else {
		s.scaled = imageprep.ResizeLinear(picture, w, h)
	}
	if o.ShowDir != "" || o.PAMR.Steps > 0 {
		s.picture = picture
	}
	return nil
}

// scaledSize returns the size of a w x h picture once its shorter side is brought
// to shorter, or, where the longer one would then be above longer (0 for no
// bound), that one to longer. Sides are rounded, halves up, as mmcv does.
func scaledSize(w, h, shorter, longer int) (int, int) {
	factor := float64(shorter) / float64(min(w, h))
	if longer > 0 {
		factor = min(factor, float64(longer)/float64(max(w, h)))
	}
	side := func(n int) int { return max(int(math.Floor(float64(n)*factor+0.5)), 1) }
	return side(w), side(h)
}
