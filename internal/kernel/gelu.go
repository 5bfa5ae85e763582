package kernel

// quickGELU replaces every x by x / (1 + exp(-1.702 x)).
func quickGELU(x []float32) { quickGELURef(x) }
