package pipeline

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/omp"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/textlist"
)

// CodingOptions says which directions are to be written as sums of which words.
type CodingOptions struct {
	PCsPath        string   // principal directions, .npy [H,C,O] of pairs or [C,O] of neurons
	EmbeddingsPath string   // of the words, .npy or .pt [M,O]; their length counts
	Words          []string // [M]
	WordsPath      string   // where Words are from
	Normalize      omp.Normalization
	Components     int      // K, words in a code at most
	Units          []string // names such as h12n624; empty: all
	Threads        int
}

// coding is a set of directions to write over a dictionary of words.
type coding struct {
	CodingOptions
	pcs        *directions
	units      []int // those to code, without repetition
	embeddings []float32
	words      *cache.Artefact // the embeddings', nil for a file of another program
}

// openCoding reads what coding needs, and checks that it fits together.
func openCoding(o CodingOptions) (*coding, error) {
	pcs, err := openDirections(o.PCsPath)
	if err != nil {
		return nil, err
	}
	c := &coding{CodingOptions: o, pcs: pcs}
	if err := c.open(); err != nil {
		pcs.close()
		return nil, err
	}
	return c, nil
}

func (c *coding) close() error { return c.pcs.close() }

func (c *coding) open() error {
	var err error
	if c.units, err = c.pcs.units.find(c.Units); err != nil {
		return fmt.Errorf("%s: %w", c.PCsPath, err)
	}
	if len(c.Units) == 0 {
		c.units = make([]int, product(c.pcs.units))
		for i := range c.units {
			c.units[i] = i
		}
	}
	words, err := openOurs(c.EmbeddingsPath, kindEmbeddings)
	if err != nil {
		return err
	}
	var shape []int
	if c.embeddings, shape, err = readTensor(c.EmbeddingsPath); err != nil {
		return err
	}
	switch {
	case len(shape) != 2 || product(shape) == 0:
		return fmt.Errorf("%s: shape %s, want [words,%d]", c.EmbeddingsPath, npy.ShapeString(shape), c.pcs.outDim)
	case shape[0] != len(c.Words):
		return fmt.Errorf("%s: embeddings of %d words, but %s has %d", c.EmbeddingsPath, shape[0], c.WordsPath, len(c.Words))
	case shape[1] != c.pcs.outDim:
		return fmt.Errorf("%s: %d dimensions, but the directions of %s have %d", c.EmbeddingsPath, shape[1], c.PCsPath, c.pcs.outDim)
	case c.Components > len(c.Words):
		return fmt.Errorf("%s: %d words, want --num-components, %d, or more", c.EmbeddingsPath, len(c.Words), c.Components)
	}
	for i, x := range c.embeddings {
		if x-x != 0 {
			return fmt.Errorf("%s: word %q: element %d is %g, want a finite number", c.EmbeddingsPath, c.Words[i/shape[1]], i%shape[1], x)
		}
	}
	return c.match(words)
}

// match checks that what has a manifest was made from these words and, on both
// sides, of one model. words is nil for a file of another program.
func (c *coding) match(words *cache.Artefact) error {
	c.words = words
	if words == nil {
		return nil
	}
	if err := madeFromWords(words, c.Words); err != nil {
		return err
	}
	a, weights := c.pcs.artefact, words.Manifest.Origin.Weights
	if a == nil || a.Manifest.Origin.Weights == "" {
		return nil
	}
	if err := a.Require(cache.Manifest{Origin: cache.Origin{Weights: weights}}); err != nil {
		return fmt.Errorf("%w, those of %s", err, c.EmbeddingsPath)
	}
	return nil
}

// origin says where the codes come from.
func (c *coding) origin() (cache.Origin, error) {
	o := cache.Origin{Mode: "n", Parents: map[string]string{}, Parameters: map[string]any{
		"num_components": c.Components, "normalize": c.Normalize.String(), "texts_sha256": cache.ListHash(c.Words), "units": "all",
	}}
	if c.pcs.units.pairs() {
		o.Mode = "nh"
	}
	c.pcs.units.parameters(o.Parameters)
	if len(c.Units) > 0 {
		names := make([]string, len(c.units))
		for i, u := range c.units {
			names[i] = c.pcs.units.name(u)
		}
		o.Parameters["units"] = strings.Join(names, " ")
	}
	for _, a := range []*cache.Artefact{c.words, c.pcs.artefact} {
		if a != nil && a.Manifest.Origin.Weights != "" {
			o.Model, o.Weights = a.Manifest.Origin.Model, a.Manifest.Origin.Weights
		}
	}
	return o, errors.Join(
		addParent(&o, "directions", c.PCsPath, c.pcs.artefact),
		addParent(&o, "embeddings", c.EmbeddingsPath, c.words))
}

