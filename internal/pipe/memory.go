package pipe

import (
	"fmt"
	"os"
	"unsafe"
)

// Batches go through memory that both processes have mapped, where the system has such:
// through the pipe a byte is copied four times, which takes longer than a fast graphics
// card needs for the images. Requests and answers then hold no numbers, but say that they
// are there.

// Memory asks the helper to map that many bytes of the file at its fourth descriptor.
type Memory struct {
	Bytes int64 `json:"bytes"`
}

// Batch asks the helper to run a batch that is in shared memory.
type Batch struct {
	Images int `json:"images"`
}

// shared is memory of both processes, and the file that is behind it.
type shared struct {
	file *os.File
	data []byte
}

// alignment is that of the numbers of a value within shared memory, in bytes: a cache line.
const alignment = 64

// places are the numbers of a batch within shared memory: those of the input, then those of
// each output, each at a multiple of alignment. end is the bytes that they take.
func (g *Graph) places(images int) (at []int64, end int64) {
	for _, v := range append([]Value{g.Input}, g.Outputs...) {
		at = append(at, end)
		end += (4*int64(images)*int64(v.Len()) + alignment - 1) / alignment * alignment
	}
	return at, end
}

// floats are n numbers from a place on.
func (s *shared) floats(at int64, n int) []float32 {
	if at < 0 || n < 0 || at%4 != 0 || at+4*int64(n) > int64(len(s.data)) {
		panic("pipe: numbers outside of the shared memory")
	}
	if n == 0 {
		return nil
	}
	return unsafe.Slice((*float32)(unsafe.Pointer(&s.data[at])), n)
}

// grow makes the file longer and maps it.
func (s *shared) grow(bytes int64) error {
	if err := grow(s.file, bytes); err != nil {
		return err
	}
	return s.resize(bytes)
}

// resize maps a number of bytes of the file, which must be that long, in place of those
// mapped before.
func (s *shared) resize(bytes int64) error {
	s.unmap()
	data, err := mapShared(s.file, bytes)
	if err != nil {
		return fmt.Errorf("map %d bytes of shared memory: %w", bytes, err)
	}
	s.data = data
	return nil
}

func (s *shared) unmap() {
	if s.data != nil {
		_ = unmapShared(s.data) // which fails only for what is not mapped
		s.data = nil
	}
}

func (s *shared) close() {
	s.unmap()
	_ = s.file.Close() // nobody else sees what it holds
}
