package artefact

import "github.com/clipnh/clipnh/internal/cache"

// An ImageSum is the CRC-32C of the file of an image, if it is known.
type ImageSum struct {
	CRC   uint32
	Known bool
}

// Differs reports whether two files are known to differ.
func (s ImageSum) Differs(from ImageSum) bool { return s.Known && from.Known && s.CRC != from.CRC }

// ImageSums returns the checksums of the images that have a row in a collection, in the
// rows' order. They are not known of another program's files (a is nil), of collections
// without chunks or of older builds, and of chunks in which images were skipped: the
// manifest does not say which.
func ImageSums(a *cache.Artefact, images int) []ImageSum {
	sums := make([]ImageSum, images)
	if a == nil || len(a.Manifest.Payloads) == 0 {
		return sums
	}
	row := 0
	for _, c := range a.Manifest.Payloads[0].Chunks {
		if of := c.InputSums(); len(of) == c.Rows && row+c.Rows <= images {
			for i, sum := range of {
				sums[row+i] = ImageSum{sum, true}
			}
		}
		row += c.Rows
	}
	return sums
}
