package imageprep

import (
	"errors"
	"strings"
	"testing"
)

// TestTooLargeHint names the option that takes larger images.
func TestTooLargeHint(t *testing.T) {
	var h interface{ Hint() string }
	if err := (Options{MaxPixels: 5}).check(3, 2); !errors.As(err, &h) || !strings.Contains(h.Hint(), "{max-pixels}") {
		t.Errorf("error %v, want a hint", err)
	}
}
