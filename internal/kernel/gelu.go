package kernel

// activate applies QuickGELU or GELU to every x; see the plain Go forms. len(x) must be a
// multiple of Lanes.
func (f *family) activate(a Activation, x []float32) {
	switch {
	case len(x) == 0:
	case a == QuickGELU:
		f.quickGELU(&x[0], len(x))
	case a == GELU:
		f.gelu(&x[0], len(x))
	}
}
