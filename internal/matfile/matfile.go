// Package matfile reads MATLAB Level 5 MAT-files, what save -v6 and -v7 write,
// and SciPy's savemat.
//
// A file holds variables, each an Array with a name. An Array has a class
// (double, int8, char, cell, struct, ...), dimensions, and elements in MATLAB's
// order, the first index running fastest. The elements of cells and structs
// are arrays again. Numbers of every class may be stored in a smaller type than
// their own; they are converted when they are asked for.
//
// Layout, all numbers in the byte order that the header names:
//
//	header    116 bytes of text, 8 of no interest, version 0x0100 (2 bytes), "MI"
//	          as a 2-byte number
//	element   type (4 bytes), size (4 bytes), size bytes, padding to 8;
//	          or in 8 bytes: type and size (2 bytes each), up to 4 bytes
//	matrix    elements within an element: flags and class, dimensions, name, then
//	          the elements of the class
//	deflated  an element that holds a zlib stream of one matrix
//
// Objects, sparse matrices, function handles and opaque variables are passed
// over: they are there by name and class, and have no elements. Other versions
// are not read: Level 4, and v7.3, which is HDF5.
//
// Files come from strangers. Reading takes memory below budgetTimes the file's
// size and budgetLeast together, however much its streams would inflate to,
// and arrays lie at most maxDepth within each other.
package matfile

import (
	"fmt"

	"github.com/clipnh/clipnh/internal/foreign"
)

const (
	budgetTimes = 256     // bytes of memory for each byte of the file
	budgetLeast = 1 << 20 // bytes of memory added to that, for tiny files that compress well

	maxDepth  = 32   // arrays within arrays
	maxDims   = 32   // dimensions of an array
	maxName   = 256  // bytes of a variable's or a field's name; MATLAB's have 63
	maxFields = 4096 // of a struct
)

// MaxFile is how many bytes a file may have.
const MaxFile = 256 << 20

// A File is the variables of a MAT-file, in its order.
type File struct {
	Variables []*Array
	path      string
}

// ReadFile reads the MAT-file at path. Errors name it, and the variable and the
// byte where something is wrong.
func ReadFile(path string) (*File, error) {
	data, err := foreign.ReadFile(path, MaxFile)
	if err != nil {
		return nil, err
	}
	return ReadNamed(path, data)
}

// ReadNamed is Read of the bytes of a file, which errors name.
func ReadNamed(name string, data []byte) (*File, error) {
	file, err := Read(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	file.path = name
	return file, nil
}

// Variable returns a variable by its name, or an error that names the file and
// what it has instead.
func (f *File) Variable(name string) (*Array, error) {
	for _, v := range f.Variables {
		if v.Name == name {
			return v, nil
		}
	}
	var names []string
	for _, v := range f.Variables {
		names = append(names, v.Name)
	}
	has := "nothing"
	if len(names) > 0 {
		has = foreign.QuoteAll(names)
	}
	return nil, fmt.Errorf("%s: no variable %q, it has %s", f.path, name, has)
}
