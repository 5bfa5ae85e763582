package cache

import (
	"iter"
	"slices"
)

// InputSums returns the checksums of the chunk's inputs, or nil if they are not
// known.
func (c Chunk) InputSums() []uint32 {
	sums, err := ParseSums(c.Inputs)
	if err != nil {
		return nil // checked when it was read
	}
	return sums
}

// InputSums returns the checksums of the inputs of a collection, in order, up to the first
// chunk without known checksums, or of a file without chunks.
func (a *Artefact) InputSums() []uint32 {
	if len(a.Manifest.Payloads) == 0 {
		return nil
	}
	main := a.Manifest.Payloads[0]
	if main.Chunks == nil {
		return Chunk{Inputs: main.Inputs}.InputSums()
	}
	return sumsOf(slices.Values(main.Chunks))
}

func sumsOf(chunks iter.Seq[Chunk]) []uint32 {
	var sums []uint32
	for c := range chunks {
		of := c.InputSums()
		if of == nil {
			break
		}
		sums = append(sums, of...)
	}
	return sums
}
