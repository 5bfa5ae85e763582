package evaluate

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/omp"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/ui"
	"github.com/clipnh/clipnh/internal/usage"
)

// ReconstructOptions says what to put features together from.
type ReconstructOptions struct {
	source.Options

	Means string   // .npy [H,C,O] of pairs or [C,O] of neurons; its shape says which units are meant
	PCs   []string // .npy of the same shape; their projections add up

	// Instead of PCs: sparse codes over texts, .npz [units,texts].
	Codes     string
	Texts     string            // embeddings of the texts, [texts,O]
	Normalize omp.Normalization // of the dictionary

	ClassesPath  string // class embeddings
	FeaturesPath string // .npy; may be empty
	Writer       artefact.Writer
	Threads      int
}

// ReconstructResult is the result of the reconstruction, its only variant.
type ReconstructResult struct {
	Evaluation
	Unit       string `json:"unit"`            // pair or neuron
	Directions int    `json:"directions"`      // for each unit
	Null       int    `json:"zero_directions"` // directions that are zero, whose units keep their mean only
}

// Reconstruct measures zero-shot accuracy with features put together from the
// principal directions of pairs or neurons, beside the untouched model's on the
// same images.
func Reconstruct(ctx context.Context, o ReconstructOptions, say ui.Reporter) (*ReconstructResult, error) {
	if err := artefact.MakeFolders(o.FeaturesPath); err != nil {
		return nil, err
	}
	o.LayerFrom = append([]string{o.Means, o.Codes}, o.PCs...)
	src, err := source.Open(ctx, o.Options, o.Threads, say)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	r, err := openReconstruction(src, o)
	if err != nil {
		return nil, err
	}
	defer r.close()
	features, err := r.features(ctx)
	if err != nil {
		return nil, err
	}
	from := src.Origin.Own()
	from.Mode = "reconstruct"
	if o.FeaturesPath != "" {
		if err := r.addParents(&from, o); err != nil {
			return nil, err
		}
	}
	v := variant{VariantScore{Variant: r.name()}, features}
	e, err := evaluate(ctx, src, []variant{v}, evaluateOptions{o.Artefacts, o.Writer, "reconstruct", o.ClassesPath, o.Data, dataset.TableOptions{}, o.FeaturesPath, from, o.Threads}, say)
	if e == nil {
		return nil, err
	}
	unit := "pair"
	if r.perNeuron() {
		unit = "neuron"
	}
	return &ReconstructResult{Evaluation: *e, Unit: unit, Directions: len(r.directions), Null: r.null}, err
}

// reconstruction is what a Reconstruct works with.
type reconstruction struct {
	src        *source.Source
	means      *artefact.Tensor
	directions []unitDirections
	codes      *codedDirections // instead of components
	team       par.Team
	null       int
	units      [][]float32 // what read returns: the means, and each of directions
}

// unitDirections are one of each unit, [U,O], read in pieces.
type unitDirections interface {
	// read fills dst with those of the units from first on.
	read(dst []float32, first int) error
	close() error
}

// storedComponents are those of a file.
type storedComponents struct{ *artefact.Tensor }

func (d storedComponents) read(dst []float32, first int) error {
	return d.ComponentRows(dst, first)
}

func (d storedComponents) close() error { return d.Close() }

