//go:build amd64 && !noasm

package double

import "github.com/clipnh/clipnh/internal/kernel/cpu"

// most is how many of n numbers the assembly takes: whole groups of eight, none without AVX2.
func most(n int) int {
	if cpu.Active() < cpu.AVX2 {
		return 0
	}
	return n &^ 7
}

func sumMost(x []float32, sums *[4]float64, low, high *float32) int {
	n := most(len(x))
	if n == 0 {
		return 0
	}
	var ends [16]float32
	for i := range 8 {
		ends[i], ends[8+i] = *low, *high
	}
	sumAVX2(&x[0], n, &sums[0], &ends[0])
	for i := range 8 {
		*low, *high = min(*low, ends[i]), max(*high, ends[8+i])
	}
	return n
}

func squaresMost(x []float32, mean float64, sums *[4]float64) int {
	n := most(len(x))
	if n > 0 {
		squaresAVX2(&x[0], n, mean, &sums[0])
	}
	return n
}

func dotMost(x []float32, p []float64, sums *[4]float64) int {
	n := most(len(x))
	if n > 0 {
		dotAVX2(&x[0], &p[0], n, &sums[0])
	}
	return n
}

func addMost(sums []float64, x []float32) int {
	n := most(len(x))
	if n > 0 {
		addAVX2(&sums[0], &x[0], n)
	}
	return n
}

func normsMost(dst, scores []float32, square, cross, constant float64) int {
	n := most(len(scores))
	if n > 0 {
		normsAVX2(&dst[0], &scores[0], n, square, cross, constant)
	}
	return n
}

func distancesMost(dst, x []float32, mean float64) int {
	n := most(len(x))
	if n > 0 {
		distancesAVX2(&dst[0], &x[0], n, mean)
	}
	return n
}

func binsMost(dst []uint16, x []float32, origin, scale float64) int {
	n := most(len(x))
	if n > 0 {
		binsAVX2(&dst[0], &x[0], n, origin, scale)
	}
	return n
}

func outsideMost(x []float32, means, scales []float64, low, high float64) int {
	n := most(len(x))
	if n == 0 {
		return 0
	}
	return outsideAVX2(&x[0], &means[0], &scales[0], n, low, high)
}

func formsActive(dst *[Images]float64, x, gram []float64, heads int) {
	if most(8) == 0 {
		formsRef(dst, x, gram, heads)
		return
	}
	formsAVX2(&dst[0], &x[0], &gram[0], heads)
}

func combineActive(dst *[Images]float64, x, weights []float64) {
	if most(8) == 0 {
		combineRef(dst, x, weights)
		return
	}
	combineAVX2(&dst[0], &x[0], &weights[0], len(weights))
}
