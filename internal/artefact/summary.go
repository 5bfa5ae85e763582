package artefact

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/lowrank"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/sketch"
	"github.com/clipnh/clipnh/internal/usage"
)

// Summary is an open folder of a summary: what is known of the scores of any number of
// images without a row for each.
type Summary struct {
	*Statistics // without features
	Sketch      *sketch.Set

	Names   map[int]string // of the images that extremes are of, by their numbers
	Skipped []cache.Skipped
}

// maxSkipped bounds the list of skipped images of a file that may be damaged.
const maxSkipped = 256 << 20

// NoFeatures is the error of a summary at path that something else is wanted of.
func NoFeatures(path, want string) error {
	err := usage.Errorf("%s: a summary, which has no row for each image: %s", path, want)
	return hint.With(err, "collect again without {no-features}")
}

// Summary opens a folder of a summary.
func (r Reader) Summary(path string, facts Facts) (*Summary, error) {
	a, err := r.Collection(path, facts, KindSummary)
	if err != nil {
		return nil, err
	}
	return SummaryOf(a)
}

// SummaryOf returns the summary of an artefact of KindSummary, or of a shard of one, which
// may be of no image.
func SummaryOf(a *cache.Artefact) (*Summary, error) {
	ov, err := readOV(a)
	if err != nil {
		return nil, err
	}
	s := &Summary{Statistics: &Statistics{Artefact: a, OV: ov}, Names: map[int]string{}}
	pairs := ov.Heads * ov.Neurons
	err = s.readFile(SketchFile, func(path string, r io.Reader) error {
		if s.Sketch, err = sketch.Read(r, pairs); err != nil {
			return fmt.Errorf("%s: %w: %w", path, cache.ErrDamaged, err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	images := s.Sketch.Images
	if images == 0 && IsShard(a.Manifest.Kind) {
		s.Extremes = &lowrank.Extremes{Pairs: pairs, Sum: lowrank.NewSums(pairs)}
	} else if err := s.readExtremes(images); err != nil {
		return nil, err
	}
	s.Sum = lowrank.NewSums(pairs)
	for u := range pairs {
		s.Sum.High[u] = s.Sketch.Sum(u)
	}
	if err := s.readNames(); err != nil {
		return nil, err
	}
	if s.Skipped, err = SkippedOf(a); err != nil {
		return nil, err
	}
	return s, a.Unreplaced()
}

// CheckSketch returns an error unless the counts and sums of the sketch at path agree.
func CheckSketch(path string) error {
	f, err := foreign.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := sketch.Check(f); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// ImagesOf is how many images a summary is of.
func ImagesOf(a *cache.Artefact) (images int, err error) {
	s := &Statistics{Artefact: a}
	err = s.readFile(SketchFile, func(path string, r io.Reader) error {
		if _, images, err = sketch.ReadSize(r); err != nil {
			return fmt.Errorf("%s: %w: %w", path, cache.ErrDamaged, err)
		}
		return nil
	})
	return images, err
}

// SkippedOf are the images that a summary lacks, as they could not be read.
func SkippedOf(a *cache.Artefact) (skipped []cache.Skipped, err error) {
	s := &Statistics{Artefact: a}
	err = s.readFile(SkippedFile, func(path string, r io.Reader) error {
		d := json.NewDecoder(io.LimitReader(r, maxSkipped))
		d.DisallowUnknownFields()
		err := d.Decode(&skipped)
		if err == nil {
			if _, more := d.Token(); more != io.EOF {
				err = errors.New("text after the end")
			}
		}
		if err != nil {
			return fmt.Errorf("%s: %w: %w", path, cache.ErrDamaged, foreign.Short(err))
		}
		return nil
	})
	return skipped, err
}

// readFile hands over a payload.
func (s *Statistics) readFile(name string, read func(path string, r io.Reader) error) error {
	path, err := s.Payload(name)
	if err != nil {
		return err
	}
	f, err := foreign.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return read(path, f)
}

// maxName bounds the name of an image.
const maxName = 64 << 10

// readNames reads the names of the images that extremes are of, all of which must have one.
// There may be more of them than a list of texts may have lines.
func (s *Summary) readNames() error {
	var names []string
	err := s.readFile(ExtremeNamesFile, func(path string, r io.Reader) error {
		lines := bufio.NewScanner(r)
		lines.Buffer(nil, maxName)
		for lines.Scan() {
			names = append(names, lines.Text())
		}
		if err := lines.Err(); err != nil {
			return fmt.Errorf("%s: line %d: %w", path, len(names)+1, err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	numbers, err := s.indices(ExtremesFile, []int{len(names)}, s.Sketch.Images)
	if err != nil {
		return err
	}
	for i, n := range numbers {
		if i > 0 && n <= numbers[i-1] {
			return fmt.Errorf("%s: %w: image %d after %d in %s", s.Path(), cache.ErrDamaged, n, numbers[i-1], ExtremesFile)
		}
		s.Names[int(n)] = names[i]
	}
	for _, n := range ExtremeImages(s.Extremes) {
		if _, ok := s.Names[n]; !ok {
			return fmt.Errorf("%s: %w: image %d is among the extremes and has no name in %s", s.Path(), cache.ErrDamaged, n, ExtremeNamesFile)
		}
	}
	return nil
}

// ExtremeImages are the numbers of the images that extremes are of, ascending.
func ExtremeImages(e *lowrank.Extremes) []int {
	there := map[int32]bool{}
	kept := min(e.Keep, e.Images)
	for p := range e.Pairs {
		for _, t := range [][]int32{e.Largest.Images, e.Smallest.Images} {
			for _, n := range t[p*e.Keep:][:kept] {
				there[n] = true
			}
		}
	}
	all := make([]int, 0, len(there))
	for n := range maps.Keys(there) {
		all = append(all, int(n))
	}
	slices.Sort(all)
	return all
}

// Means are the mean scores of a Set, [U], zero of no images.
func Means(s *sketch.Set) []float32 {
	means := make([]float32, s.Units)
	for u := range means {
		mean, _, _ := s.Moments(u)
		means[u] = float32(mean)
	}
	return means
}

// AddSummary adds extremes, a sketch, the names of the images that extremes are of, and the
// images that were skipped to a folder.
func AddSummary(w FileAdder, e *lowrank.Extremes, s *sketch.Set, names map[int]string, skipped []cache.Skipped, heads, neurons int) error {
	if err := addExtremes(w, e, heads, neurons); err != nil {
		return err
	}
	var numbers []int64
	for _, n := range ExtremeImages(e) {
		numbers = append(numbers, int64(n))
	}
	return addAll(w, []addedFile{
		{SketchFile, s.Write},
		{ExtremesFile, func(to io.Writer) error { return npy.Write(to, []int{len(numbers)}, numbers) }},
		{ExtremeNamesFile, func(to io.Writer) error {
			for _, n := range numbers {
				if _, err := io.WriteString(to, names[int(n)]+"\n"); err != nil {
					return err
				}
			}
			return nil
		}},
		{SkippedFile, func(to io.Writer) error {
			e := json.NewEncoder(to)
			e.SetEscapeHTML(false)
			e.SetIndent("", " ")
			return e.Encode(append([]cache.Skipped{}, skipped...))
		}},
	})
}