func openReconstruction(src *source.Source, o ReconstructOptions) (*reconstruction, error) {
	r := &reconstruction{src: src, team: par.NewTeam(o.Threads)}
	var err error
	if r.means, err = o.Artefacts.Tensor(o.Means, artefact.Of(src.Origin).Form(src.Origin), artefact.KindMeans); err != nil {
		return nil, err
	}
	if err = src.PreparedAlike(o.Artefacts, r.means.Artefact); err == nil {
		err = r.open(o)
	}
	if err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

func (r *reconstruction) open(o ReconstructOptions) error {
	neurons := []int{r.src.Neurons, r.src.OutDim}
	pairs := append([]int{r.src.Heads}, neurons...)
	switch shape := r.means.Shape; {
	case slices.Equal(shape, neurons), slices.Equal(shape, pairs) && r.src.Heads > 0:
	case r.src.Heads == 0:
		return r.means.WrongShape(npy.ShapeString(neurons) + ", as contributions are summed over heads")
	default:
		return r.means.WrongShape(npy.ShapeString(pairs) + " of pairs or " + npy.ShapeString(neurons) + " of neurons")
	}
	if o.Codes != "" {
		d, err := openCodes(o.Artefacts, o.Codes, o.Texts, o.Normalize, r.means.Shape, r.src.Origin, r.team)
		if err != nil {
			return err
		}
		r.codes, r.directions = d, append(r.directions, d)
		return sameContributions(o.Artefacts, d.artefact, r.means.Artefact, o.Means)
	}
	var read []*artefact.Tensor
	for _, path := range o.PCs {
		t, err := o.Artefacts.Tensor(path, artefact.Of(r.src.Origin), artefact.KindComponents)
		if err != nil {
			return err
		}
		r.directions = append(r.directions, storedComponents{t})
		for _, other := range read {
			if err := otherComponents(t, other); err != nil {
				return err
			}
		}
		read = append(read, t)
		err = t.WantShape(r.means.Shape, " as the means have it")
		if errors.Is(err, cache.ErrStale) {
			return fmt.Errorf("%w, of which %s has the means", err, o.Means)
		}
		if err != nil {
			return err
		}
		// Projections are of contributions less their mean: of the same ones.
		if err := o.Artefacts.SameParent(t.Artefact, r.means.Artefact, o.Means, "contributions"); err != nil {
			return err
		}
	}
	return nil
}

// sameContributions returns an error unless what is computed from components or norms,
// and means, at a path, are of the same contributions. Older builds did not write down
// which those were.
func sameContributions(r artefact.Reader, a, means *cache.Artefact, path string) error {
	if artefact.OriginOf(a).Parents["contributions"] == "" {
		return nil
	}
	return r.SameParent(a, means, path, "contributions")
}

// otherComponents returns an error unless the projections onto two files of components
// may be added: they are other right singular vectors of the same decomposition, as
// far as both say what they are.
func otherComponents(t, other *artefact.Tensor) error {
	a, b := t.Origin().SVD, other.Origin().SVD
	switch {
	case a != nil && b != nil && a.PC == b.PC:
		return usage.Errorf("%s and %s: both are right singular vector %d of each unit, which would count twice: want a file for each {pc-idx}", other.Path, t.Path, a.PC)
	case a != nil && b != nil && a.TopK != b.TopK:
		return usage.Errorf("%s and %s: made with {top-k-pca} %d and %d, so they are not orthogonal: want the same", other.Path, t.Path, b.TopK, a.TopK)
	case a != nil && b != nil:
		return nil
	}
	x, err := artefact.FileHash(t.Path)
	y, otherErr := artefact.FileHash(other.Path)
	if err == nil && otherErr == nil && x == y {
		return usage.Errorf("%s and %s: the same components, which would count twice", other.Path, t.Path)
	}
	return errors.Join(err, otherErr)
}

// addParents adds what the features are made of to their origin.
func (r *reconstruction) addParents(from *origin.Origin, o ReconstructOptions) error {
	err := artefact.AddParent(from, "means", o.Means, r.means.Artefact)
	if r.codes != nil {
		return errors.Join(err, artefact.AddParent(from, "codes", o.Codes, r.codes.artefact), artefact.AddParent(from, "embeddings", o.Texts, r.codes.embeddings))
	}
	for i, path := range o.PCs {
		err = errors.Join(err, artefact.AddAnother(from, "components", path, r.directions[i].(storedComponents).Artefact))
	}
	return err
}

func (r *reconstruction) close() {
	r.means.Close()
	for _, d := range r.directions {
		d.close()
	}
}

func (r *reconstruction) perNeuron() bool { return len(r.means.Shape) == 2 }

func (r *reconstruction) name() string {
	units := "pairs"
	if r.perNeuron() {
		units = "neurons"
	}
	if r.codes != nil {
		return units + " from sparse codes"
	}
	if n := len(r.directions); n > 1 {
		return fmt.Sprintf("%s from %d PCs", units, n)
	}
	return units + " from one PC"
}

// mostHeadwise is how many bytes of collected scores are read head by head, each for all
// images. Of more, the pieces of a pass lie too far apart on a disk.
const mostHeadwise = 1 << 30

// headwise reports whether the features of pairs are computed head by head, before the first
// batch: where scores were collected.
func (r *reconstruction) headwise() bool {
	pairs := r.src.Heads * r.src.Neurons
	return !r.perNeuron() && r.src.Collected() && r.src.Images <= mostHeadwise/(4*pairs)
}

// features returns the variant's features, after reading what they are made
// of. The memory it takes is that of the features or of one direction for each unit where
// units are pairs, and of all directions where they are neurons or contributions
// are written out.
func (r *reconstruction) features(ctx context.Context) (func(dst []float32, b source.Batch, w *workspace) error, error) {
	C := r.src.Neurons
	if r.src.OV == nil {
		means, all, err := r.read(0, artefact.Product(r.means.Shape)/r.src.OutDim)
		if err != nil {
			return nil, err
		}
		return r.dense(means, all), nil
	}
	f := r.src.OV.NewReconstruction()
	if r.perNeuron() {
		means, all, err := r.read(0, C)
		if err != nil {
			return nil, err
		}
		f.AddNeurons(means, all, r.team)
	} else if r.headwise() {
		return r.headByHead(ctx, f)
	} else {
		for h := range r.src.Heads {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			means, all, err := r.read(h*C, C)
			if err != nil {
				return nil, err
			}
			f.AddHead(h, means, all, r.team)
		}
	}
	return func(dst []float32, b source.Batch, w *workspace) error {
		f.Features(dst, w.values, b.Scores, len(b.Names), w.team)
		b.AddRest(dst)
		return nil
	}, nil
}

// headByHead returns the features of pairs whose scores were collected, which it computes.
func (r *reconstruction) headByHead(ctx context.Context, f *decomp.Reconstruction) (func(dst []float32, b source.Batch, w *workspace) error, error) {
	B, C, O := r.src.Images, r.src.Neurons, r.src.OutDim
	features, scores := make([]float32, B*O), kernel.Alloc(B*C)
	for h := range r.src.Heads {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		means, all, err := r.read(h*C, C)
		if err != nil {
			return nil, err
		}
		if err := r.src.Head(scores, h); err != nil {
			return nil, err
		}
		f.AddHeadOf(features, scores, h, means, all, r.team)
	}
	f.Finish(features)
	return func(dst []float32, b source.Batch, _ *workspace) error { // which come in order
		n := copy(dst, features[:len(b.Names)*O])
		features = features[n:]
		b.AddRest(dst)
		return nil
	}, nil
}

// read returns means and directions of n units from first on, until it is called again.
func (r *reconstruction) read(first, n int) (means []float32, all [][]float32, err error) {
	O := r.src.OutDim
	if r.units == nil { // its first call is for as many units as any
		for range 1 + len(r.directions) {
			r.units = append(r.units, kernel.Alloc(n*O))
		}
	}
	means = r.units[0][:n*O]
	if err := r.means.Read(means, first*O); err != nil {
		return nil, nil, err
	}
	for i, d := range r.directions {
		rows := r.units[1+i][:n*O]
		if err := d.read(rows, first); err != nil {
			return nil, nil, err
		}
		for u := range n {
			if decomp.Norm(rows[u*O:(u+1)*O]) == 0 {
				r.null++
			}
		}
		all = append(all, rows)
	}
	return means, all, nil
}

// dense reconstructs contributions that are written out, first summing pairs'
// over heads if units are neurons.
func (r *reconstruction) dense(means []float32, all [][]float32) func(dst []float32, b source.Batch, w *workspace) error {
	return func(dst []float32, b source.Batch, w *workspace) error {
		units := b.Dense
		if r.perNeuron() && r.src.Heads > 1 {
			units = make([]float32, len(means))
			for i, x := range b.Dense {
				units[i%len(units)] += x
			}
		}
		decomp.DenseReconstruction(dst, units, means, all, w.team)
		return nil
	}
}
