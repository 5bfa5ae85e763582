package search

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
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/ui"
)

// seeExamples returns a unit vector for each example image. Those that a collection of scores
// names have theirs from it; others are files, which the model sees.
func (s *searcher) seeExamples(ctx context.Context, say ui.Reporter) ([]float32, error) {
	O := s.src.OutDim
	vectors := make([]float32, len(s.o.Examples)*O)
	var files []string
	var at []int // of their vectors
	for i, name := range s.o.Examples {
		row := s.rowOf(name)
		if row < 0 {
			files, at = append(files, name), append(at, i)
			continue
		}
		if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() {
			say.Note("%s: took the image of %s that has this name; write .%c%s for the file", foreign.Name(name), s.o.ScoresPath, filepath.Separator, foreign.Name(name))
		}
		if err := s.src.Feature(vectors[i*O:(i+1)*O], row, s.team); err != nil {
			return nil, err
		}
	}
	if len(files) > 0 {
		if err := s.seeFiles(ctx, files, say, func(i int, feature []float32) { copy(vectors[at[i]*O:], feature) }); err != nil {
			return nil, err
		}
	}
	for i, name := range s.o.Examples {
		if !normalize(vectors[i*O : (i+1)*O]) {
			return nil, fmt.Errorf("%s: the image's feature has no direction (zero or not finite)", foreign.Name(name))
		}
	}
	return vectors, nil
}

// expandExamples replaces patterns with braces by the files that they stand for. A name that
// the collection has is no pattern.
func (s *searcher) expandExamples() error {
	var all []string
	for _, name := range s.o.Examples {
		if s.rowOf(name) >= 0 {
			all = append(all, name)
			continue
		}
		files, err := dataset.Expand([]string{name})
		if err != nil {
			return err
		}
		all = append(all, files...)
	}
	s.o.Examples = all
	return nil
}

// rowOf returns the row of an image that a collection names; -1: there is none.
func (s *searcher) rowOf(name string) int {
	if s.src.Artefact == nil {
		return -1
	}
	return slices.Index(s.src.Names, name)
}

// seesFiles reports whether the tower is needed for an example image.
func (s *searcher) seesFiles() bool {
	return slices.ContainsFunc(s.o.Examples, func(name string) bool { return s.rowOf(name) < 0 })
}

// seeFiles sends image files through the tower, and hands over their features.
func (s *searcher) seeFiles(ctx context.Context, files []string, say ui.Reporter, do func(i int, feature []float32)) error {
	var others *source.Source
	var err error
	switch {
	case s.src.Tower != nil:
		others, err = s.src.Others(ctx, files, say)
	case s.o.Model == "":
		err := fmt.Errorf("%s: no image of %s has this name", foreign.Name(files[0]), s.o.ScoresPath)
		return hint.With(err, "an image file needs {model}, which the collection was made with")
	default:
		for _, file := range files {
			if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("%s: no image of %s has this name, and there is no such file", foreign.Name(file), s.o.ScoresPath)
			}
		}
		from := s.o.Options
		from.ScoresPath, from.Paths, from.Strict, from.FeaturesOnly = "", files, true, true
		from.Details = model.DetailsFor(from.Details, s.src.Origin)
		if err := s.seeAsCollected(&from); err != nil {
			return err
		}
		if others, err = source.OpenTower(ctx, from, s.o.Threads, say); err == nil {
			defer others.Close()
			err = others.Model.WantFor(s.o.Artefacts, s.o.ScoresPath, s.src.Origin, s.src.OutDim)
		}
	}
	if err != nil {
		return err
	}
	if others.Images != len(files) {
		return fmt.Errorf("%s: a folder, want the file of an example image", foreign.Name(files[0]))
	}
	seen := 0
	features := []float32{}
	return others.Each(ctx, func(b source.Batch) error {
		n := len(b.Names)
		features = slices.Grow(features[:0], n*others.OutDim)[:n*others.OutDim]
		b.Features(features, s.team)
		for i := range n {
			do(seen+i, features[i*others.OutDim:(i+1)*others.OutDim])
		}
		seen += n
		return nil
	})
}

// seeAsCollected has example images seen as those of the collection were.
func (s *searcher) seeAsCollected(o *source.Options) error {
	if block := s.src.Origin.Block; block != "" && block != origin.LastBlock {
		return fmt.Errorf("%s: %w: made with block %s, but image files are seen through the last block", s.o.ScoresPath, cache.ErrStale, block)
	}
	if s.src.Origin.Precision == origin.BFloat16 {
		o.Precision = kernel.BFloat16
	}
	return source.PrepareAsCollected(&o.Images, s.src.Artefact)
}

// cosines writes the cosines of a feature [O] and unit vectors to dst. It reports false if
// the feature has no direction.
func cosines(dst []float64, feature, vectors []float32) bool {
	norm := decomp.Norm(feature)
	if !(norm > 0) || norm-norm != 0 {
		return false
	}
	for i := range dst {
		sum := 0.0
		for o, x := range vectors[i*len(feature) : (i+1)*len(feature)] {
			sum += float64(x) * float64(feature[o])
		}
		dst[i] = sum / norm
	}
	return true
}

// normalize scales a vector to length one. It reports false if it has no direction.
func normalize(v []float32) bool {
	norm := decomp.Norm(v)
	if !(norm > 0) || norm-norm != 0 {
		return false
	}
	for i := range v {
		v[i] = float32(float64(v[i]) / norm)
	}
	return true
}
