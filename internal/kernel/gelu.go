package kernel

// activate replaces every x by x / (1 + exp(-1.702 x)). len(x) must be a multiple of
// Lanes.
func (f *family) activate(x []float32) {
	if len(x) > 0 {
		f.quickGELU(&x[0], len(x))
	}
}
