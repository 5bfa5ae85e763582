package artefact

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/lowrank"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/usage"
)

// Statistics is an open folder of statistics of pairs: sums and extremes of their
// scores, and the features of the images.
type Statistics struct {
	*cache.Artefact
	*lowrank.Extremes
	OV *decomp.OV
}

// HasStatistics reports whether StatisticsOf opens an artefact.
func HasStatistics(a *cache.Artefact) bool {
	return a.Manifest.Kind == KindStatistics || a.Manifest.Kind == KindSummary
}

// PairsOnly is the error of statistics at path that neurons are wanted of.
func PairsOnly(path string) error {
	err := usage.Errorf("%s: statistics of pairs, which say nothing about sums over heads: neurons need scores, collected without {stats-only}", path)
	return hint.With(err, "{mode} nh takes the pairs")
}

// StatisticsOf returns the statistics of an artefact of KindStatistics, or of KindSummary,
// which have no features.
func StatisticsOf(a *cache.Artefact) (*Statistics, error) {
	if WholeKind(a.Manifest.Kind) == KindSummary {
		s, err := SummaryOf(a)
		if err != nil {
			return nil, err
		}
		return s.Statistics, nil
	}
	ov, err := readOV(a)
	if err != nil {
		return nil, err
	}
	s := &Statistics{Artefact: a, OV: ov}
	if err := s.readExtremes(a.Manifest.Shape[0]); err != nil {
		return nil, err
	}
	if s.Sum, err = s.sums(); err != nil {
		return nil, err
	}
	return s, a.Unreplaced()
}

// readExtremes reads the largest and smallest scores of so many images.
func (s *Statistics) readExtremes(images int) error {
	ov := s.OV
	largest, err := s.array(LargestFile, []int{ov.Heads, ov.Neurons, -1})
	if err != nil {
		return err
	}
	shape := largest.Header.Shape
	if images < 1 || shape[2] < 1 || shape[2] > images {
		return fmt.Errorf("%s: %s a pair %s kept of %s, want 1 or more of as many", s.Path(), quantity.Of(shape[2], "score"), quantity.Is(shape[2]), quantity.Of(images, "image"))
	}
	e := &lowrank.Extremes{Pairs: ov.Heads * ov.Neurons, Keep: shape[2], Images: images}
	if e.Largest.Scores, err = largest.Float32(); err != nil {
		return err
	}
	smallest, err := s.array(SmallestFile, shape)
	if err != nil {
		return err
	}
	if e.Smallest.Scores, err = smallest.Float32(); err != nil {
		return err
	}
	if e.Largest.Images, err = s.indices(LargestImagesFile, shape, images); err != nil {
		return err
	}
	if e.Smallest.Images, err = s.indices(SmallestImagesFile, shape, images); err != nil {
		return err
	}
	s.Extremes = e
	return nil
}

// sums reads the sums of scores. Those of older artefacts have one part.
func (s *Statistics) sums() (lowrank.Sums, error) {
	sums := lowrank.NewSums(s.OV.Heads * s.OV.Neurons)
	for _, part := range []struct {
		file string
		into []float64
	}{{SumsFile, sums.High}, {SumsLowFile, sums.Low}} {
		a, err := s.array(part.file, []int{s.OV.Heads, s.OV.Neurons})
		if part.file == SumsLowFile && errors.Is(err, cache.ErrMissing) {
			break
		}
		if err != nil {
			return sums, err
		}
		values, err := a.Float64()
		if err != nil {
			return sums, err
		}
		copy(part.into, values)
	}
	return sums, nil
}

// array reads a payload that must have a shape; -1 is any length.
func (s *Statistics) array(name string, shape []int) (*npy.Array, error) {
	path, err := s.Payload(name)
	if err != nil {
		return nil, err
	}
	a, err := npy.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if err := CheckArray(path, a); err != nil {
		return nil, err
	}
	got := a.Header.Shape
	if !slices.EqualFunc(got, shape, func(g, w int) bool { return g == w || w < 0 }) {
		return nil, fmt.Errorf("%s: shape %s, want %s", path, npy.ShapeString(got), npy.ShapeString(shape))
	}
	return a, nil
}

