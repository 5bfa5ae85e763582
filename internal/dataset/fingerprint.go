package dataset

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"

	"github.com/clipnh/clipnh/internal/foreign"
)

// unopened is the size recorded for an image file that cannot be opened.
const unopened = -1

// Sizes returns the size of each image file in bytes, or -1 for one that cannot be
// opened. A later reader can tell by it which files have since changed, vanished or
// become unreadable. Sizes are not cached: each call asks the file system.
func (d *Dataset) Sizes() []int64 {
	sizes := make([]int64, len(d.Items))
	for i, item := range d.Items {
		sizes[i] = size(item.Path)
	}
	return sizes
}

func size(path string) int64 {
	f, err := foreign.Open(path) // a pipe among the images would be waited for without end
	if err != nil {
		return unopened
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return unopened
	}
	return info.Size()
}

// Fingerprint is FingerprintOf the sizes that the files have now.
func (d *Dataset) Fingerprint() string { return d.FingerprintOf(d.Sizes()) }

// FingerprintOf is the SHA-256 of the images' names and sizes in order, in hex:
// each name, a zero byte, the size of its file in bytes ("?" where it cannot be
// opened), a newline. It does not depend on where the folder lies, nor on labels.
func (d *Dataset) FingerprintOf(sizes []int64) string {
	sum := sha256.New()
	for i, item := range d.Items {
		sum.Write(fingerprintLine(item.Name, sizes[i]))
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// fingerprint is FingerprintOf for the files that each adds.
func fingerprint(each func(add func(name, path string))) string {
	sum := sha256.New()
	each(func(name, path string) { sum.Write(fingerprintLine(name, size(path))) })
	return hex.EncodeToString(sum.Sum(nil))
}

func fingerprintLine(name string, size int64) []byte {
	line := append([]byte(name), 0)
	if size == unopened {
		return append(line, "?\n"...)
	}
	return append(strconv.AppendInt(line, size, 10), '\n')
}
