package main

import (
	"math"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/pipeline/audit"
)

// TestSameGroups holds that a demo fails whose edited checkpoint does not classify as the
// audit said.
func TestSameGroups(t *testing.T) {
	want := []audit.Group{{Label: "fish", Group: "grass", Images: 30, Correct: 25}, {Label: "fish", Group: "water", Images: 30, Correct: 30}}
	if err := sameGroups(want, want); err != nil {
		t.Error(err)
	}
	other := append([]audit.Group{}, want...)
	other[0].Correct = 24
	if err := sameGroups(want, other); err == nil || !strings.Contains(err.Error(), "24 of 30 images of fish in grass right, want 25") {
		t.Errorf("error %v", err)
	}
	if err := sameGroups(want, want[:1]); err == nil {
		t.Error("a group is missing, and there is no error")
	}
}

// TestDemoRemoved reads the pairs that the audit chose, and fails where it chose none.
func TestDemoRemoved(t *testing.T) {
	got, err := demoRemoved([]byte(`{"chosen": 2, "pairs": [{"unit": "h4n72"}, {"unit": "h4n216"}, {"unit": "h0n1"}]}`))
	if err != nil || strings.Join(got, " ") != "h4n72 h4n216" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := demoRemoved([]byte(`{"chosen": 0, "pairs": []}`)); err == nil {
		t.Error("nothing was chosen, and there is no error")
	}
}

// TestPairedInterval: of 100 images 20 are classified right by the one only, 5 by the other.
func TestPairedInterval(t *testing.T) {
	labels, one, other := make([]int, 100), make([]int, 100), make([]int, 100)
	for i := range labels {
		switch {
		case i < 20:
			other[i] = 1
		case i < 25:
			one[i] = 1
		case i < 50:
			one[i], other[i] = 1, 1
		}
	}
	if got, want := pairedInterval(labels, one, other), 1.96*math.Sqrt(25-225.0/100)/100; math.Abs(got-want) > 1e-12 {
		t.Errorf("%g, want %g", got, want)
	}
	if got := pairedInterval(labels, one, one); got != 0 {
		t.Errorf("%g for the same predictions, want 0", got)
	}
}
