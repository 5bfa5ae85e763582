package report

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/report"
)

// compared are the differences of two collections.
func compared(t *testing.T, here, there string) *report.Moved {
	t.Helper()
	m, err := Compare(context.Background(), CompareOptions{Here: here, There: there, List: 1000, Threads: 2}, pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// flat are scores [B,U] of columns [U][B].
func flat(columns [][]float64) (scores []float32) {
	for b := range columns[0] {
		for u := range columns {
			scores = append(scores, float32(columns[u][b]))
		}
	}
	return scores
}

// named are names of 40 images.
func named(format string) []string {
	names := make([]string, 40)
	for i := range names {
		names[i] = fmt.Sprintf(format, i)
	}
	return names
}

// Equal scores are equal whatever the images are called; an archive's images are those of
// its folder.
func TestCompareUnderOtherNames(t *testing.T) {
	base := synthetic(t, 4, 64, 32, 40)
	columns, _, ov := columnsOf(t, base)
	again := func(names []string) string {
		return pipelinetest.ScoresOf(t, decomp.OVFromSlices(ov.Heads, ov.Neurons, ov.OutDim, ov.Value, ov.Out, ov.Bias), names, flat(columns), origin.Origin{})
	}
	for _, test := range []struct {
		names  []string
		shared int
	}{
		{named("val/%08d.jpg"), 40},
		{named("p.tar!val/%08d.jpg"), 40},
		{named("renamed%d.jpg"), 0},
	} {
		there := again(test.names)
		for _, way := range [][2]string{{base.ScoresPath, there}, {there, base.ScoresPath}} {
			m := compared(t, way[0], way[1])
			if m.Shared != test.shared || m.Same != m.HereAlive || m.Differ+len(m.Moved)+len(m.Died)+len(m.Appeared) > 0 {
				t.Errorf("%s: %d shared, %d of %d the same, %d differ, %d died, %d appeared; want %d shared and all the same",
					test.names[0], m.Shared, m.Same, m.HereAlive, m.Differ, len(m.Died), len(m.Appeared), test.shared)
			}
		}
	}

	// Without shared images, another mean, deviation or direction is still told.
	for what, change := range map[string]func(b int, x float64) float64{
		"another mean":      func(_ int, x float64) float64 { return x + 1 },
		"another deviation": func(b int, x float64) float64 { return x + float64(b%2*2-1) },
	} {
		other := slices.Clone(columns)
		other[5] = make([]float64, 40)
		for b, x := range columns[5] {
			other[5][b] = change(b, x)
		}
		there := pipelinetest.ScoresOf(t, decomp.OVFromSlices(ov.Heads, ov.Neurons, ov.OutDim, ov.Value, ov.Out, ov.Bias), named("renamed%d.jpg"), flat(other), origin.Origin{})
		if m := compared(t, base.ScoresPath, there); m.Differ != 1 || m.Moved[0].Here != 5 {
			t.Errorf("%s: %d differ, %+v; want pair 5 alone", what, m.Differ, m.Moved)
		}
	}
}

// A pair that is a little below the threshold on one side and a little above on the other
// has neither died nor appeared; one whose norm is halved too has.
func TestCompareAtThreshold(t *testing.T) {
	base := synthetic(t, 4, 64, 32, 40)
	columns, _, ov := columnsOf(t, base)
	o := CompareOptions{Threads: 1}
	side, err := o.open(base.ScoresPath)
	if err != nil {
		t.Fatal(err)
	}
	defer side.scores.Close()
	c := &comparison{CompareOptions: o, here: side, there: side, team: par.NewTeam(1), say: pipelinetest.Silent()}
	if err := c.measure(context.Background(), side); err != nil {
		t.Fatal(err)
	}
	const pair = 7
	at := func(shares float64) string { // of the threshold
		scaled := slices.Clone(columns)
		scaled[pair] = make([]float64, 40)
		for b, x := range columns[pair] {
			scaled[pair][b] = x * shares * side.threshold / side.norm[pair]
		}
		return pipelinetest.ScoresOf(t, decomp.OVFromSlices(ov.Heads, ov.Neurons, ov.OutDim, ov.Value, ov.Out, ov.Bias), named("val/%08d.jpg"), flat(scaled), origin.Origin{})
	}
	above, below, far := at(1.1), at(0.9), at(0.4)
	for _, test := range []struct {
		what, here, there     string
		moved, died, appeared int
	}{
		{"crosses downward", above, below, 1, 0, 0},
		{"crosses upward", below, above, 1, 0, 0},
		{"dies", above, far, 0, 1, 0},
		{"appears", far, above, 0, 0, 1},
		{"is dead", below, far, 0, 0, 0},
	} {
		m := compared(t, test.here, test.there)
		if len(m.Moved) != test.moved || len(m.Died) != test.died || len(m.Appeared) != test.appeared {
			t.Errorf("%s: %+v moved, %+v died, %+v appeared", test.what, m.Moved, m.Died, m.Appeared)
		}
	}
}

// TestCompareWarnsOfPreparation holds that another way of preparing images, or another place
// in the model, is named: that moves scores too.
func TestCompareWarnsOfPreparation(t *testing.T) {
	base := synthetic(t, 2, 8, 4, 40)
	scores, _, ov := columnsOf(t, base)
	written := func(of origin.Origin) string {
		return pipelinetest.ScoresOf(t, decomp.OVFromSlices(ov.Heads, ov.Neurons, ov.OutDim, ov.Value, ov.Out, ov.Bias), named("%d.jpg"), flat(scores), of)
	}
	here := written(origin.Origin{Block: origin.LastBlock, Images: &origin.Images{}})
	for what, of := range map[string]origin.Origin{
		"":          {Block: origin.LastBlock, Images: &origin.Images{}},
		"exif":      {Block: origin.LastBlock, Images: &origin.Images{EXIF: true}},
		"block":     {Block: "0", Images: &origin.Images{}},
		"precision": {Block: origin.LastBlock, Precision: "bf16", Images: &origin.Images{}},
	} {
		there := written(of)
		say, heard := pipelinetest.Heard()
		if _, err := Compare(context.Background(), CompareOptions{Here: here, There: there, List: 10, Threads: 1}, say); err != nil {
			t.Fatal(err)
		}
		warned := strings.Contains(heard.String(), "collected with another "+what+" than "+there)
		if said := strings.Contains(heard.String(), "collected with another"); said != (what != "") || warned != said {
			t.Errorf("another %q: said %q", what, heard)
		}
	}
}
