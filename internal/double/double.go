// Package double computes in double precision on numbers in single precision, as what is
// decided of many images is: sums, distances, norms and the places of numbers in a range.
//
// Its results are the same in plain Go and in assembly, to the last bit: sums are in as many
// chains as a vector has doubles, and products are rounded before they are added.
package double

import "math"

// Sum adds numbers up, in four chains, and returns the smallest and the largest of them. It
// panics if there is none.
func Sum(x []float32) (sum float64, low, high float32) {
	low, high = x[0], x[0]
	var sums [4]float64
	n := sumMost(x, &sums, &low, &high)
	sumRef(x[n:], &sums, &low, &high)
	return sums[0] + sums[1] + (sums[2] + sums[3]), low, high
}

// sumRef is, in plain Go, what Sum adds to sums.
func sumRef(x []float32, sums *[4]float64, low, high *float32) {
	whole := len(x) &^ 3
	for i := 0; i < whole; i += 4 {
		y := x[i : i+4 : i+4]
		sums[0] += float64(y[0])
		sums[1] += float64(y[1])
		sums[2] += float64(y[2])
		sums[3] += float64(y[3])
		*low, *high = min(*low, min(y[0], y[1]), min(y[2], y[3])), max(*high, max(y[0], y[1]), max(y[2], y[3]))
	}
	for _, v := range x[whole:] {
		sums[0] += float64(v)
		*low, *high = min(*low, v), max(*high, v)
	}
}

// Squares adds the squares of distances from a number up, in four chains.
func Squares(x []float32, mean float64) float64 {
	var sums [4]float64
	n := squaresMost(x, mean, &sums)
	squaresRef(x[n:], mean, &sums)
	return sums[0] + sums[1] + (sums[2] + sums[3])
}

func squaresRef(x []float32, mean float64, sums *[4]float64) {
	whole := len(x) &^ 3
	for i := 0; i < whole; i += 4 {
		y := x[i : i+4 : i+4]
		a, b, c, d := float64(y[0])-mean, float64(y[1])-mean, float64(y[2])-mean, float64(y[3])-mean
		sums[0] += float64(a * a)
		sums[1] += float64(b * b)
		sums[2] += float64(c * c)
		sums[3] += float64(d * d)
	}
	for _, v := range x[whole:] {
		a := float64(v) - mean
		sums[0] += float64(a * a)
	}
}

// Dot adds the products of x and p, of one length, up in four chains.
func Dot(x []float32, p []float64) float64 {
	var sums [4]float64
	p = p[:len(x)]
	n := dotMost(x, p, &sums)
	dotRef(x[n:], p[n:], &sums)
	return sums[0] + sums[1] + (sums[2] + sums[3])
}

func dotRef(x []float32, p []float64, sums *[4]float64) {
	whole := len(x) &^ 3
	for i := 0; i < whole; i += 4 {
		y, q := x[i:i+4:i+4], p[i:i+4:i+4]
		sums[0] += float64(float64(y[0]) * q[0])
		sums[1] += float64(float64(y[1]) * q[1])
		sums[2] += float64(float64(y[2]) * q[2])
		sums[3] += float64(float64(y[3]) * q[3])
	}
	for i, v := range x[whole:] {
		sums[0] += float64(float64(v) * p[whole+i])
	}
}

// Add adds each number of x to its own sum.
func Add(sums []float64, x []float32) {
	sums = sums[:len(x)]
	n := addMost(sums, x)
	for i, v := range x[n:] {
		sums[n+i] += float64(v)
	}
}

// Norms writes the norms of s·v + b for scores s to dst, of the length of scores, with square
// = |v|², cross = v·b and constant = |b|².
func Norms(dst, scores []float32, square, cross, constant float64) {
	dst = dst[:len(scores)]
	n := normsMost(dst, scores, square, cross, constant)
	normsRef(dst[n:], scores[n:], square, cross, constant)
}

func normsRef(dst, scores []float32, square, cross, constant float64) {
	for i, s := range scores {
		x := float64(s)
		dst[i] = float32(math.Sqrt(max(float64(float64(x*x)*square)+float64(2*x*cross)+constant, 0)))
	}
}

// Distances writes |x - mean| to dst, of the length of x.
func Distances(dst, x []float32, mean float64) {
	dst = dst[:len(x)]
	n := distancesMost(dst, x, mean)
	for i, v := range x[n:] {
		dst[n+i] = float32(math.Abs(float64(v) - mean))
	}
}

// Bins writes (x - origin)·scale, whose whole part is from 0 to 65535, without its fraction to
// dst, of the length of x.
func Bins(dst []uint16, x []float32, origin, scale float64) {
	dst = dst[:len(x)]
	n := binsMost(dst, x, origin, scale)
	for i, v := range x[n:] {
		dst[n+i] = uint16(int32((float64(v) - origin) * scale))
	}
}

// Outside returns the first place from which on a number is outside of a range,
//
//	(x[i] - means[i])·scales[i] < low    or    > high
//
// and len(x) where there is none. The numbers have to be finite; means and scales are as long
// as x.
func Outside(x []float32, means, scales []float64, low, high float64) int {
	means, scales = means[:len(x)], scales[:len(x)]
	at := 0
	for {
		at += outsideMost(x[at:], means[at:], scales[at:], low, high)
		for end := min(at+8, len(x)); at < end; at++ {
			if away := (float64(x[at]) - means[at]) * scales[at]; away < low || away > high {
				return at
			}
		}
		if at == len(x) {
			return at
		}
	}
}

// Images is how many images' forms are computed side by side.
const Images = 32

// Forms writes the quadratic forms of the scores x [H,Images] of some images to dst, for a
// symmetric matrix gram [H,H]:
//
//	dst[i] = Σ_hg x[h,i]·x[g,i]·gram[h,g]
//
// in which each product is there twice.
func Forms(dst *[Images]float64, x, gram []float64, heads int) {
	checkForms(x, heads)
	if len(gram) < heads*heads {
		panic("double: short gram")
	}
	formsActive(dst, x, gram, heads)
}

func formsRef(dst *[Images]float64, x, gram []float64, heads int) {
	clear(dst[:])
	var cross [Images]float64
	for h := range heads {
		row := gram[h*heads : h*heads+h+1]
		combineRef(&cross, x, row[:h])
		for i, s := range x[h*Images : (h+1)*Images] {
			dst[i] += float64(s * (2*cross[i] + float64(row[h]*s)))
		}
	}
}

// Combine writes weighted sums of the scores x [H,Images] of some images to dst:
//
//	dst[i] = Σ_h weights[h]·x[h,i]
func Combine(dst *[Images]float64, x, weights []float64) {
	checkForms(x, len(weights))
	combineActive(dst, x, weights)
}

func combineRef(dst *[Images]float64, x, weights []float64) {
	clear(dst[:])
	for h, w := range weights {
		for i, s := range x[h*Images : (h+1)*Images] {
			dst[i] += float64(w * s)
		}
	}
}

func checkForms(x []float64, heads int) {
	if heads < 1 || len(x) < heads*Images {
		panic("double: short scores")
	}
}
