package clip

import (
	"errors"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
	"github.com/clipnh/clipnh/internal/usage"
)

// TestWrongUsage: heads that a tower cannot have, and what a tower does not have, are faults of the
// command line.
func TestWrongUsage(t *testing.T) {
	path := testutil.GoldenViT("vit_sd32.pt")
	if _, err := OpenWith(path, Details{Heads: 5}); !errors.Is(err, usage.Err) || !strings.Contains(err.Error(), "{vit-heads}: 5 heads") {
		t.Errorf("5 heads: error %v, want a usage error", err)
	}
	ck, err := OpenWith(path, Details{Heads: 4, Activation: "gelu"})
	if err != nil {
		t.Fatal(err)
	}
	defer ck.Close()
	if err := ck.Require(AttentionPool); !errors.Is(err, ErrNoPool) || !strings.Contains(err.Error(), path) {
		t.Errorf("an attention pool: error %v, want ErrNoPool", err)
	}
}
