package kernel

import "unsafe"

// poolRowRef pools two rows of a block in plain Go:
//
//	dst[x,l] = ((top[2x,l] + top[2x+1,l]) + (bottom[2x,l] + bottom[2x+1,l])) / 4
func poolRowRef(dst, top, bottom *float32, pixels int) {
	d, t, b := unsafe.Slice(dst, pixels*Lanes), unsafe.Slice(top, 2*pixels*Lanes), unsafe.Slice(bottom, 2*pixels*Lanes)
	for i := 0; i < len(d); i += Lanes {
		t, b := (*[2 * Lanes]float32)(t[2*i:]), (*[2 * Lanes]float32)(b[2*i:])
		for l := range Lanes {
			d[i+l] = ((t[l] + t[Lanes+l]) + (b[l] + b[Lanes+l])) * 0.25
		}
	}
}
