package artefact

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/textlist"
	"github.com/clipnh/clipnh/internal/unit"
)

// Scores is an open folder of the scores of every image.
type Scores struct {
	*cache.Artefact
	OV     *decomp.OV
	Images int

	file     *npy.File // [B,H,C]
	features *features // nil where the pairs sum to the image feature, and before WholeScores
}

// Scores opens a folder of scores. Those of a vision transformer are a part of the image
// feature, which it does not open; see WholeScores.
func (r Reader) Scores(path string, facts Facts) (*Scores, error) {
	a, err := r.Collection(path, facts, KindScores)
	if err != nil {
		return nil, err
	}
	return ScoresOf(a)
}

// Collection opens a folder of one of some kinds. A file without a manifest is
// none.
func (r Reader) Collection(path string, facts Facts, kinds ...string) (*cache.Artefact, error) {
	a, err := r.Open(path, facts, kinds...)
	if err == nil && a == nil {
		err = &Error{Want: kinds[0], Path: path, Err: WrongKind(path, unmanifested(path), "a folder of "+anyOf(kinds))}
	}
	return a, err
}

// unmanifested says what a file without a manifest is.
func unmanifested(path string) string {
	f, err := npy.Open(path)
	if err != nil {
		return "no collection: there is no manifest beside it"
	}
	defer f.Close()
	return fmt.Sprintf("an array of shape %s, without a manifest that says of what", npy.ShapeString(f.Header.Shape))
}

// ScoresOf returns the scores of an artefact of KindScores.
func ScoresOf(a *cache.Artefact) (*Scores, error) {
	s := &Scores{Artefact: a}
	main, err := a.Payload("")
	if err != nil {
		return nil, err
	}
	if s.file, err = npy.Open(main); err != nil {
		return nil, err
	}
	if s.OV, err = readOV(a); err != nil {
		s.file.Close()
		return nil, err
	}
	if err := a.Unreplaced(); err != nil {
		s.file.Close()
		return nil, err
	}
	shape := s.file.Header.Shape
	if len(shape) != 3 || shape[1] != s.OV.Heads || shape[2] != s.OV.Neurons {
		s.file.Close()
		return nil, fmt.Errorf("%s: shape %s, want [B,%d,%d] as the weight products have it", main, npy.ShapeString(shape), s.OV.Heads, s.OV.Neurons)
	}
	s.Images = shape[0]
	return s, nil
}

// LayersOf says which heads the pairs of an artefact have; a is nil for another program's
// file.
func LayersOf(a *cache.Artefact) unit.Layers { return OriginLayers(OriginOf(a)) }

// OriginLayers says which heads the pairs of what has origin o have.
func OriginLayers(o origin.Origin) unit.Layers {
	if o.Transformer == nil {
		return unit.Layers{}
	}
	return unit.Layers{First: o.Transformer.NeuronLayer + 1, Heads: o.Transformer.Heads}
}

// IsWhole reports whether the pairs of a collection sum to the image feature, as those of
// an attention pool do; a is nil for another program's file.
func IsWhole(a *cache.Artefact) bool { return a == nil || a.Manifest.Origin.Transformer == nil }

// WantWhole returns an error unless the pairs of a collection that keeps no image features
// sum to them; a is nil for another program's file.
func WantWhole(a *cache.Artefact) error {
	if IsWhole(a) {
		return nil
	}
	return fmt.Errorf("%s: pairs of a vision transformer, which are a part of the image feature, without the rest of it: want a folder of scores", a.Path())
}

// Close closes the files.
func (s *Scores) Close() error {
	err := s.file.Close()
	if s.features != nil {
		err = errors.Join(err, s.features.file.Close())
	}
	return err
}

// Names returns the names of the images, one for each row.
func (s *Scores) Names() ([]string, error) {
	return namesOfRows(s.Artefact, s.Images)
}

// namesOfRows are the names of images, which a collection has one for each row of.
func namesOfRows(a *cache.Artefact, rows int) ([]string, error) {
	names, err := ImageNames(a)
	if err == nil && len(names) != rows {
		err = fmt.Errorf("%s: %s in %s, want one for each of %s", a.Path(), quantity.Of(len(names), "name"), ImagesFile, quantity.Of(rows, "row"))
	}
	return names, err
}

// View returns the scores [n,H,C] of the n images from first on, not to be written to:
// those of the mapped file, or what is read into buf, which grows. They are valid until
// Close or the next use of buf.
func (s *Scores) View(buf *[]float32, first, n int) ([]float32, error) {
	each := s.OV.Heads * s.OV.Neurons
	rows, err := s.file.View(buf, int64(first)*int64(each), n*each)
	if err != nil {
		return nil, err
	}
	return rows, s.finite(rows, first)
}

// Unchanged returns an error if the scores were written to since they were opened; those
// who used a View call it at the end.
func (s *Scores) Unchanged() error { return s.file.Unchanged() }

// Read fills rows with those of the images from first on.
func (s *Scores) Read(rows []float32, first int) error {
	each := s.OV.Heads * s.OV.Neurons
	if err := s.file.ReadFloat32(rows, int64(first)*int64(each)); err != nil {
		return err
	}
	return s.finite(rows, first)
}

// RowImages is how many images' scores EachRows has in memory: 76 MB for RN50x16.
const RowImages = 128

