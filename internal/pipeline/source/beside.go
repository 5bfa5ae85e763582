package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/ui"
)

// This file is how single images are named beside those of a source: by their names in a
// collection, or by their files, which a model sees.

// RowOf returns the row of an image that a collection names; -1: there is none.
func (s *Source) RowOf(name string) int {
	if s.Artefact == nil {
		return -1
	}
	return slices.Index(s.Names, name)
}

// NoteTaken says of a name that is both an image's of the collection at path and a file's that
// the former was taken.
func NoteTaken(name, path string, say ui.Reporter) {
	if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() {
		say.Note("%s: took the image of %s that has this name; write .%c%s for the file", foreign.Name(name), path, filepath.Separator, foreign.Name(name))
	}
}

// ExpandNames replaces patterns with braces by the files that they stand for. A name that the
// collection has is no pattern.
func (s *Source) ExpandNames(names []string) ([]string, error) {
	var all []string
	for _, name := range names {
		if s.RowOf(name) >= 0 {
			all = append(all, name)
			continue
		}
		files, err := dataset.Expand([]string{name})
		if err != nil {
			return nil, err
		}
		all = append(all, files...)
	}
	return all, nil
}

// See sends image files through a tower, those of the source's model or, beside a collection,
// of the one that o names and that it was made with, and hands over their batches with the
// number of the first image of each. Images are prepared as those of the source were; one that
// cannot be read is an error.
func (s *Source) See(ctx context.Context, o Options, files []string, threads int, say ui.Reporter, do func(first int, b Batch) error) error {
	err := s.CanSee(o, files)
	if err != nil {
		return err
	}
	var others *Source
	if s.Tower != nil {
		others, err = s.Others(ctx, files, say)
	} else if others, err = s.beside(ctx, o, files, threads, say); err == nil {
		defer others.Close()
		err = others.Model.WantFor(o.Artefacts, o.ScoresPath, s.Origin, s.OutDim)
	}
	if err != nil {
		return err
	}
	if others.Images != len(files) {
		return fmt.Errorf("%s: a folder, want the file of an image", foreign.Name(files[0]))
	}
	seen := 0
	return others.Each(ctx, func(b Batch) error {
		seen += len(b.Names)
		return do(seen-len(b.Names), b)
	})
}

// CanSee returns an error where See will fail as a collection has neither an image of a name nor
// a model that sees the file, or as there is no such file.
func (s *Source) CanSee(o Options, files []string) error {
	if s.Tower != nil {
		return nil
	}
	for _, file := range files {
		if o.Model == "" {
			err := fmt.Errorf("%s: no image of %s has this name", foreign.Name(file), o.ScoresPath)
			return hint.With(err, "an image file needs {model}, which the collection was made with")
		}
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s: no image of %s has this name, and there is no such file", foreign.Name(file), o.ScoresPath)
		}
	}
	return nil
}

// beside opens files with the model of o, as the images of the collection were seen.
func (s *Source) beside(ctx context.Context, o Options, files []string, threads int, say ui.Reporter) (*Source, error) {
	path := o.ScoresPath
	o.ScoresPath, o.Paths, o.Strict = "", files, true
	o.Details = model.DetailsFor(o.Details, s.Origin)
	if block := s.Origin.Block; block != "" && block != origin.LastBlock {
		return nil, fmt.Errorf("%s: %w: made with block %s, but image files are seen through the last block", path, cache.ErrStale, block)
	}
	if s.Origin.Precision == origin.BFloat16 {
		o.Precision = kernel.BFloat16
	}
	if err := PrepareAsCollected(&o.Images, s.Artefact); err != nil {
		return nil, err
	}
	return OpenTower(ctx, o, threads, say)
}
