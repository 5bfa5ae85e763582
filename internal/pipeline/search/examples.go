package search

import (
	"context"
	"fmt"
	"slices"

	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/foreign"
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
		row := s.src.RowOf(name)
		if row < 0 {
			files, at = append(files, name), append(at, i)
			continue
		}
		source.NoteTaken(name, s.o.ScoresPath, say)
		if err := s.src.Feature(vectors[i*O:(i+1)*O], row, s.team); err != nil {
			return nil, err
		}
	}
	if len(files) > 0 {
		from := s.o.Options
		from.FeaturesOnly = true
		var features []float32
		err := s.src.See(ctx, from, files, s.o.Threads, say, func(first int, b source.Batch) error {
			n := len(b.Names)
			features = slices.Grow(features[:0], n*O)[:n*O]
			b.Features(features, s.team)
			for i := range n {
				copy(vectors[at[first+i]*O:], features[i*O:(i+1)*O])
			}
			return nil
		})
		if err != nil {
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

// seesFiles reports whether the tower is needed for an example image.
func (s *searcher) seesFiles() bool {
	return slices.ContainsFunc(s.o.Examples, func(name string) bool { return s.src.RowOf(name) < 0 })
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
