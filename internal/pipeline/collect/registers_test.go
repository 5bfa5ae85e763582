package collect

import (
	"context"
	"math"
	"slices"
	"testing"

	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/testutil"
	"github.com/clipnh/clipnh/internal/unit"
)

// dropRounding is the goldens' tolerance for changes of attention and norms,
// which are small differences of larger numbers.
const dropRounding = 1e-3

// TestRegisters compares both modes with the goldens, and the list of units with
// the file.
func TestRegisters(t *testing.T) {
	for _, test := range []struct {
		contributions bool
		golden, unit  string
		shape         []int
	}{
		{false, "register_diffs.npy", "neuron", []int{48, 256}},
		{true, "sink_contribution_diffs.npy", "pair", []int{4, 256}},
	} {
		o := RegistersOptions{Collect: goldenImages(t, "diffs.npy"), Contributions: test.contributions, List: 5}
		result, err := Registers(context.Background(), o, pipelinetest.Silent())
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(result.Shape, test.shape) || result.Unit != test.unit || len(result.Units) != 5 {
			t.Errorf("%s: result %+v", test.golden, result)
		}
		got, _ := pipelinetest.ReadNPY(t, o.Collect.SavePath)
		want, _ := pipelinetest.ReadGolden(t, test.golden)
		if err := testutil.Far(got[:len(want)], want, dropRounding); err != nil {
			t.Errorf("%s: %v", test.golden, err)
		}
		largest, at := -1.0, 0
		units := 256
		if test.contributions {
			units *= 4
		}
		for u := range units {
			size := 0.0
			for i := u; i < len(got); i += units {
				size += math.Abs(float64(got[i]))
			}
			if size > largest {
				largest, at = size, u
			}
		}
		name := unit.Neuron(at)
		if test.contributions {
			name = unit.Pair(at, 256)
		}
		if result.Units[0].Name != name || result.Units[0].Size < result.Units[4].Size {
			t.Errorf("%s: units %+v, want %s first", test.golden, result.Units, name)
		}
		if again, err := Registers(context.Background(), o, pipelinetest.Silent()); err != nil || !again.Complete || !slices.Equal(again.Units, result.Units) {
			t.Errorf("%s: again %+v, %v", test.golden, again, err)
		}
	}
}

// TestRegistersSameBytes holds that threads and an interrupt leave the bytes
// alone.
func TestRegistersSameBytes(t *testing.T) {
	for _, contributions := range []bool{false, true} {
		var want []float32
		for _, threads := range []int{1, 3} {
			o := RegistersOptions{Collect: goldenImages(t, "diffs.npy"), Contributions: contributions}
			o.Collect.Threads = threads
			if threads == 3 {
				ctx, cancel := context.WithCancel(context.Background())
				if _, err := Registers(ctx, o, &pipelinetest.Interrupting{Reporter: pipelinetest.Silent(), After: 5, Cancel: cancel}); err == nil {
					t.Fatal("not interrupted")
				}
			}
			if _, err := Registers(context.Background(), o, pipelinetest.Silent()); err != nil {
				t.Fatal(err)
			}
			got, _ := pipelinetest.ReadNPY(t, o.Collect.SavePath)
			if want == nil {
				want = got
			}
			if !slices.Equal(got, want) {
				t.Errorf("contributions %v: other bytes", contributions)
			}
		}
	}
}
