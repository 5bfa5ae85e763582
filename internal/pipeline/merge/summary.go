package merge

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/lowrank"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/shard"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/sketch"
	"github.com/clipnh/clipnh/internal/ui"
)

// mergeSummaries merges shards that have no rows of images. They are added up one after
// another, so that memory does not grow with their number; a merge that was interrupted
// begins again.
func mergeSummaries(ctx context.Context, o Options, shards []shard.Part, say ui.Reporter) (*Result, error) {
	m := shards[0].Manifest
	plan := cache.Plan{
		Kind: artefact.WholeKind(m.Kind), Tool: m.Tool, Axes: m.Axes, Row: m.Shape[1:], DType: npy.Float32,
		Origin: m.Origin, Inputs: 1, ChunkInputs: 1, Payload: m.Payloads[0].File,
	}
	plan.Origin.Shard, plan.Origin.Device = nil, shard.DeviceOf(shards)
	if d := plan.Origin.Device; d != nil && (m.Origin.Device == nil || *d != *m.Origin.Device) {
		say.Warn("%s: shards were computed on different devices (used anyway: {force}); they differ by rounding", o.SavePath)
	}
	if _, _, err := o.Part.RestrictSums(&plan, shards[0].InputsInAll(), m.Origin.Shard.Cuts); err != nil {
		return nil, err
	}
	result := &Result{Merged: Merged{Path: o.SavePath, Kind: plan.Kind, Shape: append([]int{1}, plan.Row...), Shards: countOf(shards), Skipped: []source.Skipped{}}}
	w, err := o.Store.OpenChunks(o.SavePath, plan, o.Restart)
	if errors.Is(err, cache.ErrComplete) {
		return result, result.complete(o)
	}
	if err != nil {
		return nil, err
	}
	defer w.Close()
	source.SayOpened(o.SavePath, w, say)
	sum := &summed{images: shards[0].InputsInAll(), names: map[int]string{}}
	progress := say.Progress()
	progress.Start(int64(len(shards)), ui.Shards, "merge")
	defer progress.Done()
	for _, p := range shards {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := sum.add(p, shards[0], par.NewTeam(o.Threads)); err != nil {
			return nil, err
		}
		progress.Add(1)
	}
	result.Images, result.Skipped = sum.sketch.Images, append(result.Skipped, sum.skipped...)
	if result.Images == 0 && o.Part.Whole() {
		return nil, fmt.Errorf("%s: none of %s could be read by any shard", o.SavePath, ui.Images.Count(int64(sum.images)))
	}
	if err := sum.write(w, shards); err != nil {
		return nil, err
	}
	_, err = w.Finish()
	return result, err
}

// complete fills in what a summary that is there already says.
func (r *Result) complete(o Options) error {
	r.Complete = true
	a, err := cache.Open(o.SavePath)
	if err != nil {
		return err
	}
	if o.Verify {
		if err := artefact.VerifyChecksums(a); err != nil {
			return err
		}
	}
	skipped, err := artefact.SkippedOf(a)
	if err != nil {
		return err
	}
	r.Skipped = append(r.Skipped, skipped...)
	r.Images, err = artefact.ImagesOf(a)
	return err
}

// summed are shards of a summary that were added up.
type summed struct {
	images  int // of all shards, skipped ones included
	heads   int
	neurons int
	kernel  string // the families that computed them

	extremes *lowrank.Extremes
	sketch   *sketch.Set
	names    map[int]string
	skipped  []cache.Skipped
}

// add adds the next shard.
func (s *summed) add(p, first shard.Part, team par.Team) error {
	if err := artefact.VerifyChecksums(p.Artefact); err != nil {
		return err
	}
	keep := 0
	if c := p.Manifest.Origin.Collect; c != nil {
		keep = c.TopK
	}
	if keep < 1 {
		return fmt.Errorf("%s: top_k %d in its manifest, want 1 or more", p.Path(), keep)
	}
	of, err := artefact.SummaryOf(p.Artefact)
	if err != nil {
		return err
	}
	if s.sketch == nil {
		s.heads, s.neurons = of.OV.Heads, of.OV.Neurons
		s.extremes, s.sketch = lowrank.NewExtremes(of.Pairs, min(keep, max(s.images, 1))), sketch.New(of.Pairs)
	}
	if of.Pairs != s.extremes.Pairs {
		return fmt.Errorf("%s: %s, want the %d of %s", p.Path(), quantity.Of(of.Pairs, "pair"), s.extremes.Pairs, first.Path())
	}
	if n, most := len(of.Skipped)+of.Images, p.InputsInAll(); n > most {
		return fmt.Errorf("%s: %w: %s and %d skipped of %d", p.Path(), cache.ErrDamaged, quantity.Of(of.Images, "image"), len(of.Skipped), most)
	}
	if err := of.WantTop("top_k", s.extremes.Keep); err != nil {
		return err
	}
	for n, name := range of.Names {
		s.names[s.extremes.Images+n] = name
	}
	s.extremes.Merge(of.Extremes, team)
	s.sketch.Merge(of.Sketch)
	s.forget()
	s.skipped = append(s.skipped, of.Skipped...)
	s.kernel = cache.AddFamilies(s.kernel, p.Manifest.Payloads[0].Chunks[0].Kernel)
	return nil
}

// forget drops the names of images that are among the extremes no more.
func (s *summed) forget() {
	kept := make(map[int]string, len(s.names))
	for _, n := range artefact.ExtremeImages(s.extremes) {
		kept[n] = s.names[n]
	}
	s.names = kept
}

// write writes the files of the whole.
func (s *summed) write(w *cache.ChunkWriter, shards []shard.Part) error {
	w.Kernel = s.kernel
	if w.Done() == 0 {
		if err := w.Append(artefact.Means(s.sketch), nil); err != nil {
			return err
		}
	}
	if err := artefact.AddSummary(w, s.extremes, s.sketch, s.names, s.skipped, s.heads, s.neurons); err != nil {
		return err
	}
	for _, file := range shards[0].Manifest.Payloads[1:] {
		if artefact.IsStatistics(file.File) {
			continue
		}
		if err := sameFile(shards, file); err != nil {
			return err
		}
		w.Kernel = file.Kernel
		if err := w.AddFile(file.File, func(to io.Writer) error { return eachShard(shards[:1], file.File, to) }); err != nil {
			return err
		}
	}
	return nil
}
