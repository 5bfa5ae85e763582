package cpu

import (
	"runtime"
	"testing"
)

func TestWorthwhile(t *testing.T) {
	for _, c := range []struct {
		speeds []int
		want   int
	}{
		{nil, 0},
		{[]int{1024}, 1},
		{[]int{1024, 1024}, 2},
		{[]int{330, 330, 330, 330, 1024, 1024, 1024, 1024}, 4},       // 4 x 1024 of 8 x 330
		{[]int{1024, 1024, 700, 700, 700, 700}, 6},                   // 6 x 700 of 2 x 1024
		{[]int{1024, 512}, 2},                                        // the same with one
		{[]int{1024, 866, 866, 866, 250, 250, 250, 250}, 4},          // 4 x 866
		{[]int{1024, 400, 400, 400, 400, 400, 400, 400, 400, 40}, 9}, // 9 x 400
	} {
		if got := worthwhile(c.speeds); got != c.want {
			t.Errorf("%v: %d, want %d", c.speeds, got, c.want)
		}
	}
}

// TestWorkers: the variable decides, even where there are fewer processors.
func TestWorkers(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	t.Setenv("GOMAXPROCS", "")
	if n, all := Workers(), runtime.GOMAXPROCS(0); n < 1 || n > all {
		t.Errorf("%d of %d processors", n, all)
	}
	t.Setenv("GOMAXPROCS", "7") // as the runtime reads it at the start
	runtime.GOMAXPROCS(7)
	if n := Workers(); n != 7 {
		t.Errorf("%d, want 7", n)
	}
}