// EachRows hands over the scores of all images in groups, [b,H,C], with the number of the
// first image of each. The team reads; do is called once at a time.
func (s *Scores) EachRows(ctx context.Context, team par.Team, do func(first int, rows []float32) error) error {
	each := s.OV.Heads * s.OV.Neurons
	buf, failed := kernel.Alloc(min(RowImages, s.Images)*each), make([]error, team.Size())
	for lo := 0; lo < s.Images; lo += RowImages {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(RowImages, s.Images-lo)
		rows := buf[:n*each]
		team.For(n, func(first, last, w int) { failed[w] = s.Read(rows[first*each:last*each], lo+first) })
		if err := cmp.Or(failed...); err != nil {
			return err
		}
		if err := do(lo, rows); err != nil {
			return err
		}
	}
	return nil
}

// finite returns an error unless all scores of rows, of the images from first on, are.
func (s *Scores) finite(rows []float32, first int) error {
	each := s.OV.Heads * s.OV.Neurons
	if i := FirstNonFinite(rows); i >= 0 {
		return fmt.Errorf("%s: score of image %d, %s is %g, want finite scores", s.Path(), first+i/each, LayersOf(s.Artefact).Pair(i%each, s.OV.Neurons), rows[i])
	}
	return nil
}

// ReadPairs fills columns [B,n] with the scores of n pairs of one head, of the
// neurons from first on, for every image.
func (s *Scores) ReadPairs(columns []float32, head, first, n int) error {
	return s.ReadPart(columns[:s.Images*n], 0, head, first, n)
}

// ReadPart fills columns [b,n] with the scores of n pairs of one head, of the neurons
// from first on, for the b images from image on.
func (s *Scores) ReadPart(columns []float32, image, head, first, n int) error {
	C := s.OV.Neurons
	each, from := int64(s.OV.Heads*C), int64(head*C+first)
	for b := range len(columns) / n {
		row := columns[b*n : (b+1)*n]
		if err := s.file.ReadFloat32(row, int64(image+b)*each+from); err != nil {
			return err
		}
		if i := FirstNonFinite(row); i >= 0 {
			return fmt.Errorf("%s: score of image %d, %s is %g, want finite scores", s.Path(), image+b, LayersOf(s.Artefact).Pair(head*C+first+i, C), row[i])
		}
	}
	return nil
}

// ReadColumns fills columns [len(images),n] with the scores of n pairs, h*C+n from
// number first on, for some images.
func (s *Scores) ReadColumns(columns []float32, images []int, first, n int) error {
	each := int64(s.OV.Heads * s.OV.Neurons)
	for i, b := range images {
		row := columns[i*n : (i+1)*n]
		if err := s.file.ReadFloat32(row, int64(b)*each+int64(first)); err != nil {
			return err
		}
		if j := FirstNonFinite(row); j >= 0 {
			return fmt.Errorf("%s: score of image %d, %s is %g, want finite scores", s.Path(), b, LayersOf(s.Artefact).Pair(first+j, s.OV.Neurons), row[j])
		}
	}
	return nil
}

// ImageNames returns the names of the images that a folder has rows of.
func ImageNames(a *cache.Artefact) ([]string, error) { return namesIn(a, ImagesFile) }

// KnownImageNames returns the names of those images that a collection names: all that have a
// row, or else those that its extremes are of; none of one that names no image.
func KnownImageNames(a *cache.Artefact) []string {
	for _, file := range []string{ImagesFile, ExtremeNamesFile} {
		if names, err := namesIn(a, file); err == nil && len(names) > 0 {
			return names
		}
	}
	return nil
}

func namesIn(a *cache.Artefact, file string) ([]string, error) {
	path, err := a.Payload(file)
	if err != nil {
		return nil, err
	}
	names, err := textlist.ReadFile(path)
	if err == nil {
		err = a.Unreplaced()
	}
	return names, err
}

// readOV reads what contributions are made of besides scores.
func readOV(a *cache.Artefact) (*decomp.OV, error) {
	read := func(name string, rank int) ([]float32, []int, error) {
		path, err := a.Payload(name)
		if err != nil {
			return nil, nil, err
		}
		data, shape, err := readFinite(path)
		if err == nil && len(shape) != rank {
			err = fmt.Errorf("%s: shape %s, want %s", path, npy.ShapeString(shape), quantity.Of(rank, "dimension"))
		}
		return data, shape, err
	}
	value, v, err := read(ValueFile, 3)
	if err != nil {
		return nil, err
	}
	out, o, err := read(OutFile, 3)
	if err != nil {
		return nil, err
	}
	bias, b, err := read(BiasFile, 2)
	if err != nil {
		return nil, err
	}
	heads, neurons, outDim := v[0], v[2], o[0]
	if heads < 1 || neurons < 1 || v[1] < 1 || o[1] != heads || o[2] != v[1] || b[0] != heads || b[1] != outDim {
		return nil, fmt.Errorf("%s: weight slices of shapes %s, %s and a bias of %s do not fit together", filepath.Clean(a.Path()),
			npy.ShapeString(v), npy.ShapeString(o), npy.ShapeString(b))
	}
	return decomp.OVFromSlices(heads, neurons, outDim, value, out, bias), nil
}