// indices reads a payload of numbers of so many images.
func (s *Statistics) indices(name string, shape []int, images int) ([]int32, error) {
	a, err := s.array(name, shape)
	if err != nil {
		return nil, err
	}
	numbers, err := a.Int64()
	if err != nil {
		return nil, err
	}
	indices := make([]int32, len(numbers))
	for i, n := range numbers {
		if n < 0 || n >= int64(images) {
			return nil, fmt.Errorf("%s: %s: image %d of %d", s.Path(), name, n, images)
		}
		indices[i] = int32(n)
	}
	return indices, nil
}

// Features reads the image features, [B,O].
func (s *Statistics) Features() ([]float32, error) {
	path, err := s.Payload("")
	if err != nil {
		return nil, err
	}
	features, shape, err := readFinite(path)
	if err == nil {
		err = s.Unreplaced()
	}
	if err == nil && !slices.Equal(shape, []int{s.Images, s.OV.OutDim}) {
		err = fmt.Errorf("%s: shape %s, want [%d,%d]", path, npy.ShapeString(shape), s.Images, s.OV.OutDim)
	}
	return features, err
}

// WantTop returns an error unless the top images are among those kept. option is
// what asks for them.
func (s *Statistics) WantTop(option string, top int) error {
	if s.Complete(top) {
		return nil
	}
	return usage.Errorf("%s: %d largest and smallest scores of each pair are kept, %s %d wants as many: collect with {top-k} %d", s.Path(), s.Keep, option, top, top)
}

// A FileAdder takes the files beside the rows of a folder: a *cache.ChunkWriter,
// or a *cache.Repair, which writes damaged ones only.
type FileAdder interface {
	AddFile(name string, write func(io.Writer) error) error
}

// AddStatistics adds sums and extremes to a folder.
func AddStatistics(w FileAdder, e *lowrank.Extremes, heads, neurons int) error {
	shape := []int{heads, neurons}
	err := addAll(w, []addedFile{
		{SumsFile, func(to io.Writer) error { return npy.Write(to, shape, e.Sum.High) }},
		{SumsLowFile, func(to io.Writer) error { return npy.Write(to, shape, e.Sum.Low) }},
	})
	if err != nil {
		return err
	}
	return addExtremes(w, e, heads, neurons)
}

// An addedFile is a file of a folder and what writes it.
type addedFile struct {
	name  string
	write func(io.Writer) error
}

func addAll(w FileAdder, files []addedFile) error {
	for _, f := range files {
		if err := w.AddFile(f.name, f.write); err != nil {
			return err
		}
	}
	return nil
}

// addExtremes adds the largest and smallest scores, with their images.
func addExtremes(w FileAdder, e *lowrank.Extremes, heads, neurons int) error {
	kept := min(e.Keep, e.Images)
	tail := []int{heads, neurons, kept}
	return addAll(w, []addedFile{
		{LargestFile, func(to io.Writer) error {
			return npy.WriteFloat32(to, tail, firstColumns(e.Largest.Scores, e.Keep, kept))
		}},
		{LargestImagesFile, func(to io.Writer) error { return npy.Write(to, tail, firstColumns(e.Largest.Images, e.Keep, kept)) }},
		{SmallestFile, func(to io.Writer) error {
			return npy.WriteFloat32(to, tail, firstColumns(e.Smallest.Scores, e.Keep, kept))
		}},
		{SmallestImagesFile, func(to io.Writer) error { return npy.Write(to, tail, firstColumns(e.Smallest.Images, e.Keep, kept)) }},
	})
}

// firstColumns returns the first n of every row of a.
func firstColumns[T any](a []T, row, n int) []T {
	if n == row {
		return a
	}
	var all []T
	for ; len(a) > 0; a = a[row:] {
		all = append(all, a[:n]...)
	}
	return all
}

// AddOV adds what contributions are made of besides scores, and, to expand
// them, the weight products written out.
func AddOV(w FileAdder, p *decomp.OV, expand bool, team par.Team) error {
	H, C, O, D := p.Heads, p.Neurons, p.OutDim, p.Width
	for _, f := range []struct {
		name  string
		shape []int
		data  []float32
	}{
		{ValueFile, []int{H, D, C}, p.Value},
		{OutFile, []int{O, H, D}, p.Out},
		{BiasFile, []int{H, O}, p.Bias},
	} {
		if err := w.AddFile(f.name, func(to io.Writer) error { return npy.WriteFloat32(to, f.shape, f.data) }); err != nil {
			return err
		}
	}
	if !expand {
		return nil
	}
	return w.AddFile(DirectionsFile, func(to io.Writer) error {
		return npy.WriteFloat32(to, []int{H, C, O}, p.AllDirections(team))
	})
}
