//go:build !amd64 || noasm

package omp

// panels returns the only implementation of this build.
func panels() panelFuncs { return panelFuncs{accumulateRef, hitsRef} }
