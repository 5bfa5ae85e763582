package kernel

// activate applies QuickGELU or GELU to every x; see the plain Go forms. len(x) must be a
// multiple of Lanes.
func (f *family) activate(a Activation, x []float32) {
	if run := f.activation(a); run != nil && len(x) > 0 {
		run(&x[0], len(x))
	}
}

// activation returns the kernel of an activation, nil if the tile kernels have it.
func (f *family) activation(a Activation) func(x *float32, n int) {
	switch a {
	case QuickGELU:
		return f.quickGELU
	case GELU:
		return f.gelu
	}
	return nil
}
