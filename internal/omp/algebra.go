package omp

// The order of the sums below depends only on the lengths. Several partial sums keep
// the adders busy.

// dot returns Σ x·y in float64.
func dot[T float32 | float64](x []float32, y []T) float64 {
	var a, b, c, d float64
	y = y[:len(x)]
	i := 0
	for ; i+4 <= len(x); i += 4 {
		a += float64(x[i]) * float64(y[i])
		b += float64(x[i+1]) * float64(y[i+1])
		c += float64(x[i+2]) * float64(y[i+2])
		d += float64(x[i+3]) * float64(y[i+3])
	}
	for ; i < len(x); i++ {
		a += float64(x[i]) * float64(y[i])
	}
	return (a + b) + (c + d)
}

// dot4 returns the inner products of a, b, c and d with y. It reads y once, and the
// memory accesses to the four atoms overlap.
func dot4(a, b, c, d []float32, y []float64) (ay, by, cy, dy float64) {
	a, b, c, d = a[:len(y)], b[:len(y)], c[:len(y)], d[:len(y)]
	for i, v := range y {
		ay += float64(a[i]) * v
		by += float64(b[i]) * v
		cy += float64(c[i]) * v
		dy += float64(d[i]) * v
	}
	return ay, by, cy, dy
}

// products writes the inner products of the atoms of the first len(to) words with y.
func (d *Dictionary) products(to []float64, words []int32, y []float64) {
	i := 0
	for ; i+4 <= len(to); i += 4 {
		to[i], to[i+1], to[i+2], to[i+3] = dot4(d.atom(int(words[i])), d.atom(int(words[i+1])),
			d.atom(int(words[i+2])), d.atom(int(words[i+3])), y)
	}
	for ; i < len(to); i++ {
		to[i] = dot(d.atom(int(words[i])), y)
	}
}

// subtract subtracts f·x from r.
func subtract(r []float64, f float64, x []float32) {
	r = r[:len(x)]
	for i, v := range x {
		r[i] -= f * float64(v)
	}
}

// subtract4 subtracts f[0]·a + f[1]·b + f[2]·c + f[3]·d from r.
func subtract4(r, f []float64, a, b, c, d []float32) {
	f0, f1, f2, f3 := f[0], f[1], f[2], f[3]
	a, b, c, d = a[:len(r)], b[:len(r)], c[:len(r)], d[:len(r)]
	for i := range r {
		r[i] -= (f0*float64(a[i]) + f1*float64(b[i])) + (f2*float64(c[i]) + f3*float64(d[i]))
	}
}
