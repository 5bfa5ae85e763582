package kernel

// poolRowRef pools one pair of rows, which follow each other in src:
//
//	dst[x,l] = ((src[0,2x,l] + src[0,2x+1,l]) + (src[1,2x,l] + src[1,2x+1,l])) / 4
func poolRowRef(dst, src []float32) {
	top, bottom := src[:len(src)/2], src[len(src)/2:]
	for i := 0; i < len(dst); i += Lanes {
		d := (*[Lanes]float32)(dst[i:])
		t := (*[2 * Lanes]float32)(top[2*i:])
		b := (*[2 * Lanes]float32)(bottom[2*i:])
		for l := range d {
			d[l] = ((t[l] + t[Lanes+l]) + (b[l] + b[Lanes+l])) * 0.25
		}
	}
}
