package heat

import (
	"math"
	"testing"

	"github.com/clipnh/clipnh/internal/par"
)

// TestForeground compares with values worked out by hand; the average precisions are those of
// scikit-learn's average_precision_score.
func TestForeground(t *testing.T) {
	var f Foreground
	f.Add([]float32{0, 1, 2, 5}, []uint16{0, 0, 1, 1}) // mean 2: one of the two is missed
	f.Add([]float32{4, 3, 1, 0}, []uint16{1, 0, 1, 0}) // mean 2: two are wrong
	for name, got := range map[string][2]float64{
		"accuracy": {f.PixelAccuracy(), 5.0 / 8}, // 3 + 2
		"mIoU":     {f.MIoU(), (3.0/6 + 2.0/5) / 2},
		"mAP":      {f.MAP(), (averageOf("0 1 2 5") + averageOf("4 3 1 0")) / 2},
	} {
		if math.Abs(got[0]-got[1]) > 1e-12 {
			t.Errorf("%s %g, want %g", name, got[0], got[1])
		}
	}
	if f.Images != 2 {
		t.Errorf("%d images", f.Images)
	}
	var flat Foreground // nothing is above the mean of equal values
	flat.Add([]float32{1, 1}, []uint16{0, 1})
	if flat.PixelAccuracy() != 0.5 || flat.MIoU() != 0.25 || flat.MAP() != 0.5 {
		t.Errorf("equal values: %g, %g, %g", flat.PixelAccuracy(), flat.MIoU(), flat.MAP())
	}
}

// averageOf are what scikit-learn gives of the maps of TestForeground.
func averageOf(name string) float64 {
	return map[string]float64{"0 1 2 5": 0.95, "4 3 1 0": 0.8333333333333333}[name]
}

// TestLargest compares with all logits.
func TestLargest(t *testing.T) {
	down, across := NewAxis(70, 64, 32, 32, false), NewAxis(64, 64, 32, 32, false)
	f := NewField(3, down, across, 35, 40)
	for i := range f.cells {
		f.cells[i] = float32(math.Sin(float64(i)))
	}
	all, got := f.Logits(par.NewTeam(1)), f.Largest([]int{2, 0}, par.NewTeam(3))
	n := 35 * 40
	for i, x := range got {
		if x != max(all[i], all[2*n+i]) {
			t.Fatalf("at %d %g, want the larger of %g and %g", i, x, all[i], all[2*n+i])
		}
	}
}
