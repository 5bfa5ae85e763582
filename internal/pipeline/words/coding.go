package words

import (
	"errors"
	"fmt"
	"strings"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/omp"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/par"
)

// CodingOptions says which components are to be written as sums of which words.
type CodingOptions struct {
	Artefacts      artefact.Reader
	PCsPath        string   // principal directions, .npy [H,C,O] of pairs or [C,O] of neurons
	EmbeddingsPath string   // of the words, .npy or .pt [M,O]; their length counts
	Words          []string // [M]
	WordsPath      string   // where Words are from
	Normalize      omp.Normalization
	Components     int      // K, words in a code at most
	Units          []string // names such as h12n624; empty: all
	Threads        int
}

// coding is a set of components to write over a dictionary of words.
type coding struct {
	CodingOptions
	pcs   *artefact.Components
	units []int // those to code, without repetition
	words *artefact.Embeddings
}

// openCoding reads what coding needs, and checks that it fits together.
func openCoding(o CodingOptions) (*coding, error) {
	pcs, err := o.Artefacts.Components(o.PCsPath, nil)
	if err != nil {
		return nil, err
	}
	c := &coding{CodingOptions: o, pcs: pcs}
	if err := c.open(); err != nil {
		pcs.Close()
		return nil, err
	}
	return c, nil
}

func (c *coding) close() error { return c.pcs.Close() }

func (c *coding) open() error {
	var err error
	if c.units, err = c.pcs.Units.Find(c.Units); err != nil {
		return fmt.Errorf("%s: %w", c.PCsPath, err)
	}
	if len(c.Units) == 0 {
		c.units = make([]int, c.pcs.Units.Count())
		for i := range c.units {
			c.units[i] = i
		}
	}
	facts := artefact.OfModel(artefact.OriginOf(c.pcs.Artefact).Weights).Texts(c.Words)
	if c.words, err = c.Artefacts.Embeddings(c.EmbeddingsPath, facts, c.pcs.OutDim); err != nil {
		return err
	}
	switch n := c.words.Texts; {
	case n != len(c.Words):
		return fmt.Errorf("%s: embeddings of %d words, but %s has %d", c.EmbeddingsPath, n, c.WordsPath, len(c.Words))
	case c.Components > n:
		return fmt.Errorf("%s: %d words, want {num-components}, %d, or more", c.EmbeddingsPath, n, c.Components)
	}
	return nil
}

// origin says where the codes come from.
func (c *coding) origin() (origin.Origin, error) {
	from, units := artefact.OriginOf(c.pcs.Artefact), c.pcs.Units
	o := origin.Origin{
		Model: from.Model, Weights: from.Weights, Block: from.Block, Precision: from.Precision, Transformer: from.Transformer, Texts: cache.ListHash(c.Words), Mode: "n",
		Code: &origin.Code{Components: c.Components, Normalize: c.Normalize.String(), Units: "all", Neurons: units.Neurons()},
	}.Own()
	if o.Weights == "" {
		words := artefact.OriginOf(c.words.Artefact)
		o.Model, o.Weights = words.Model, words.Weights
	}
	if units.IsPairs() {
		o.Mode, o.Code.Heads = "nh", units.Shape[0]
	}
	if len(c.Units) > 0 {
		names := make([]string, len(c.units))
		for i, u := range c.units {
			names[i] = units.Name(u)
		}
		o.Code.Units = strings.Join(names, " ")
	}
	if parent := from.Parents["contributions"]; parent != "" {
		o.Parents["contributions"] = parent
	}
	return o, errors.Join(
		artefact.AddParent(&o, "components", c.PCsPath, c.pcs.Artefact),
		artefact.AddParent(&o, "embeddings", c.EmbeddingsPath, c.words.Artefact))
}

// coder prepares the dictionary. The embeddings become its atoms, so that it can
// be called once. signals is how many it will be used for.
func (c *coding) coder(signals int) (*omp.Coder, error) {
	omp.Normalize(c.words.Rows, len(c.Words), c.pcs.OutDim, c.Normalize)
	d, err := omp.NewDictionary(c.words.Rows, len(c.Words), c.pcs.OutDim)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.EmbeddingsPath, err)
	}
	return omp.NewCoder(d, omp.Options{Atoms: c.Components, Signals: signals, Team: par.NewTeam(c.Threads)})
}

// withoutContributions is an origin without what the components were computed from,
// which the components' own hash stands for.
func withoutContributions(o origin.Origin) origin.Origin {
	o = o.Own()
	delete(o.Parents, "contributions")
	return o
}

// asWritten is an origin without contributions where an artefact's has none, as older
// builds wrote it.
func asWritten(o, made origin.Origin) origin.Origin {
	if made.Parents["contributions"] == "" {
		return withoutContributions(o)
	}
	return o
}
