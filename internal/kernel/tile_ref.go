package kernel

import "unsafe"

// tileRef is the tile kernel in plain Go, for a panel of one block and any number of
// rows. Two pixels by four outputs fit into the scalar registers of amd64.
func tileRef(t *tileArgs) {
	r := 0
	for ; r+2 <= t.rows; r += 2 {
		for j := 0; j < Lanes; j += 4 {
			tilePair(t, r, j)
		}
	}
	if r < t.rows {
		for j := 0; j < Lanes; j += 4 {
			tileSingle(t, r, j)
		}
	}
}

// tileStart returns the starting sums of outputs j..j+4 of pixel r.
func tileStart(t *tileArgs, r, j int) (s [4]float32) {
	if t.bias == nil {
		return *(*[4]float32)(unsafe.Add(t.c, r*t.cPixel+j*4))
	}
	s = *(*[4]float32)(unsafe.Add(t.bias, j*4))
	if t.residual != nil {
		for i, v := range (*[4]float32)(unsafe.Add(t.residual, r*t.cPixel+j*4)) {
			s[i] += v
		}
	}
	return s
}

// tileEnd stores the sums of outputs j..j+4 of pixel r.
func tileEnd(t *tileArgs, r, j int, s [4]float32) {
	if t.relu != 0 {
		for i, v := range s {
			if 0 > v { // keeps NaN
				s[i] = 0
			}
		}
	}
	*(*[4]float32)(unsafe.Add(t.c, r*t.cPixel+j*4)) = s
}

// tilePair sums outputs j..j+4 of pixels r and r+1.
func tilePair(t *tileArgs, r, j int) {
	s, u := tileStart(t, r, j), tileStart(t, r+1, j)
	s0, s1, s2, s3 := s[0], s[1], s[2], s[3]
	u0, u1, u2, u3 := u[0], u[1], u[2], u[3]
	b := unsafe.Add(t.b, j*4)
	for i := range t.blocks {
		src := *(*unsafe.Pointer)(unsafe.Add(t.sources, i*int(unsafe.Sizeof(t.b))))
		x := (*[2 * Lanes]float32)(unsafe.Add(src, t.pixel+r*laneBytes))
		for k := range Lanes {
			w := (*[4]float32)(unsafe.Add(b, (i*Lanes+k)*laneBytes))
			w0, w1, w2, w3 := w[0], w[1], w[2], w[3]
			a := x[k]
			s0 += a * w0
			s1 += a * w1
			s2 += a * w2
			s3 += a * w3
			a = x[Lanes+k]
			u0 += a * w0
			u1 += a * w1
			u2 += a * w2
			u3 += a * w3
		}
	}
	tileEnd(t, r, j, [4]float32{s0, s1, s2, s3})
	tileEnd(t, r+1, j, [4]float32{u0, u1, u2, u3})
}

// tileSingle sums outputs j..j+4 of pixel r.
func tileSingle(t *tileArgs, r, j int) {
	s := tileStart(t, r, j)
	s0, s1, s2, s3 := s[0], s[1], s[2], s[3]
	b := unsafe.Add(t.b, j*4)
	for i := range t.blocks {
		src := *(*unsafe.Pointer)(unsafe.Add(t.sources, i*int(unsafe.Sizeof(t.b))))
		x := (*[Lanes]float32)(unsafe.Add(src, t.pixel+r*laneBytes))
		for k, a := range x {
			w := (*[4]float32)(unsafe.Add(b, (i*Lanes+k)*laneBytes))
			s0 += a * w[0]
			s1 += a * w[1]
			s2 += a * w[2]
			s3 += a * w[3]
		}
	}
	tileEnd(t, r, j, [4]float32{s0, s1, s2, s3})
}
