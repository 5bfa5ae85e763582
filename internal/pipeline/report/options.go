package report

import (
	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/pipeline/coding"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/report"
)

// Options says what to make a report of. Only ScoresPath and Dir are needed.
type Options struct {
	Artefacts artefact.Reader
	Store     *cache.Store
	Threads   int
	Seed      uint64 // of the projections that find neighbours

	ScoresPath     string // a folder of scores, or of heads
	PCsPath        string // components of pairs, .npy [H,C,O]
	ClassesPath    string // embeddings of classes, [K,O]
	WordScoresPath string // how well words predict pairs' scores, [H,C,4]
	coding.WordsOptions

	// Of heads, which have none of the above but embeddings, of their texts.
	Parts     []string // the MLPs of the same features, for shares of them
	SpansPath string   // texts that span heads; may be empty

	Model     string        // for maps of images; may be empty
	Details   model.Details // of the model; what they leave open is as in the scores
	Precision kernel.Precision
	BatchSize int

	Groups dataset.TableOptions // of images; no path: none
	Data   dataset.Options      // the images that were collected; no path: no labels and no thumbnails
	Images imageprep.Options
	Strict bool // stop at an image that cannot be read or has changed

	Spell func(text string) string // spells options named in braces, for pages; may be nil

	// Command is a command that makes f, which was made from from and may be made of others of
	// files, for pages; may be nil.
	Command func(f report.Input, from origin.Origin, files []report.Input) string

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
	Heads   int           `json:"heads,omitempty"` // of a report of heads, which has no pairs
	Files   int           `json:"files"`           // data files and sheets
	Kept    int           `json:"kept"`            // of these, left by an unfinished run
	Bytes   int64         `json:"bytes"`
	Parts   []report.Part `json:"parts"`
	Skipped []Skipped     `json:"skipped"`
	Changed []string      `json:"changed,omitempty"` // images that are shown and were other ones when the scores were collected
}

// Skipped is an image without a thumbnail.
type Skipped = cache.Skipped
