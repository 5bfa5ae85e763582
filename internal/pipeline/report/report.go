// Package report makes a report of what other stages wrote: what its pages show of every
// unit, image and word. Package internal/report has the files.
//
// Scores are read in blocks: once by rows, for what an image's scores say together, and
// once by columns, for what a pair's scores say over all images. Everything about a pair
// follows from its column, as its contribution is its score times a direction, and a
// share that is the same for all images.
package report

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/coding"
	"github.com/clipnh/clipnh/internal/report"
	"github.com/clipnh/clipnh/internal/site"
	"github.com/clipnh/clipnh/internal/ui"
)

// Options says what to make a report of. Only ScoresPath and Dir are needed.
type Options struct {
	Artefacts artefact.Reader
	Store     *cache.Store
	Threads   int
	Seed      uint64 // of the projections that find neighbours

	ScoresPath     string // a folder of scores
	PCsPath        string // components of pairs, .npy [H,C,O]
	ClassesPath    string // embeddings of classes, [K,O]
	WordScoresPath string // how well words foretell pairs' scores, [H,C,4]
	coding.WordsOptions

	Model     string // for maps of images; may be empty
	Precision kernel.Precision
	BatchSize int

	Groups dataset.TableOptions // of images; no path: none
	Data   dataset.Options      // the images that were collected; no path: no labels and no thumbnails
	Images imageprep.Options

	Spell   func(text string) string       // spells options named in braces, for pages; may be nil
	Command func(kind, path string) string // the command that makes a file of a kind, for pages; may be nil

	With string // another collection, or a report of one, to compare with; may be empty

	Title string // empty: the model and the collection
	Dir   string // the report's folder
}

// Result is what was made.
type Result struct {
	Dir     string        `json:"dir"`
	Images  int           `json:"images"`
	Pairs   int           `json:"pairs"`
	Neurons int           `json:"neurons"`
	Files   int           `json:"files"` // data files and sheets
	Kept    int           `json:"kept"`  // of these, left by an unfinished run
	Bytes   int64         `json:"bytes"`
	Parts   []report.Part `json:"parts"`
	Skipped []Skipped     `json:"skipped"`
}

// Skipped is an image without a thumbnail.
type Skipped = cache.Skipped

// Run makes a report, or finishes one that was begun with the same options. A folder
// that holds something else is not touched.
func Run(ctx context.Context, o Options, say ui.Reporter) (*Result, error) {
	in, err := o.open(ctx, say)
	if err != nil {
		return nil, err
	}
	b := &builder{inputs: in, say: say, result: &Result{Dir: o.Dir, Images: in.scores.Images, Pairs: in.pairs(), Neurons: in.scores.OV.Neurons, Skipped: []Skipped{}}}
	if b.folder, err = o.openFolder(in); err != nil {
		return nil, errors.Join(err, in.close())
	}
	err = errors.Join(b.run(ctx), in.close())
	if err != nil {
		return nil, err
	}
	return b.result, nil
}

// builder is a Run under way.
type builder struct {
	*inputs
	folder *folder
	say    ui.Reporter
	result *Result

	features    []float32 // of images, [B,O]
	lengths     []float64 // their norms, [B]; nil where pairs do not sum to features
	neuronNorms []float32 // [C,B], until they are ranked
	logits      []float32 // of classes, [B,K]; nil without classes
	pairsOf     *columns  // what is known of pairs
	neurons     *columns  // and of neurons, whose scores are norms
	overview    report.Overview

	sketch                *sketch // of scores, until neighbours are found
	byDirection, byScores *near
	effects               *effects // nil: no labels or no classes

	wordList []string // that units have
	wordOf   []int32  // the number in it of a word of the list that was given
	wordAt   []int    // and back

	maps      *mapSet // nil without model
	textCount int     // words that have a record
}

func (in *inputs) pairs() int { return in.scores.OV.Heads * in.scores.OV.Neurons }

// A step is a part of the work.
type step struct {
	name string
	do   func(context.Context) error
}

func (b *builder) steps() []step {
	return []step{
		{"rows", b.readRows}, {"judge", b.judge}, {"columns", b.readColumns}, {"spread", b.spreadNeurons}, {"ablation", b.ablate}, {"neighbours", b.findNeighbours}, {"words", b.code}, {"maps", b.findMaps},
		{"neurons", b.writeNeurons}, {"index", b.writeIndex}, {"images", b.writeImages}, {"heads", b.writeHeads},
		{"records", b.writeRecords}, {"texts", b.writeTexts}, {"moved", b.writeMoved}, {"thumbnails", b.drawThumbs}, {"overview", b.writeOverview}, {"pages", b.writePages},
	}
}

func (b *builder) run(ctx context.Context) error {
	for _, part := range b.steps() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := part.do(ctx); err != nil {
			return err
		}
	}
	b.result.Parts = b.overview.Parts
	b.result.Files, b.result.Kept, b.result.Bytes = b.folder.files, b.folder.kept, b.folder.bytes
	return b.folder.finish()
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
func (b *builder) writePages(context.Context) error {
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

// team shares loops out.
func (in *inputs) team() par.Team { return par.NewTeam(in.Threads) }
