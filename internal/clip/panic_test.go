package clip

import (
	"testing"

	"github.com/clipnh/clipnh/internal/par"
)

// TestLanesCarryPanics holds that a panic in a lane's goroutine reaches the caller.
func TestLanesCarryPanics(t *testing.T) {
	tower := &ResNetTower{lanes: []*lane{{}, {}}}
	p := par.Catch(func() {
		err := share(tower.lanes, tower.all, 2, func(_ *lane, lo, _ int, _ par.Team) error {
			if lo == 1 {
				panic("injected")
			}
			return nil
		})
		t.Errorf("share returned %v", err)
	})
	if p == nil || p.Value != "injected" {
		t.Errorf("got %v", p)
	}
}
