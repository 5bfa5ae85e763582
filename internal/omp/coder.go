package omp

import (
	"context"
	"fmt"

	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/usage"
)

// Coder codes signals over one dictionary. It keeps data that all signals share, so
// one Coder should code all of them, in any number of batches. It is not safe for
// concurrent use.
//
// With 30,000 words of 768 dimensions, 64 atoms, and enough signals to justify a
// Gram matrix, it takes 2.8 GB in addition to the dictionary, the signals and the
// codes; otherwise less than 0.2 GB.
type Coder struct {
	d      *Dictionary
	atoms  int // K
	team   par.Team
	engine engine
	block  int // maximum number of signals coded at the same time

	pursuits []pursuit
	marks    [][]mark
	spaces   []workspace
}

// Options are the settings of a Coder.
type Options struct {
	Atoms   int // K, the largest number of atoms in a code
	Signals int // approximate total number of signals; the best engine depends on it
	Team    par.Team
}

// blockMemory bounds the memory of a block's pursuits, in bytes.
const blockMemory = 1400 << 20

// NewCoder returns a Coder. It returns an error unless o.Atoms is between 1 and the
// number of words.
func NewCoder(d *Dictionary, o Options) (*Coder, error) {
	if o.Atoms < 1 || o.Atoms > d.Words {
		return nil, usage.Errorf("%d atoms per code, want 1 to %d, the words of the dictionary", o.Atoms, d.Words)
	}
	if wantGram(d, o) {
		return newCoder(d, o, newGram(d, o.Team), gramSignals, panelCount(d.Words)*sumsBytes), nil
	}
	return newCoder(d, o, newSweep(d, o.Team), sweepSignals, 4*d.Dims), nil
}

// newCoder returns a Coder with an engine that handles at most block signals at a
// time and takes the given number of bytes for each.
func newCoder(d *Dictionary, o Options, e engine, block, bytes int) *Coder {
	c := &Coder{
		d: d, atoms: o.Atoms, team: o.Team, engine: e,
		block: max(1, min(block, blockMemory/(bytes+pursuitBytes(d.Dims, o.Atoms)))),
		marks: make([][]mark, o.Team.Size()), spaces: make([]workspace, o.Team.Size()),
	}
	for w := range c.spaces {
		c.spaces[w].wide = make([]float64, d.Dims)
	}
	return c
}

// gramSlowness is how many times faster Sgemm is than adding up rows of the Gram
// matrix, rounded up because the matrix takes memory that sweep does not.
const gramSlowness = 8

// wantGram reports whether the gram engine is faster, by the count of multiply-adds
// per word.
func wantGram(d *Dictionary, o Options) bool {
	if panelCount(d.Words)*d.Words*panelBytes > gramLimit {
		return false
	}
	steps := float64(o.Signals) * float64(min(o.Atoms, d.Dims))
	products := float64(d.Words+o.Signals) * float64(d.Dims) // G and X y
	sums := steps * float64(o.Atoms) / 2
	return products+gramSlowness*sums < steps*float64(d.Dims)
}

// Code codes a batch. For each signal it repeatedly takes the best atom, the one with
// the largest absolute correlation with the residual, until there are Atoms of them
// or a Stop ends the pursuit. Among exactly equal atoms it takes the first in
// scikit-learn's order: the order of the dictionary, except that each chosen atom has
// been swapped with the one after the support.
//
// It returns an error if an element is NaN or infinite, if a signal's norm is above
// 2^30, or if ctx is done, which is checked before each step of a block of signals.
// progress, unless nil, is called after each step with the number of the batch's
// Count·Atoms steps that are done, including steps that a code skipped by stopping
// early.
func (c *Coder) Code(ctx context.Context, s *Signals, progress func(done int)) (*Codes, error) {
	if err := s.check(c.d.Dims); err != nil {
		return nil, err
	}
	codes := newCodes(s.Count, c.atoms, c.d.Words)
	for first := 0; first < s.Count; first += c.block {
		n := min(c.block, s.Count-first)
		if len(c.pursuits) < n {
			c.pursuits = newPursuits(n, c.d.Dims, c.atoms)
			for w := range c.marks {
				c.marks[w] = make([]mark, n)
			}
		}
		b := &block{team: c.team, signals: s, first: first, pursuits: c.pursuits[:n], marks: c.marks}
		if err := c.run(ctx, b, progress); err != nil {
			return nil, err
		}
		for i := range b.pursuits {
			codes.set(first+i, &b.pursuits[i])
		}
	}
	return codes, nil
}

// run codes a block.
func (c *Coder) run(ctx context.Context, b *block, progress func(done int)) error {
	b.team.For(len(b.pursuits), func(lo, hi, _ int) {
		for i := lo; i < hi; i++ {
			b.pursuits[i].start(b.signals, b.first+i)
		}
	})
	for i := range b.pursuits {
		if norm := b.pursuits[i].norm; norm > 1<<maxExponent {
			return fmt.Errorf("signal %d: norm %.3g, want at most 2^%d", b.first+i, norm, maxExponent)
		}
		b.running = append(b.running, i)
	}
	b.sift()
	if len(b.running) > 0 {
		if err := c.engine.begin(ctx, b); err != nil {
			return err
		}
	}
	for step := range c.atoms {
		if err := ctx.Err(); err != nil {
			return err
		}
		if len(b.running) > 0 {
			c.engine.screen(b)
			b.advance(c.d, c.spaces)
		}
		if progress != nil {
			progress(b.first*c.atoms + len(b.pursuits)*(step+1))
		}
	}
	return nil
}
