package cache

import (
	"errors"
	"fmt"
	"slices"

	"github.com/clipnh/clipnh/internal/quantity"
)

// mostCuts bounds the cuts that a manifest may have: as many as archives have names by one pattern.
const mostCuts = 1_000_000

// A Chunking is how inputs are cut into chunks: of a size each, counted from 0 and again from every
// cut, so that chunks end there. Those before a cut, and the last, may be smaller. It is the one
// place where the number of a chunk becomes that of an input.
type Chunking struct {
	inputs, size int
	cuts         []int // the first inputs of stretches but the first: ascending, above 0 and below inputs
	before       []int // chunks before each cut
}

// NewChunking cuts inputs into chunks of a size, at least 1, that end at cuts too.
func NewChunking(inputs, size int, cuts []int) Chunking {
	c := Chunking{inputs: inputs, size: max(size, 1), cuts: cuts, before: make([]int, len(cuts))}
	start, chunks := 0, 0
	for i, cut := range cuts {
		chunks += chunksIn(cut-start, c.size)
		c.before[i], start = chunks, cut
	}
	return c
}

// chunksIn is how many chunks of a size inputs make.
func chunksIn(inputs, size int) int {
	n := inputs / size
	if inputs%size > 0 {
		n++
	}
	return n
}

// Inputs is how many inputs all chunks have.
func (c Chunking) Inputs() int { return c.inputs }

// Size is how many inputs a chunk has at most.
func (c Chunking) Size() int { return c.size }

// Cuts are the inputs at which chunks end, whatever their size.
func (c Chunking) Cuts() []int { return c.cuts }

// stretch returns the first input of stretch i, the one behind its last, and the chunks before it.
func (c Chunking) stretch(i int) (start, end, before int) {
	end = c.inputs
	if i < len(c.cuts) {
		end = c.cuts[i]
	}
	if i > 0 {
		start, before = c.cuts[i-1], c.before[i-1]
	}
	return start, end, before
}

// Chunks is how many chunks there are.
func (c Chunking) Chunks() int {
	start, end, before := c.stretch(len(c.cuts))
	return before + chunksIn(end-start, c.size)
}

// First is the first input of a chunk. Of chunks behind the last it is the number of inputs.
func (c Chunking) First(chunk int) int {
	if chunk >= c.Chunks() {
		return c.inputs
	}
	i, at := slices.BinarySearch(c.before, chunk)
	if at {
		i++
	}
	start, _, before := c.stretch(i)
	return start + (chunk-before)*c.size
}

// Len is how many inputs a chunk has.
func (c Chunking) Len(chunk int) int { return c.First(chunk+1) - c.First(chunk) }

// Whole is how many chunks the first inputs make, not counting one of which some are missing.
func (c Chunking) Whole(inputs int) int {
	if inputs >= c.inputs {
		return c.Chunks()
	}
	i, at := slices.BinarySearch(c.cuts, inputs)
	if at {
		i++
	}
	start, _, before := c.stretch(i)
	return before + (inputs-start)/c.size
}

// Left is how many inputs there are from one on to the end of its chunk.
func (c Chunking) Left(input int) int { return c.First(c.Whole(input)+1) - input }

// Part returns the cuts among inputs lo to hi, counted from lo.
func (c Chunking) Part(lo, hi int) []int {
	var part []int
	for _, cut := range c.cuts {
		if lo < cut && cut < hi {
			part = append(part, cut-lo)
		}
	}
	return part
}

// KeptCuts returns those of the places where an archive ends, ascending, at which chunks of a size
// end too: each has at least half a chunk between it and the one kept before, so that many small
// archives do not make as many small chunks.
func KeptCuts(ends []int, size int) []int {
	var kept []int
	last := 0
	for _, end := range ends {
		if end-last >= max((size+1)/2, 1) && len(kept) < mostCuts {
			kept, last = append(kept, end), end
		}
	}
	return kept
}

// Chunking is how the inputs of a collection are cut into chunks.
func (m Manifest) Chunking() Chunking { return NewChunking(m.Inputs, m.ChunkInputs, m.Cuts) }

// Chunking is how the inputs of a plan are cut into chunks.
func (p Plan) Chunking() Chunking { return NewChunking(p.Inputs, p.ChunkInputs, p.Cuts) }

// checkCuts returns an error unless cuts are those of inputs.
func checkCuts(cuts []int, inputs int) error {
	if len(cuts) > mostCuts {
		return fmt.Errorf("%s, want at most %d", quantity.Of(len(cuts), "cut"), mostCuts)
	}
	last := 0
	for _, cut := range cuts {
		if cut <= last || cut >= inputs {
			return fmt.Errorf("a cut at %d behind one at %d of %s", cut, last, quantity.Of(inputs, "input"))
		}
		last = cut
	}
	return nil
}

// checkCuts returns an error unless m has cuts of its own inputs, and of those of all shards.
func (m *Manifest) checkCuts() error {
	if len(m.Cuts) > 0 && m.ChunkInputs < 1 {
		return errors.New("cuts without chunks")
	}
	err := checkCuts(m.Cuts, m.Inputs)
	if s := m.Origin.Shard; err == nil && s != nil {
		err = checkCuts(s.Cuts, s.Inputs)
	}
	return err
}

// HasCuts reports whether a collection, or all shards of one, has chunks that end at cuts.
func (m *Manifest) HasCuts() bool {
	if s := m.Origin.Shard; s != nil {
		return len(s.Cuts) > 0
	}
	return len(m.Cuts) > 0
}
