package kernel

// Dot returns the scalar product of two rows of one length. Its sum is in chains, whose
// number the family chooses.
func Dot(x, y []float32) float32 {
	if len(x) != len(y) {
		panic("kernel: rows of unequal lengths")
	}
	sum, f, n := float32(0), activeFamily(), 0
	if f.dot != nil && len(x) >= dotChains {
		n = len(x) / dotChains * dotChains
		var lanes [8]float32
		f.dot(&x[0], &y[0], n, &lanes[0])
		sum = ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]))
	}
	return sum + dotRef(x[n:], y[n:])
}

// dotChains is how many numbers the kernel of Dot takes at a time.
const dotChains = 32

// Exceeding returns the first place from which on a number is above own, or above its own
// least:
//
//	x[i] > own || x[i] > least[i]
//
// It returns len(x) if there is none, and panics if least is short.
func Exceeding(x, least []float32, own float32) int {
	if len(least) < len(x) {
		panic("kernel: short bounds")
	}
	f, at := activeFamily(), 0
	for {
		if n := (len(x) - at) &^ 7; n > 0 && f.exceed != nil {
			at += f.exceed(&x[at], &least[at], n, own)
		}
		for end := min(at+8, len(x)); at < end; at++ {
			if x[at] > own || x[at] > least[at] {
				return at
			}
		}
		if at == len(x) {
			return at
		}
	}
}

// FirstNonFinite returns the place of the first NaN or infinite value, -1 if there is none.
func FirstNonFinite(x []float32) int {
	f, at := activeFamily(), 0
	if n := len(x) &^ 7; n > 0 && f.finite != nil {
		at = f.finite(&x[0], n)
	}
	for ; at < len(x); at++ {
		if x[at]-x[at] != 0 {
			return at
		}
	}
	return -1
}
