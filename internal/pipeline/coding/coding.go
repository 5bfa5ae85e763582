// Package coding writes components as short lists of words, for every stage that
// shows or measures such descriptions.
package coding

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/describe"
	"github.com/clipnh/clipnh/internal/omp"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/usage"
)

// Options says which components are to be described by which words, and how.
type Options struct {
	Artefacts artefact.Reader
	Of        artefact.Facts // of the components, which are compared before anything else
	PCsPath   string         // principal components, .npy [H,C,O] of pairs or [C,O] of neurons

	// Opened are the components of PCsPath where they are open already; they are left open. Nil:
	// they are opened.
	Opened *artefact.Components

	EmbeddingsPath string   // of the words, .npy or .pt [M,O]; their length counts
	Words          []string // [M]
	WordsPath      string   // where Words are from
	Method         describe.Method
	Normalize      omp.Normalization
	Components     int      // K, words in a code at most
	Units          []string // names such as h12n624; empty: all
	CollectPath    string   // the scores that components of neurons were computed from, for TextSpan
	Threads        int
}

// Coding is a set of components to describe over a dictionary of words.
type Coding struct {
	Options
	PCs        *artefact.Components
	Indices    []int // the units to code, without repetition
	Embeddings *artefact.Embeddings

	spread *spread // of neurons' contributions, for TextSpan; else nil
	coder  *describe.Coder

	closePCs func() error
}

// components returns those of the options, and what closes them.
func (o Options) components(facts artefact.Facts) (*artefact.Components, func() error, error) {
	if o.Opened != nil {
		own := *o.Opened // its owner may want unit vectors
		return &own, func() error { return nil }, nil
	}
	pcs, err := o.Artefacts.Components(o.PCsPath, facts)
	if err != nil {
		return nil, nil, err
	}
	return pcs, pcs.Close, nil
}

// Open reads what coding needs, and checks that it fits together.
func Open(o Options) (*Coding, error) {
	pcs, closePCs, err := o.components(o.Of)
	if err != nil {
		return nil, err
	}
	pcs.AnyLength = true
	c := &Coding{Options: o, PCs: pcs, closePCs: closePCs}
	if err := c.open(); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// Close closes the files.
func (c *Coding) Close() error {
	if c.spread != nil {
		return errors.Join(c.closePCs(), c.spread.scores.Close())
	}
	return c.closePCs()
}

func (c *Coding) open() error {
	var err error
	if c.Indices, err = c.PCs.Units.Find(c.Units); err != nil {
		return fmt.Errorf("%s: %w", c.PCsPath, err)
	}
	if len(c.Units) == 0 {
		c.Indices = make([]int, c.PCs.Units.Count())
		for i := range c.Indices {
			c.Indices[i] = i
		}
	}
	facts := artefact.OfModel(artefact.OriginOf(c.PCs.Artefact)).Texts(c.Words)
	if c.Embeddings, err = c.Artefacts.Embeddings(c.EmbeddingsPath, facts, c.PCs.OutDim); err != nil {
		return err
	}
	switch n := c.Embeddings.Texts; {
	case n != len(c.Words):
		return fmt.Errorf("%s: embeddings of %s, but %s has %d", c.EmbeddingsPath, quantity.Of(n, "word"), c.WordsPath, len(c.Words))
	case c.Components > n:
		return usage.Errorf("{num-components} %d: %s has %s, want at most that many", c.Components, c.EmbeddingsPath, quantity.Of(n, "word"))
	}
	if c.Method == describe.OMP && c.Components >= c.PCs.OutDim && c.Artefacts.Warn != nil {
		c.Artefacts.Warn("{num-components} %d: directions have %s, and that many words reproduce any of them exactly: take fewer for a description", c.Components, quantity.Of(c.PCs.OutDim, "dimension"))
	}
	if c.CollectPath != "" && (c.Method != describe.TextSpan || c.PCs.Units.IsPairs()) {
		return usage.Errorf("{svd-scores} %s: has no effect: scores are read for textspan of neurons, but this is %s, and %s has components of %ss",
			c.CollectPath, c.Method, c.PCsPath, c.PCs.Units.Kind())
	}
	if c.Method == describe.TextSpan && !c.PCs.Units.IsPairs() {
		c.spread, err = openSpread(c)
	}
	return err
}

// Origin says where the codes come from.
func (c *Coding) Origin() (origin.Origin, error) {
	from, units := artefact.OriginOf(c.PCs.Artefact), c.PCs.Units
	o := origin.Origin{
		Model: from.Model, Weights: from.Weights, Tensors: from.Tensors, Block: from.Block, Precision: from.Precision, Transformer: from.Transformer, Texts: cache.ListHash(c.Words), Mode: "n",
		Code: &origin.Code{Components: c.Components, Normalize: c.Normalize.String(), Units: "all", Neurons: units.Neurons()},
	}.Own()
	if c.Method != describe.OMP {
		o.Code.Method = c.Method.String()
	}
	if o.Weights == "" {
		words := artefact.OriginOf(c.Embeddings.Artefact)
		o.Model = words.Model
		o = o.WithWeights(words)
	}
	if units.IsPairs() {
		o.Mode, o.Code.Heads = "nh", units.Shape[0]
	}
	if len(c.Units) > 0 {
		names := make([]string, len(c.Indices))
		for i, u := range c.Indices {
			names[i] = units.Name(u)
		}
		o.Code.Units = strings.Join(names, " ")
	}
	if parent := from.Parents["contributions"]; parent != "" {
		o.AddParent("contributions", parent, from.Subjects["contributions"])
	}
	if c.spread != nil {
		o.AddParent("contributions", c.spread.scores.Hash(), c.spread.scores.Manifest.Origin.Subject())
	}
	return o, errors.Join(
		artefact.AddParent(&o, "components", c.PCsPath, c.PCs.Artefact),
		artefact.AddParent(&o, "embeddings", c.EmbeddingsPath, c.Embeddings.Artefact))
}

// Prepare makes the dictionary, of which the embeddings become the atoms. signals is
// how many units will be coded. It must be called once, before Code.
func (c *Coding) Prepare(ctx context.Context, signals int) error {
	team := par.NewTeam(c.Threads)
	omp.Normalize(c.Embeddings.Rows, len(c.Words), c.PCs.OutDim, c.Normalize)
	var err error
	c.coder, err = describe.New(c.Method, c.Embeddings.Rows, len(c.Words), c.PCs.OutDim, omp.Options{Atoms: c.Components, Signals: signals, Team: team})
	if err != nil {
		return fmt.Errorf("%s: %w", c.EmbeddingsPath, err)
	}
	if c.spread != nil {
		return c.spread.read(ctx, team)
	}
	return nil
}

// Code codes a batch of units, whose components it reads. progress, unless nil, is
// called with the number of the batch's units·K steps that are done.
func (c *Coding) Code(ctx context.Context, units []int, progress func(steps int)) (*omp.Codes, error) {
	rows, err := c.PCs.Read(units)
	if err != nil {
		return nil, err
	}
	b := describe.Batch{Count: len(units), Rows: rows}
	if c.spread != nil {
		b.Factors, b.Rank = func(first, n int) []float32 { return c.spread.factors(units[first : first+n]) }, c.spread.scores.OV.Heads
	}
	codes, err := c.coder.Code(ctx, b, progress)
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("%s: from %s on: %w", c.PCsPath, c.PCs.Units.Name(units[0]), err)
	}
	return codes, err
}

// BatchUnits is how many units are coded at the same time where there are many.
const BatchUnits = 8192
