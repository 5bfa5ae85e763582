package model

import (
	"context"
	"path/filepath"
	"slices"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

// TestOpening: whoever asks hears which checkpoint is being opened, while it is hashed, and that it
// is not any more, also after a failure.
func TestOpening(t *testing.T) {
	var said []string
	ctx := WithOpening(t.Context(), func(path string) { said = append(said, path) })
	good, missing := testutil.Golden("model/tiny_jit.pt"), filepath.Join(t.TempDir(), "none.pt")
	m, err := OpenWith(ctx, good, Details{})
	if err != nil {
		t.Fatal(err)
	}
	m.Close()
	if _, err := OpenWith(ctx, missing, Details{}); err == nil {
		t.Error("opened what is not there")
	}
	if want := []string{good, "", missing, ""}; !slices.Equal(said, want) {
		t.Errorf("said %q, want %q", said, want)
	}

	stopped, stop := context.WithCancel(t.Context())
	said = nil
	stopped = WithOpening(stopped, func(path string) {
		said = append(said, path)
		stop()
	})
	if _, err := OpenWith(stopped, good, Details{}); err == nil || !slices.Equal(said, []string{good, ""}) {
		t.Errorf("%v, said %q, want the hashing to be stopped after it was said", err, said)
	}
}
