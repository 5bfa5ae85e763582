//go:build !windows

package ort

import (
	"fmt"

	"github.com/ebitengine/purego"
)

// symbol opens a library and returns the address of a function.
func symbol(path, name string) (uintptr, error) {
	library, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_GLOBAL)
	if err != nil {
		return 0, fmt.Errorf("open %s: %w", path, err)
	}
	address, err := purego.Dlsym(library, name)
	if err != nil {
		return 0, fmt.Errorf("%s: is not ONNX Runtime: %w", path, err)
	}
	return address, nil
}

// pathArgument is a path as the library takes it.
func pathArgument(path string) []byte { return append([]byte(path), 0) }
