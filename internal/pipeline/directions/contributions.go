package directions

import (
	"context"
	"errors"
	"fmt"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/lowrank"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/unit"
	"github.com/clipnh/clipnh/internal/usage"
)

// contributions is what SVD works on: those of every unit to every image,
// factored or written out.
type contributions interface {
	images() int
	units() unit.Layered // [H,C] for pairs, [C] for neurons
	outDim() int
	rank() int // of a unit's centred contributions, at most
	origin(SVDOptions) origin.Origin
	// solve hands over the results of all units in order, in groups. A result may be used
	// until the next call of done returns.
	solve(ctx context.Context, o SVDOptions, done func(first int, r *lowrank.Result) error) error
	close() error
}

// results are two that take turns: one may be used while the next is computed.
type results struct {
	two  [2]*lowrank.Result
	turn int
}

// next returns the older of the two, with its old values, or a new one where that is of
// another size.
func (r *results) next(units, outDim, images, topK int) *lowrank.Result {
	r.turn = 1 - r.turn
	if old := r.two[r.turn]; old == nil || old.Units != units {
		r.two[r.turn] = lowrank.NewResult(units, outDim, images, topK)
	}
	return r.two[r.turn]
}

func openContributions(o SVDOptions) (contributions, error) {
	if artefact.IsDense(o.CollectPath) {
		return openDense(o)
	}
	if o.Shape != nil {
		return nil, usage.Errorf("%s: {shape} is for dense .dat and .npy files; a folder of scores says its shape itself", o.CollectPath)
	}
	a, err := o.Artefacts.Collection(o.CollectPath, nil, artefact.KindScores, artefact.KindStatistics, artefact.KindSummary, artefact.KindPublished)
	if err != nil {
		return nil, err
	}
	if artefact.HasStatistics(a) {
		if o.Neurons {
			return nil, artefact.PairsOnly(o.CollectPath)
		}
		s, err := artefact.StatisticsOf(a)
		if err != nil {
			return nil, err
		}
		return &summed{s}, nil
	}
	if a.Manifest.Kind == artefact.KindPublished {
		p, err := artefact.PublishedOf(a)
		if err != nil {
			return nil, err
		}
		return &published{p, o.Neurons}, nil
	}
	s, err := artefact.ScoresOf(a)
	if err != nil {
		return nil, err
	}
	return factoredScores(s, o.Neurons), nil
}

// svdOrigin is the origin of what SVD makes of an artefact; parent is nil for
// a file of another program.
func svdOrigin(o SVDOptions, parent *cache.Artefact) origin.Origin {
	from := artefact.DerivedFrom(parent)
	from.Mode, from.SVD = "nh", &origin.SVD{TopK: o.TopK, PC: o.PC}
	if o.Neurons {
		from.Mode = "n"
	}
	return from
}

func nameUnit(err error, path string, first int, units unit.Layered) error {
	var failed *lowrank.UnitError
	if !errors.As(err, &failed) {
		return err
	}
	return fmt.Errorf("%s: %s: %s", path, units.Name(first+failed.Unit), failed.Reason)
}

// writtenOut are contributions in a dense file: of its units, or of neurons where those
// are pairs, as sums over heads.
type writtenOut struct {
	*artefact.Dense
	heads int // that are summed; 1 where the file's units are taken
}

// openDense opens a dense file whose units are those that o asks for.
func openDense(o SVDOptions) (*writtenOut, error) {
	d, err := o.Artefacts.Dense(o.CollectPath, o.Shape, nil)
	if err != nil {
		return nil, err
	}
	if !o.Neurons && len(d.Shape) != 4 {
		d.Close()
		return nil, usage.Errorf("%s: shape %s, want [B,H,C,O] for pairs", d.Path, npy.ShapeString(d.Shape))
	}
	heads := 1
	if o.Neurons && len(d.Shape) == 4 {
		heads = d.Shape[1]
	}
	return &writtenOut{d, heads}, nil
}

func (d *writtenOut) images() int { return d.Images() }
func (d *writtenOut) outDim() int { return d.OutDim() }
func (d *writtenOut) rank() int   { return min(d.Images(), d.OutDim()) }
func (d *writtenOut) units() unit.Layered {
	u := unit.Layered{Shape: d.Units(), Layers: artefact.LayersOf(d.Artefact)}
	if d.heads > 1 {
		u.Shape = u.Shape[1:]
	}
	return u
}
func (d *writtenOut) origin(o SVDOptions) origin.Origin { return svdOrigin(o, d.Artefact) }
func (d *writtenOut) close() error                      { return d.Close() }

// denseBytes bounds the contributions in memory: some units of every image.
const denseBytes = 1 << 30

// readUnits fills dst [n,O] with the contributions of units from lo on to image b. part
// has room for as many.
func (d *writtenOut) readUnits(dst, part []float32, b, lo int) error {
	units, O := int64(d.units().Count()), int64(d.outDim())
	first := int64(b) * int64(d.heads)
	if err := d.Read(dst, (first*units+int64(lo))*O); err != nil {
		return err
	}
	for h := 1; h < d.heads; h++ {
		part = part[:len(dst)]
		if err := d.Read(part, ((first+int64(h))*units+int64(lo))*O); err != nil {
			return err
		}
		for i, x := range part {
			dst[i] += x
		}
	}
	return nil
}

func (d *writtenOut) solve(ctx context.Context, o SVDOptions, done func(int, *lowrank.Result) error) error {
	units, B, O := d.units().Count(), d.images(), d.outDim()
	group := max(1, min(units, denseBytes/(4*B*O)))
	rows, part := make([]float32, B*group*O), make([]float32, group*O)
	team, results := par.NewTeam(o.Threads), results{}
	for lo := 0; lo < units; lo += group {
		n := min(group, units-lo)
		for b := range B {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := d.readUnits(rows[b*n*O:(b+1)*n*O], part, b, lo); err != nil {
				return err
			}
		}
		r := results.next(n, O, B, o.TopK)
		if err := lowrank.Dense(r, rows[:B*n*O], B, lowrank.Options{TopK: o.TopK, Index: o.PC}, team); err != nil {
			return nameUnit(err, d.Path, lo, d.units())
		}
		if err := done(lo, r); err != nil {
			return err
		}
	}
	return nil
}