// madeFromWords checks that an artefact was made from these words, in this
// order.
func madeFromWords(a *cache.Artefact, words []string) error {
	return a.Require(cache.Manifest{Origin: cache.Origin{Parameters: map[string]any{"texts_sha256": cache.ListHash(words)}}})
}

// openOurs opens the manifest of an artefact of a kind, and compares its bytes
// with its checksums. It returns nil for a file of another program.
func openOurs(path, kind string) (*cache.Artefact, error) {
	a, err := cache.Open(path)
	if errors.Is(err, cache.ErrNoManifest) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := a.Require(cache.Manifest{Kind: kind}); err != nil {
		return nil, err
	}
	return a, sound(a)
}

// addParent adds to an origin what was read: an artefact, or, where a is nil, a file of another program, which
// its bytes name.
func addParent(o *cache.Origin, role, path string, a *cache.Artefact) error {
	if a != nil {
		o.Parents[role] = a.Hash()
		return nil
	}
	sum, err := fileHash(path)
	o.Parameters[role+"_sha256"] = sum
	return err
}

// addRead adds to an origin a file of a kind that is to be read.
func addRead(o *cache.Origin, role, path, kind string) error {
	a, err := openOurs(path, kind)
	if err != nil {
		return unmade(err, path, makers[kind])
	}
	return addParent(o, role, path, a)
}

// addTexts adds to an origin what texts are embedded by: the embeddings, if their
// path is given, or else a tokenizer and templates.
func addTexts(o *cache.Origin, embeddings, vocab string, templates []textlist.Template) error {
	if embeddings != "" {
		return addRead(o, "embeddings", embeddings, kindEmbeddings)
	}
	o.Parameters["templates_sha256"] = templatesHash(templates)
	sum, err := fileHash(vocab)
	o.Parameters["vocab_sha256"] = sum
	return err
}

// fileHash is the SHA-256 of a file.
func fileHash(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", fmt.Errorf("read %s: %w", path, err)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// coder prepares the dictionary. The embeddings become its atoms, so that it can
// be called once. signals is how many it will be used for.
func (c *coding) coder(signals int) (*omp.Coder, error) {
	omp.Normalize(c.embeddings, len(c.Words), c.pcs.outDim, c.Normalize)
	d, err := omp.NewDictionary(c.embeddings, len(c.Words), c.pcs.outDim)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.EmbeddingsPath, err)
	}
	return omp.NewCoder(d, omp.Options{Atoms: c.Components, Signals: signals, Team: par.NewTeam(c.Threads)})
}

// directions are the principal directions of units, in a file.
type directions struct {
	path     string
	units    unitShape
	outDim   int
	file     *npy.File
	artefact *cache.Artefact // nil for a file of another program
}

func openDirections(path string) (*directions, error) {
	a, err := openOurs(path, kindDirections)
	if err != nil {
		return nil, undirected(err, path)
	}
	f, err := npy.Open(path)
	if err != nil {
		return nil, err
	}
	shape := f.Shape
	if len(shape) != 2 && len(shape) != 3 || product(shape) == 0 {
		f.Close()
		return nil, fmt.Errorf("%s: shape %s, want [H,C,O] of pairs or [C,O] of neurons", path, npy.ShapeString(shape))
	}
	last := len(shape) - 1
	return &directions{path: path, units: slices.Clone(shape[:last]), outDim: shape[last], file: f, artefact: a}, nil
}

// undirected adds to the error of directions that are not there how they are
// made.
func undirected(err error, path string) error {
	if !errors.Is(err, cache.ErrMissing) {
		return err
	}
	return hinted{err, fmt.Sprintf("run \"clipnh svd --out-save-path %s\" first", path)}
}

func (d *directions) close() error { return d.file.Close() }

// read returns the directions of some units, [len(units),O], and checks that
// they are finite.
func (d *directions) read(units []int) ([]float32, error) {
	rows := make([]float32, len(units)*d.outDim)
	for lo := 0; lo < len(units); {
		hi := lo + 1 // of a run of units that lie one after the other
		for hi < len(units) && units[hi] == units[hi-1]+1 {
			hi++
		}
		if err := d.file.ReadFloat32(rows[lo*d.outDim:hi*d.outDim], int64(units[lo])*int64(d.outDim)); err != nil {
			return nil, err
		}
		lo = hi
	}
	for i, x := range rows {
		if x-x != 0 {
			return nil, fmt.Errorf("%s: direction of %s: element %d is %g, want a finite number", d.path, d.units.name(units[i/d.outDim]), i%d.outDim, x)
		}
	}
	return rows, nil
}
