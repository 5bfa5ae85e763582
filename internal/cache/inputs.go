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

// InputSums returns the checksums of the inputs of the finished chunks, in order,
// up to the first chunk without known checksums.
func (w *ChunkWriter) InputSums() []uint32 {
	return sumsOf(func(yield func(Chunk) bool) {
		for _, c := range w.chunks {
			if !yield(c.Chunk) {
				return
			}
		}
	})
}

// Held reports of each input that InputSums has a checksum of whether what HeldBy says of its
// chunk now is what it said when the chunk was finished, so that its bytes are the same.
func (w *ChunkWriter) Held() []bool {
	var all []bool
	for i, c := range w.chunks {
		of := c.InputSums()
		if of == nil {
			break
		}
		held := c.HeldBy != "" && c.HeldBy == w.heldBy(i)
		for range of {
			all = append(all, held)
		}
	}
	return all
}

// heldBy is HeldBy of the inputs of a chunk.
func (w *ChunkWriter) heldBy(chunk int) string {
	if w.HeldBy == nil {
		return ""
	}
	lo := w.cut.First(chunk)
	return w.HeldBy(lo, lo+w.cut.Len(chunk))
}
