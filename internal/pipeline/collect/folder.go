package collect

import (
	"context"
	"errors"
	"io"
	"path/filepath"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/source"
)

// This file decides how the rows of an artefact's folder are kept, and writes what is beside
// them.

// addFiles adds what goes beside the rows of the images that were not skipped.
func (c *collector) addFiles(w artefact.FileAdder, skipped []source.Skipped) error {
	if read := c.mode.row().ov; read != nil {
		ov, err := read()
		if err != nil {
			return err
		}
		if err := artefact.AddOV(w, ov, c.options.Expand, par.NewTeam(c.options.Threads)); err != nil {
			return err
		}
	}
	if read := c.mode.row().matrices; read != nil {
		f, err := read()
		if err != nil {
			return err
		}
		layers, _ := c.model.Config.Layered()
		if err := artefact.AddMatrices(w, f, layers); err != nil {
			return err
		}
	}
	if c.options.NoFeatures {
		return nil // it has names of its own
	}
	return addNames(w, c.items, skipped)
}

// addNames adds the names of the images that have a row, one a line.
func addNames(w artefact.FileAdder, items []dataset.Item, skipped []source.Skipped) error {
	gone := make(map[string]bool, len(skipped))
	for _, s := range skipped {
		gone[s.Name] = true
	}
	return w.AddFile(artefact.ImagesFile, func(to io.Writer) error {
		for _, item := range items {
			if gone[item.Name] {
				continue
			}
			if _, err := io.WriteString(to, item.Name+"\n"); err != nil {
				return err
			}
		}
		return nil
	})
}

// keepsFeatures reports whether image features are collected beside the rows, in a folder
// within theirs: pairs that are a part of a feature do not say the rest of it.
func (c *collector) keepsFeatures() bool {
	s, scores := c.mode.(scoresMode)
	return scores && !s.pairs.Whole() && !c.options.Mean && !artefact.IsDense(c.options.SavePath)
}

// featuresPath is where they are collected.
func (c *collector) featuresPath() string {
	return filepath.Join(c.options.SavePath, artefact.FeaturesFolder)
}

// verifyFeatures compares the complete features with their checksums.
func (c *collector) verifyFeatures() error {
	a, err := cache.Open(c.featuresPath())
	if err != nil {
		return err
	}
	return artefact.VerifyChecksums(a)
}

// recall names the images that were skipped when the artefact was made.
func (c *collector) recall(skipped []source.Skipped) error {
	return source.Recall(c.options.SavePath, skipped, c.options.Strict, c.say)
}

// openFeatures opens what the features are written to, with the chunks of the rows; nil if
// none are kept or all are there. They are what this mode's own collection would be.
func (c *collector) openFeatures(rows cache.Plan) (*cache.ChunkWriter, error) {
	if !c.keepsFeatures() {
		return nil, nil
	}
	row := featuresMode{c.model.Config}.row()
	plan := rows
	plan.Kind, plan.Axes, plan.Row, plan.DType, plan.Payload = row.kind, append([]string{"B"}, row.axes...), row.shape, npy.Float32, row.file
	if artefact.IsShard(rows.Kind) {
		plan.Kind = artefact.ShardKind(row.kind)
	}
	plan.Origin = c.originOf(ModeFeatures, -1)
	plan.Origin.Shard = rows.Origin.Shard
	collect := *plan.Origin.Collect
	collect.Expand = false
	plan.Origin.Collect = &collect
	path := c.featuresPath()
	w, err := c.options.Store.OpenChunks(path, plan, c.options.Restart)
	if errors.Is(err, cache.ErrComplete) {
		return nil, nil
	}
	if err == nil {
		w.HeldBy = c.heldBy
		source.SayOpened(path, w, c.say)
	}
	return w, err
}

// featuresSums returns the checksums of the images whose features are there: those that w,
// which openFeatures has opened, takes up, or those of all if it is nil.
func (c *collector) featuresSums(w *cache.ChunkWriter) ([]uint32, error) {
	switch {
	case w != nil:
		return w.InputSums(), nil
	case !c.keepsFeatures():
		return nil, nil
	}
	a, err := cache.Open(c.featuresPath())
	if err != nil {
		return nil, err
	}
	return a.InputSums(), nil
}

// finishFeatures completes what openFeatures has opened.
func (c *collector) finishFeatures(w *cache.ChunkWriter) error {
	if w == nil {
		return nil
	}
	if err := addNames(w, c.items, w.Skipped()); err != nil {
		return err
	}
	_, err := w.Finish()
	return err
}

// addFeatures adds the features to a complete collection that lacks them, as one of an
// earlier build does, or one whose features were removed.
func (c *collector) addFeatures(ctx context.Context, rows cache.Plan) error {
	w, err := c.openFeatures(rows)
	if err != nil || w == nil {
		return err
	}
	defer w.Close()
	a, err := cache.Open(c.options.SavePath)
	if err != nil {
		return err
	}
	if err := c.unchangedWith(ctx, a.InputSums(), nil, w); err != nil {
		return err
	}
	c.say.Note("%s: adding the image features, which are not there", c.options.SavePath)
	of := *c
	of.mode = featuresMode{c.model.Config}
	s := &rowSink{c: &of, w: w}
	s.startAt(s.next())
	cut := rows.Chunking()
	if err := of.run(ctx, of.from(cut.First(s.at)), cut, s.take); err != nil {
		return err
	}
	return of.finishFeatures(w)
}

// asBegun takes up how an earlier run, which may be one of an older build, keeps the parts of a
// vision transformer, as far as the options leave it open.
func (c *collector) asBegun() {
	o := &c.options
	v, err := variantOf(o.Mode, c.model)
	if err != nil || v.part == nil || o.Restart || o.Mean || o.Published || artefact.IsDense(o.SavePath) {
		return
	}
	var m cache.Manifest
	if a, err := cache.Inspect(o.SavePath); err == nil {
		m = a.Manifest
	} else if u, err := cache.InspectUnfinished(o.SavePath); err == nil {
		m = u.Plan
	}
	if v.part.factors != nil && artefact.WholeKind(m.Kind) == v.part.kind && !artefact.IsFactored(m) {
		o.WrittenOut = true
		c.say.Note("%s: it keeps %s written out, as older builds do: {restart} makes factors, which take less", o.SavePath, v.part.kind)
	}
	for _, t := range []npy.DType{npy.Float16, npy.Float32} {
		if o.DType == (npy.DType{}) && m.DType == t.String() {
			o.DType = t
		}
	}
}

// setType decides which type the rows of a folder have.
func (c *collector) setType() {
	h, halves := c.mode.(halving)
	c.half = c.options.DType == npy.Float16 || halves && h.halves() && c.options.DType == npy.DType{}
	if c.options.Mean || artefact.IsDense(c.options.SavePath) {
		c.half = false
	}
}
