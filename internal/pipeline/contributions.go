package pipeline

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/lowrank"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/par"
)

// contributions is what SVD works on: those of every unit to every picture,
// factored or written out.
type contributions interface {
	images() int
	units() []int // [H,C] for pairs, [C] for neurons
	outDim() int
	rank() int // of a unit's centred contributions, at most
	origin(SVDOptions) cache.Origin
	// solve hands over the results of all units in order, in groups.
	solve(ctx context.Context, o SVDOptions, done func(first int, r *lowrank.Result) error) error
	close() error
}

func openContributions(o SVDOptions) (contributions, error) {
	if IsDense(o.CollectPath) {
		return openDense(o)
	}
	if o.Shape != nil {
		return nil, fmt.Errorf("%s: --shape is for dense .dat and .npy files; a folder of scores says its shape itself", o.CollectPath)
	}
	a, err := cache.Open(o.CollectPath)
	if err != nil {
		return nil, unmade(err, o.CollectPath, "collect --save-path")
	}
	if err := sound(a); err != nil {
		return nil, err
	}
	if a.Manifest.Kind == kindStatistics {
		if o.Neurons {
			return nil, fmt.Errorf("%s: %w", o.CollectPath, errPairsOnly)
		}
		s, err := openStatistics(a)
		if err != nil {
			return nil, err
		}
		return &summed{s}, nil
	}
	s, err := scoresOf(a)
	if err != nil {
		return nil, err
	}
	return &factored{s, o.Neurons}, nil
}

// errPairsOnly is why statistics tell nothing of neurons.
var errPairsOnly = errors.New("statistics of pairs, which say nothing of sums over heads: neurons (--mode n) need scores, collect without --stats-only")

// svdOrigin is the origin of what SVD makes of an artefact; parent is nil for
// a file of another program.
func svdOrigin(o SVDOptions, parent *cache.Artefact) cache.Origin {
	mode := "nh"
	if o.Neurons {
		mode = "n"
	}
	origin := cache.Origin{Mode: mode, Parameters: map[string]any{"top_k_pca": o.TopK, "pc_idx": o.PC}}
	if parent != nil {
		from := parent.Manifest.Origin
		origin.Model, origin.Weights = from.Model, from.Weights
		origin.Parents = map[string]string{"contributions": parent.Hash()}
	}
	return origin
}

// factored are contributions as scores and directions.
type factored struct {
	*scores
	neurons bool
}

func (f *factored) images() int                      { return f.scores.images }
func (f *factored) outDim() int                      { return f.pool.OutDim }
func (f *factored) rank() int                        { return f.pool.Heads }
func (f *factored) origin(o SVDOptions) cache.Origin { return svdOrigin(o, f.Artefact) }

func (f *factored) units() []int {
	if f.neurons {
		return []int{f.pool.Neurons}
	}
	return []int{f.pool.Heads, f.pool.Neurons}
}

// neuronsPerGroup bounds the directions [H,U,O] that are written out at a time:
// 38 MiB for RN50x16.
const neuronsPerGroup = 256

func (f *factored) solve(ctx context.Context, o SVDOptions, done func(int, *lowrank.Result) error) error {
	data, err := f.readAll()
	if err != nil {
		return err
	}
	s := lowrank.Scores{Images: f.images(), Heads: f.pool.Heads, Neurons: f.pool.Neurons, Data: data}
	if f.neurons {
		return f.solveNeurons(ctx, o, s, done)
	}
	H, C, O, team := s.Heads, s.Neurons, f.pool.OutDim, par.NewTeam(o.Threads)
	directions := make([]float32, C*O)
	for h := range H {
		if err := ctx.Err(); err != nil {
			return err
		}
		f.pool.Directions(directions, h, 0, C, team)
		r := lowrank.NewResult(C, O, s.Images, o.TopK)
		if err := lowrank.Pairs(r, s, h, directions, f.pool.Bias[h*O:(h+1)*O], o.TopK, team); err != nil {
			return f.name(err, h*C)
		}
		if err := done(h*C, r); err != nil {
			return err
		}
	}
	return nil
}

func (f *factored) solveNeurons(ctx context.Context, o SVDOptions, s lowrank.Scores, done func(int, *lowrank.Result) error) error {
	H, C, O, team := s.Heads, s.Neurons, f.pool.OutDim, par.NewTeam(o.Threads)
	bias := make([]float32, O)
	for i, b := range f.pool.Bias {
		bias[i%O] += b
	}
	directions := make([]float32, H*min(C, neuronsPerGroup)*O)
	for lo := 0; lo < C; lo += neuronsPerGroup {
		if err := ctx.Err(); err != nil {
			return err
		}
		hi := min(lo+neuronsPerGroup, C)
		each := (hi - lo) * O
		for h := range H {
			f.pool.Directions(directions[h*each:(h+1)*each], h, lo, hi, team)
		}
		r := lowrank.NewResult(hi-lo, O, s.Images, o.TopK)
		if err := lowrank.Neurons(r, s, lo, directions[:H*each], bias, lowrank.Options{TopK: o.TopK, Index: o.PC}, team); err != nil {
			return f.name(err, lo)
		}
		if err := done(lo, r); err != nil {
			return err
		}
	}
	return nil
}

