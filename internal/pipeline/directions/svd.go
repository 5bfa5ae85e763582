// Package directions finds, for every pair or neuron, its principal component, and
// how unlike each other the images are that it is strongest on.
package directions

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/lowrank"
	"github.com/clipnh/clipnh/internal/mapping"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/ui"
	"github.com/clipnh/clipnh/internal/unit"
	"github.com/clipnh/clipnh/internal/usage"
)

// SVDOptions says what to find the principal directions of.
type SVDOptions struct {
	Artefacts   artefact.Reader
	CollectPath string // a folder of scores, or a dense .dat or .npy
	Shape       []int  // of a dense file that has no manifest
	Neurons     bool   // per neuron, summed over heads; else per pair
	TopK        int    // images of largest centred norm
	FitTopK     bool   // lower TopK to what signs can be told with, where images are few
	PC          int    // which right singular vector, 0 the first; pairs have no other
	OutPath     string // any of the three may be empty
	MeanPath    string
	NormPath    string
	Writer      artefact.Writer
	Threads     int
}

// SVDResult is what SVD wrote.
type SVDResult struct {
	Unit      string   `json:"unit"` // pair or neuron
	Units     int      `json:"units"`
	Images    int      `json:"images"`
	TopK      int      `json:"top_k_pca"`
	PC        int      `json:"pc_idx"`
	Undecided int      `json:"signs_undecided"`                   // units that the sign rule leaves open
	Null      int      `json:"without_component"`                 // units without this principal direction
	NullUnits []string `json:"units_without_component,omitempty"` // the first of them, such as h12n624
	Paths     []string `json:"paths"`
}

// mostNullNamed bounds SVDResult.NullUnits.
const mostNullNamed = 100

// nameNull names the units of r that have no direction.
func (s *SVDResult) nameNull(r *lowrank.Result, first int, units unit.Layered) {
	for u, state := range r.State {
		if state == lowrank.Null && len(s.NullUnits) < mostNullNamed {
			s.NullUnits = append(s.NullUnits, units.Name(first+u))
		}
	}
}

// fitTopK lowers TopK where it may, and warns where signs remain unreliable.
func (o *SVDOptions) fitTopK(images int, say ui.Reporter) {
	most := artefact.MostTopK(images)
	if fits := max(most, o.PC+1); o.FitTopK && o.TopK > fits {
		say.Note("%s: %s: {top-k-pca} is %d in place of %d, for reliable signs", o.CollectPath, ui.Images.Count(int64(images)), fits, o.TopK)
		o.TopK = fits
	}
	if enough := artefact.EnoughImages(o.TopK); o.OutPath != "" && images < enough {
		remedy := "take more"
		if most < o.TopK {
			remedy += fmt.Sprintf(", or {top-k-pca} %d", most)
		}
		say.Warn("%s: %s for {top-k-pca} %d: signs are unreliable with fewer than %s; %s", o.CollectPath, ui.Images.Count(int64(images)), o.TopK, quantity.Of(enough, "image"), remedy)
	}
}

// SVD finds a principal direction, the mean and the strongest norms of every
// pair or neuron; see package lowrank. Outputs appear together, after all
// units are done.
func SVD(ctx context.Context, o SVDOptions, say ui.Reporter) (*SVDResult, error) {
	if err := artefact.Apart(o.OutPath, o.MeanPath, o.NormPath); err != nil {
		return nil, err
	}
	if err := artefact.MakeFolders(o.OutPath, o.MeanPath, o.NormPath); err != nil {
		return nil, err
	}
	for _, wanted := range []struct{ path, kind string }{{o.OutPath, artefact.KindComponents}, {o.MeanPath, artefact.KindMeans}, {o.NormPath, artefact.KindNorms}} {
		if wanted.path == "" {
			continue
		}
		if err := o.Writer.Store.CanSave(wanted.path, wanted.kind); err != nil {
			return nil, err
		}
	}
	src, err := openContributions(o)
	if err != nil {
		return nil, err
	}
	defer src.close()
	switch {
	case src.images() == 0:
		return nil, fmt.Errorf("%s: no images in it", o.CollectPath)
	case o.TopK > src.images() && !o.FitTopK:
		return nil, usage.Errorf("{top-k-pca} %d: %s has %s, want at most that many", o.TopK, o.CollectPath, ui.Images.Count(int64(src.images())))
	case o.PC > 0 && o.PC >= src.rank():
		return nil, usage.Errorf("%s: contributions have rank %d at most, so there is no {pc-idx} %d", o.CollectPath, src.rank(), o.PC)
	}
	o.fitTopK(src.images(), say)
	axes, units := []string{"H", "C"}, src.units()
	result := &SVDResult{Unit: "pair", Units: units.Count(), Images: src.images(), TopK: o.TopK, PC: o.PC, Paths: []string{}}
	unit := ui.Pairs
	if o.Neurons {
		axes, result.Unit, unit = []string{"C"}, "neuron", ui.Neurons
	}
	add := func(kind, path, axis string, last int, origin origin.Origin) artefact.Output {
		if path != "" {
			result.Paths = append(result.Paths, path)
		}
		return artefact.NewOutput(kind, path, append(slices.Clone(axes), axis), append(slices.Clone(units.Shape), last), origin)
	}
	origin := src.origin(o)
	outputs := []artefact.Output{
		add(artefact.KindComponents, o.OutPath, "O", src.outDim(), origin),
		add(artefact.KindMeans, o.MeanPath, "O", src.outDim(), origin),
		add(artefact.KindNorms, o.NormPath, "K", min(o.TopK, src.images()), origin),
	}
	outputs[0].Manifest.Images = src.images()
	for _, out := range outputs {
		if err := o.Writer.MayReplace(out.Path, out.Manifest.Kind, origin); err != nil {
			return nil, err
		}
	}
	progress := say.Progress()
	progress.Start(int64(result.Units), unit, "svd")
	defer progress.Done()
	err = o.Writer.SaveTogether(outputs, func(w []io.Writer) error {
		var written background
		err := mapping.Catch(func() error {
			return src.solve(ctx, o, func(first int, r *lowrank.Result) error {
				result.Undecided += r.Count(lowrank.Open)
				result.Null += r.Count(lowrank.Null)
				result.nameNull(r, first, units)
				progress.Add(int64(r.Units))
				return written.next(func() error {
					return errors.Join(artefact.Put(w[0], r.Direction), artefact.Put(w[1], r.Mean), artefact.Put(w[2], r.Norms))
				})
			})
		})
		if e := written.wait(); err == nil {
			err = e
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if result.Null > 0 {
		say.Note("%d of %s %s no such direction, as their contributions do not vary: %s", result.Null, quantity.Of(result.Units, result.Unit), quantity.Has(result.Null), someOf(result.NullUnits, result.Null))
	}
	return result, nil
}

// background is a task beside the computation, one at a time.
type background struct {
	group par.Group
	err   error
}

// next starts a task once the last one is done, and returns the error of that.
func (b *background) next(task func() error) error {
	if err := b.wait(); err != nil {
		return err
	}
	b.group.Go(func() { b.err = task() })
	return nil
}

// wait waits for the last task and returns its error. It panics as the task did.
func (b *background) wait() error {
	b.group.Wait()
	return b.err
}

// someOf lists the first names of a total.
func someOf(names []string, of int) string {
	const few = 5
	text := strings.Join(names[:min(few, len(names))], ", ")
	if of > few {
		text += ", ..."
	}
	return text
}
