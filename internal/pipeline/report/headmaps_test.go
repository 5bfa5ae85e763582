package report

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/report"
)

// TestReportOfHeadsResumes interrupts a report of heads, whose maps are in several groups, after
// each of its passes: the result is that of a run that was not, with all maps in one group.
func TestReportOfHeadsResumes(t *testing.T) {
	o := goldenHeads(t, "")
	run(t, o)
	want := contents(t, o.Dir)
	lowered := mapImages
	mapImages = 3
	defer func() { mapImages = lowered }()
	o.Dir = filepath.Join(t.TempDir(), "resumed")
	const B = 8
	for _, after := range []int64{B, 3, 3 + 3} { // heads; the first group of maps; that, as it was kept, and the second
		ctx, cancel := context.WithCancel(t.Context())
		_, err := Run(ctx, o, &pipelinetest.Interrupting{Reporter: pipelinetest.Silent(), After: after, Cancel: cancel})
		cancel()
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("after %d: %v, want a cancelled context", after, err)
		}
	}
	for _, kept := range []string{"heads", "0", "1"} {
		if found, err := filepath.Glob(filepath.Join(o.Dir, "data", "work", kept+"*")); err != nil || len(found) != 1 {
			t.Errorf("kept of %s: %v, %v", kept, found, err)
		}
	}
	labels := &labelled{Reporter: pipelinetest.Silent()}
	if _, err := Run(t.Context(), o, labels); err != nil {
		t.Fatal(err)
	}
	if slices.Contains(labels.all, "report: heads") || !slices.Contains(labels.all, "report: maps") {
		t.Errorf("the last run did %q", labels.all)
	}
	sameFiles(t, contents(t, o.Dir), want)
}

// TestMapsOfFewImages wants the maps of those images that most heads show, where not all can have
// them, and of none that no head shows.
func TestMapsOfFewImages(t *testing.T) {
	const images, heads, each = 8, 3, 2
	b := &headBuilder{
		headInputs: &headInputs{base: &base{images: images}, parts: &artefact.FirstOrder{Layers: 1, LayerHeads: heads}},
		norms:      &columns{strongest: newHits(heads, each)},
		alongOf:    []int{report.None, report.None, report.None},
	}
	copy(b.norms.strongest.images, []int32{7, 2, 2, 5, 7, 2})
	for most, want := range map[int]struct {
		images []int
		wanted [][]int
	}{
		1: {[]int{2}, [][]int{{0, 1, 2}}},
		2: {[]int{2, 7}, [][]int{{0, 1, 2}, {0, 2}}},
		6: {[]int{2, 5, 7}, [][]int{{0, 1, 2}, {1}, {0, 2}}},
	} {
		side := 1
		for headMapBytes/(side*side) > most {
			side++
		}
		m := b.chooseMaps(side)
		if !slices.Equal(m.images, want.images) || !slices.EqualFunc(m.wanted, want.wanted, slices.Equal[[]int]) {
			t.Errorf("of %d images: %v with heads %v, want %v with %v", headMapBytes/(side*side), m.images, m.wanted, want.images, want.wanted)
		}
	}
}
