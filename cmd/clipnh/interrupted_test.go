package main

import (
	"context"
	"slices"
	"strings"
	"testing"
)

// TestInterruptedHint says of every command what a second run does after an interrupt, and
// names commands that exist.
func TestInterruptedHint(t *testing.T) {
	var paths []string
	for _, cmd := range everyCommand() {
		paths = append(paths, cmd.CommandPath())
		f := newFailure(cmd, context.Canceled)
		if f.Status != exitInterrupted || !strings.HasPrefix(f.Hint, "run the same command again") {
			t.Errorf("%s: status %d, hint %q", cmd.CommandPath(), f.Status, f.Hint)
		}
	}
	for path := range resuming {
		if !slices.Contains(paths, path) {
			t.Errorf("no command %s", path)
		}
	}
	segment := everyCommand()[slices.Index(paths, "clipnh segment")]
	for _, c := range []struct{ flag, want string }{{"", "starts over"}, {"save-path", "to resume"}, {"show-dir", "starts over"}} {
		if c.flag != "" {
			segment.Flags().Set(c.flag, "x")
		}
		if f := newFailure(segment, context.Canceled, "the model is of clipnh.yaml"); !strings.Contains(f.Hint, c.want) {
			t.Errorf("segment with %q: hint %q, want %q", c.flag, f.Hint, c.want)
		}
	}
	for path, want := range map[string]string{"clipnh demo": "collections that are done are kept", "clipnh collect": "to resume", "clipnh svd": "starts over"} {
		f := newFailure(everyCommand()[slices.Index(paths, path)], context.Canceled)
		if !strings.Contains(f.Hint, want) {
			t.Errorf("%s: hint %q, want %q", path, f.Hint, want)
		}
	}
}
