package main

import (
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/pipeline/model"
)

// TestEditsTextIsBounded names a few units of an edit of many, and counts the others.
func TestEditsTextIsBounded(t *testing.T) {
	units := strings.TrimSpace(strings.Repeat("h1n1=0 ", 301))
	text := editsText(&model.Edited{Pairs: 301, By: "mean", Units: units})
	if !strings.HasPrefix(text, "301 pairs by mean: h1n1=0, h1n1=0") || !strings.HasSuffix(text, "h1n1=0 and 289 more (--json has all)") || len(text) > 200 {
		t.Error(text)
	}
	if text := editsText(&model.Edited{Pairs: 2, By: "zero", Units: "h1n1=0 h1n2=0"}); text != "2 pairs by zero: h1n1=0, h1n2=0" {
		t.Error(text)
	}
}
