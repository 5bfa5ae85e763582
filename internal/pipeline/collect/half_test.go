package collect

import (
	"testing"

	"github.com/clipnh/clipnh/internal/float16"
)

// TestUnderflows counts what rounding to float16 makes zero.
func TestUnderflows(t *testing.T) {
	values := []float32{0, 1, 0x1p-24, 0x1.000002p-25, 0x1p-25, -0x1p-25, 1e-8, -1e-30, 6e-5, -0x1p-24}
	want := 0
	for _, x := range values {
		if x != 0 && float16.Bits(x)&0x7fff == 0 {
			want++
		}
	}
	if got := underflows(values); got != want || want != 4 {
		t.Errorf("%d become zero, want %d", got, want)
	}
}