// name gives a unit's failure the unit's label.
func (f *factored) name(err error, first int) error {
	return nameUnit(err, f.Path(), first, f.pool.Neurons, f.neurons)
}

func nameUnit(err error, path string, first, neurons int, perNeuron bool) error {
	var failed *lowrank.UnitError
	if !errors.As(err, &failed) {
		return err
	}
	label := pairName(first+failed.Unit, neurons)
	if perNeuron {
		label = neuronName(first + failed.Unit)
	}
	return fmt.Errorf("%s: %s: %s", path, label, failed.Reason)
}

// writtenOut are contributions in a dense file, [B,H,C,O] or [B,C,O].
type writtenOut struct {
	file   *npy.File
	path   string
	parent *cache.Artefact // nil for a file without manifest
}

// openDense opens a dense file whose units are those that o asks for.
func openDense(o SVDOptions) (*writtenOut, error) {
	d, err := openWrittenOut(o.CollectPath, o.Shape)
	if err != nil {
		return nil, err
	}
	if err := d.check(o); err != nil {
		d.file.Close()
		return nil, err
	}
	return d, nil
}

// openWrittenOut opens a dense file. Its shape is its header's or manifest's,
// or, for a .dat of another program, the one given.
func openWrittenOut(path string, given []int) (*writtenOut, error) {
	a, err := cache.Open(path)
	foreign := errors.Is(err, cache.ErrNoManifest)
	if err != nil && !foreign {
		return nil, unmade(err, path, "collect --save-path")
	}
	shape := given
	if foreign {
		a = nil
		if filepath.Ext(path) == ".dat" && shape == nil {
			return nil, fmt.Errorf("%s: no manifest beside it, want --shape, such as 1000,48,3072,768", path)
		}
	} else {
		if err := a.Require(cache.Manifest{Kind: kindDense}); err != nil {
			return nil, err
		}
		if err := sound(a); err != nil {
			return nil, err
		}
		shape = a.Manifest.Shape
	}
	d := &writtenOut{path: path, parent: a}
	if filepath.Ext(path) == ".dat" {
		d.file, err = npy.OpenRaw(path, shape)
	} else {
		d.file, err = npy.Open(path)
	}
	if err != nil {
		return nil, err
	}
	if got := d.shape(); given != nil && !slices.Equal(got, given) {
		d.file.Close()
		return nil, fmt.Errorf("%s: shape %s, but --shape says %s", path, npy.ShapeString(got), npy.ShapeString(given))
	}
	return d, nil
}

func (d *writtenOut) check(o SVDOptions) error {
	got, want, rank := d.file.Header.Shape, "[B,H,C,O] for --mode nh", 4
	if o.Neurons {
		want, rank = "[B,C,O] for --mode n", 3
	}
	if len(got) != rank || product(got) == 0 {
		folder := filepath.Dir(d.path)
		if _, err := os.Stat(filepath.Join(folder, "manifest.json")); err == nil && filepath.Base(d.path) == scoresFile {
			return hinted{fmt.Errorf("%s: scores, want the folder that they are in", d.path), fmt.Sprintf("give %s", folder)}
		}
		return fmt.Errorf("%s: shape %s, want %s", d.path, npy.ShapeString(got), want)
	}
	return nil
}

func (d *writtenOut) shape() []int                     { return d.file.Header.Shape }
func (d *writtenOut) images() int                      { return d.shape()[0] }
func (d *writtenOut) outDim() int                      { return d.shape()[len(d.shape())-1] }
func (d *writtenOut) rank() int                        { return min(d.images(), d.outDim()) }
func (d *writtenOut) units() []int                     { return d.shape()[1 : len(d.shape())-1] }
func (d *writtenOut) origin(o SVDOptions) cache.Origin { return svdOrigin(o, d.parent) }
func (d *writtenOut) close() error                     { return d.file.Close() }

// denseBytes bounds the contributions in memory: some units of every picture.
const denseBytes = 1 << 30

func (d *writtenOut) solve(ctx context.Context, o SVDOptions, done func(int, *lowrank.Result) error) error {
	units, B, O := product(d.units()), d.images(), d.outDim()
	group := max(1, min(units, denseBytes/(4*B*O)))
	rows := make([]float32, B*group*O)
	team := par.NewTeam(o.Threads)
	for lo := 0; lo < units; lo += group {
		n := min(group, units-lo)
		for b := range B {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := d.file.ReadFloat32(rows[b*n*O:(b+1)*n*O], (int64(b)*int64(units)+int64(lo))*int64(O)); err != nil {
				return err
			}
		}
		r := lowrank.NewResult(n, O, B, o.TopK)
		if err := lowrank.Dense(r, rows[:B*n*O], B, lowrank.Options{TopK: o.TopK, Index: o.PC}, team); err != nil {
			return nameUnit(err, d.path, lo, d.shape()[len(d.shape())-2], o.Neurons)
		}
		if err := done(lo, r); err != nil {
			return err
		}
	}
	return nil
}
