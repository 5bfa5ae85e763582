package collect

import (
	"errors"
	"fmt"

	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/pipeline/device"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/ui"
)

// towers makes a mode's image tower: one of this program, or of a device.
type towers struct {
	checkpoint *clip.Checkpoint
	device     *device.Device // nil: this program
}

func (t towers) image(o clip.ImageOptions) (clip.ImageTower, error) {
	if t.device == nil {
		return clip.NewImageTower(t.checkpoint, o)
	}
	return t.device.Tower(t.checkpoint, o)
}

var errOnDevice = errors.New("a device computes scores and features, not what this mode keeps")

// maxDeviceDifference is how far a device's scores and features may be from those of our
// own tower, as a share of the largest: several times what float32 sums in another order
// are off by (below 5e-5), and far less than reduced precision (TF32 about 1e-3).
const maxDeviceDifference = 2e-4

// OnDevice is what ran a collection, and how far it was from our own tower on the first
// images of the run.
type OnDevice struct {
	Name     string  `json:"name"`
	Provider string  `json:"provider"`
	Runtime  string  `json:"runtime"`
	Images   int     `json:"images"`
	Scores   float64 `json:"scores"`   // the largest difference, as a share of the largest value; 0 where none were computed
	Features float64 `json:"features"` // the same
}

// compared returns what compares a device's tower, made for options o, with our own on the
// first images of a run, hands the result over, and fails if they are further apart than
// rounding makes them.
func (t towers) compared(tower clip.ImageTower, o clip.ImageOptions, say ui.Reporter, keep func(*OnDevice)) func(pixels []float32) error {
	return func(pixels []float32) error {
		pixels = pixels[:min(len(pixels), comparedImages*tower.ImageLen())]
		o.Batch = min(o.Batch, comparedImages)
		own, err := clip.NewImageTower(t.checkpoint, o)
		if err != nil {
			return err
		}
		r, err := source.CompareTowers(tower, own, pixels)
		if err != nil {
			return err
		}
		of := t.device.Origin()
		keep(&OnDevice{of.Name, of.Provider, of.Runtime, r.Images, r.Scores, r.Features})
		text := fmt.Sprintf("on the first %s, features differ from clipnh's own by up to %.2g of the largest", ui.Images.Count(int64(r.Images)), r.Features)
		if tower.ScoresLen() > 0 {
			text += fmt.Sprintf(", scores by up to %.2g", r.Scores)
		}
		if !(r.Scores <= maxDeviceDifference && r.Features <= maxDeviceDifference) { // NaN too
			return hint.With(fmt.Errorf("device %s (%s, %s): %s, want at most %g", of.Name, of.Provider, of.Runtime, text, maxDeviceDifference),
				"without {device} the tower runs in clipnh itself")
		}
		say.Note("device %s (%s, %s): %s", of.Name, of.Provider, of.Runtime, text)
		return nil
	}
}

// comparedImages is how many images at most are compared.
const comparedImages = 8
