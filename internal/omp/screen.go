package omp

import (
	"context"

	"github.com/clipnh/clipnh/internal/par"
)

// An engine computes the correlations of many residuals with all atoms, in float32,
// and collects the candidates: all atoms that could be the best, given the bound on
// the error of the correlations.
type engine interface {
	// begin prepares a new block of signals.
	begin(ctx context.Context, b *block) error
	// screen marks the candidates of every running pursuit of the block.
	screen(b *block)
}

// block is a set of signals that are coded at the same time.
type block struct {
	team     par.Team
	signals  *Signals
	first    int // index of its first signal in the batch
	pursuits []pursuit
	running  []int // pursuits that have not ended, ascending

	// marks[w][i] holds the candidates of pursuit i that worker w found. An engine
	// may split atoms or signals among workers.
	marks [][]mark
}

// candidate is an atom and the upper bound of the size of its correlation.
type candidate struct {
	word  int32
	upper float32
}

// mark collects the candidates of one residual while correlations are computed.
// Sizes are in the engine's units.
//
// If c is the computed correlation with an atom of norm n, the true one is within
// n·margin of c.
type mark struct {
	margin float32
	least  float32 // lower bound of the best atom's correlation, unless that is too small to be chosen
	list   []candidate
}

// unit is the relative error of rounding to float32.
const unit = 1.0 / (1 << 24)

// reset begins a new step, in which correlations of a size below floor cannot be
// chosen.
func (m *mark) reset(floor, margin float64) {
	m.least = float32(floor * (1 - 4*unit))
	m.margin = float32(margin * (1 + 4*unit))
	m.list = m.list[:0]
}

// add makes a word a candidate. The size of its correlation is between lower and
// upper.
func (m *mark) add(word int, lower, upper float32) {
	m.list = append(m.list, candidate{int32(word), upper})
	m.least = max(m.least, lower)
}

// candidates appends the words that remain candidates of pursuit i after the results
// of all workers are combined.
func candidates(words []int32, marks [][]mark, i int) []int32 {
	least := float32(0)
	for w := range marks {
		least = max(least, marks[w][i].least)
	}
	for w := range marks {
		for _, c := range marks[w][i].list {
			if c.upper >= least {
				words = append(words, c.word)
			}
		}
	}
	return words
}

// advance takes one step of every running pursuit, with the collected candidates.
func (b *block) advance(d *Dictionary, spaces []workspace) {
	b.team.For(len(b.running), func(lo, hi, worker int) {
		space := &spaces[worker]
		for _, i := range b.running[lo:hi] {
			space.words = candidates(space.words[:0], b.marks, i)
			b.pursuits[i].extend(d, space.words, space.wide)
		}
	})
	b.sift()
}

// sift removes the pursuits that have ended from running, and ends those whose
// residual is zero.
func (b *block) sift() {
	left := b.running[:0]
	for _, i := range b.running {
		p := &b.pursuits[i]
		if p.running && p.length == 0 {
			p.end(Weak)
		}
		if p.running {
			left = append(left, i)
		}
	}
	b.running = left
}

// workspace is one worker's scratch memory.
type workspace struct {
	words []int32
	wide  []float64 // [Dims]
}
