// Package report makes a report of what other stages wrote: what its pages show of every
// unit, image and word. Package internal/report has the files.
//
// Scores are read in blocks: once by columns, for what a pair's scores say over all images,
// and then by rows, for what an image's scores say together. What these passes find is kept
// until the report is complete, so that a run that resumes does not repeat them. Everything about a pair
// follows from its column, as its contribution is its score times a direction, and a
// share that is the same for all images.
package report

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"

	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/report"
	"github.com/clipnh/clipnh/internal/site"
	"github.com/clipnh/clipnh/internal/ui"
)

// Run makes a report, or finishes one that was begun with the same options. A folder
// that holds something else is not touched.
func Run(ctx context.Context, o Options, say ui.Reporter) (*Result, error) {
	if err := source.WantOutside("{out}", o.Dir, o.Data); err != nil {
		return nil, err
	}
	run := o.runPairs
	if ofHeads(o.ScoresPath) {
		run = o.runHeads
	}
	result, err := run(ctx, say)
	if errors.Is(err, context.Canceled) {
		err = hint.With(err, "run the same command again to resume: steps that are done are kept")
	}
	if err != nil {
		return nil, err
	}
	return result, nil
}

func (o Options) runPairs(ctx context.Context, say ui.Reporter) (*Result, error) {
	if err := o.refuseHeads(); err != nil {
		return nil, err
	}
	in, err := o.open(ctx, say)
	if err != nil {
		return nil, err
	}
	b := &builder{inputs: in}
	b.result.Pairs, b.result.Neurons = in.pairs(), in.scores.OV.Neurons
	return in.result, errors.Join(in.make(ctx, b.steps()), in.close())
}

func (o Options) runHeads(ctx context.Context, say ui.Reporter) (*Result, error) {
	in, err := o.openHeads(ctx, say)
	if err != nil {
		return nil, err
	}
	return in.result, errors.Join(in.make(ctx, in.builder().steps()), in.close())
}

func (b *builder) steps() []step {
	return []step{
		b.once("columns", b.newPairColumns, b.readColumns, func() []any { return b.pairsOf.values() }),
		b.once("rows", b.newRows, b.readRows, b.rowValues),
		{"judge", b.judge},
		b.once("effects", func() { b.effects = b.newEffects() }, b.measureEffects, b.effectValues),
		b.once("ablation", func() { b.overview.Ablation = nil }, b.ablate, func() []any { return []any{&b.overview.Ablation} }),
		b.once("neighbours", b.newNeighbours, b.findNeighbours, b.neighbourValues),
		{"words", b.code}, {"maps", b.findMaps},
		{"neurons", b.writeNeurons}, {"index", b.writeIndex}, {"images", b.writeImages}, {"heads", b.writeHeads},
		{"records", b.writeRecords}, {"texts", b.writeTexts}, {"moved", b.writeMoved}, {"thumbnails", func(ctx context.Context) error { return b.drawThumbs(ctx, b.shownIn(b.pairsOf, b.neurons)) }}, {"overview", b.writeOverview}, {"pages", b.writePages},
	}
}

// writeMoved compares the collection with another one.
func (b *builder) writeMoved(ctx context.Context) error {
	if b.With == "" || b.folder.has(report.FileOf(report.MovedName)) {
		return nil
	}
	moved, err := Compare(ctx, CompareOptions{Artefacts: b.Artefacts, Here: b.ScoresPath, There: b.With, List: Listed, Seed: b.Seed, Threads: b.Threads}, b.say)
	if err != nil {
		return err
	}
	return b.folder.write(report.MovedName, moved)
}

// writePages writes the pages that show the data.
func (b *base) writePages(context.Context) error {
	files, err := site.Files(b.overview.Title)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		err := b.folder.writeFile(name, func(w io.Writer) error {
			_, err := w.Write(files[name])
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
