package ort

import (
	"fmt"
	"unicode/utf16"

	"golang.org/x/sys/windows"
)

// symbol opens a library, with those beside it that it needs, and returns the address of
// a function.
func symbol(path, name string) (uintptr, error) {
	library, err := windows.LoadLibraryEx(path, 0, windows.LOAD_WITH_ALTERED_SEARCH_PATH)
	if err != nil {
		return 0, fmt.Errorf("open %s: %w", path, err)
	}
	address, err := windows.GetProcAddress(library, name)
	if err != nil {
		return 0, fmt.Errorf("%s: is not ONNX Runtime: %w", path, err)
	}
	return address, nil
}

// pathArgument is a path as the library takes it.
func pathArgument(path string) []uint16 { return append(utf16.Encode([]rune(path)), 0) }
