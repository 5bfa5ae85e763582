package pipeline

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/textlist"
)

// scores is an open folder of scores.
type scores struct {
	*cache.Artefact
	file *npy.File // [B,H,C]
	pool *decomp.Pool

	images int
}

// openScores opens a folder of scores that Collect wrote.
func openScores(path string) (*scores, error) {
	a, err := cache.Open(path)
	if err != nil {
		return nil, unmade(err, path, "collect --save-path")
	}
	return scoresOf(a)
}

// scoresOf opens the scores of a folder.
func scoresOf(a *cache.Artefact) (*scores, error) {
	if kind := a.Manifest.Kind; kind != kindScores {
		err := fmt.Errorf("%s: %w: it holds %s, want the scores of every picture", a.Path(), cache.ErrStale, kind)
		switch {
		case kind == kindMeanScores:
			return nil, hinted{err, "collect without --mean"}
		case strings.HasPrefix(kind, kindPrefix):
			return nil, hinted{err, "put the shards together first: clipnh merge"}
		}
		return nil, hinted{err, "give a folder that \"clipnh collect\" wrote"}
	}
	s := &scores{Artefact: a}
	main, err := a.Payload("")
	if err != nil {
		return nil, err
	}
	if s.file, err = npy.Open(main); err != nil {
		return nil, err
	}
	if s.pool, err = readPool(s.Artefact); err != nil {
		s.file.Close()
		return nil, err
	}
	shape := s.file.Header.Shape
	if len(shape) != 3 || shape[1] != s.pool.Heads || shape[2] != s.pool.Neurons {
		s.file.Close()
		return nil, fmt.Errorf("%s: shape %s, want [B,%d,%d] as the directions have it", main, npy.ShapeString(shape), s.pool.Heads, s.pool.Neurons)
	}
	s.images = shape[0]
	return s, nil
}

// sound reads an artefact and compares it with its checksums.
func sound(a *cache.Artefact) error {
	damage, err := a.Verify(context.Background(), nil)
	if err != nil || len(damage) == 0 {
		return err
	}
	d := damage[0]
	err = fmt.Errorf("%s: %w", d.File, d.Err)
	if d.Chunk >= 0 {
		err = fmt.Errorf("%s: chunk %d: %w", d.File, d.Chunk, d.Err)
	}
	return hinted{err, remake(a)}
}

// hinted is an error with advice.
type hinted struct {
	error
	hint string
}

func (h hinted) Unwrap() error { return h.error }

// Hint is what can be done about the error.
func (h hinted) Hint() string { return h.hint }

func (s *scores) close() error { return s.file.Close() }

// imageNames returns the names of the pictures that a folder has rows of.
func imageNames(a *cache.Artefact) ([]string, error) {
	path, err := a.Payload(imagesFile)
	if err != nil {
		return nil, err
	}
	return textlist.ReadFile(path)
}

// readPool reads what contributions are made of besides scores.
func readPool(a *cache.Artefact) (*decomp.Pool, error) {
	read := func(name string, rank int) ([]float32, []int, error) {
		path, err := a.Payload(name)
		if err != nil {
			return nil, nil, err
		}
		data, shape, err := readFinite(path)
		if err != nil {
			return nil, nil, err
		}
		if len(shape) != rank {
			return nil, nil, fmt.Errorf("%s: shape %s, want %d dimensions", path, npy.ShapeString(shape), rank)
		}
		return data, shape, nil
	}
	value, v, err := read(valueFile, 3)
	if err != nil {
		return nil, err
	}
	out, o, err := read(outFile, 3)
	if err != nil {
		return nil, err
	}
	bias, b, err := read(biasFile, 2)
	if err != nil {
		return nil, err
	}
	heads, neurons, outDim := v[0], v[2], o[0]
	if heads < 1 || v[0]*v[1] != neurons || o[1] != heads || o[2] != v[1] || b[0] != heads || b[1] != outDim {
		return nil, fmt.Errorf("%s: directions of shapes %s, %s and bias of %s do not fit together", filepath.Clean(a.Path()),
			npy.ShapeString(v), npy.ShapeString(o), npy.ShapeString(b))
	}
	return decomp.PoolFromSlices(heads, neurons, outDim, value, out, bias), nil
}

// readAll reads the scores of every picture, [B,H,C], and checks that they
// are finite.
func (s *scores) readAll() ([]float32, error) {
	each := s.pool.Heads * s.pool.Neurons
	all := make([]float32, s.images*each)
	return all, s.read(all, 0)
}

// read fills rows with those of the images from first on, and checks that they are
// finite.
func (s *scores) read(rows []float32, first int) error {
	each := s.pool.Heads * s.pool.Neurons
	if err := s.file.ReadFloat32(rows, int64(first)*int64(each)); err != nil {
		return err
	}
	if i := notFinite(rows); i >= 0 {
		return fmt.Errorf("%s: score of image %d, %s is %g, want finite scores", s.Path(), first+i/each, pairName(i%each, s.pool.Neurons), rows[i])
	}
	return nil
}
