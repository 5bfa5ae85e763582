package dataset

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/quantity"
)

// annotations is an index of a file in the form of PASCAL in Detail, as
// trainval_merged.json of PASCAL Context:
//
//	{"images": [{"image_id", "file_name", "height", "width", "phase"}, ...],
//	 "annos_segmentation": [{"image_id", "category_id", "segmentation": {"size", "counts"}}, ...],
//	 ...}
//
// The file has hundreds of megabytes. It is read once from end to end, a value
// at a time, to find where the masks of each image are; a label map is made
// of them when it is asked for. Memory is that of the index, at most the size
// of the file and usually a hundredth of it, and of a value of at most
// maxValue bytes.
type annotations struct {
	listed foreign.Listed
	images map[string]*marked // by file name
}

// A marked is an image with its masks, later ones above.
type marked struct {
	w, h  int
	phase string
	masks []mask
}

// A mask is where the file holds one.
type mask struct {
	at       int64
	length   int
	category uint16
}

// readAnnotations makes the index of a file's masks of the categories ids.
func readAnnotations(ctx context.Context, path string, ids []int) (*annotations, error) {
	listed, file, err := foreign.List(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	a := &annotations{listed: listed}
	r := newIndexer(ctx, file, ids)
	if a.images, err = r.index(); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("%s: %w", path, foreign.Explain(file, "annotations in JSON", fmt.Errorf("byte %d: %w", r.json.InputOffset(), err)))
	}
	return a, nil
}

// has tells whether the file lists an image.
func (a *annotations) has(name string) bool { return a.images[name] != nil }

// names returns the sorted names of the images of a phase, without suffix.
func (a *annotations) names(phase, suffix string) ([]string, error) {
	var names, phases []string
	for _, name := range slices.Sorted(maps.Keys(a.images)) {
		m := a.images[name]
		if !slices.Contains(phases, m.phase) && len(phases) < 5 {
			phases = append(phases, m.phase)
		}
		if m.phase != phase && phase != "" {
			continue
		}
		short, ok := strings.CutSuffix(name, suffix)
		if !ok {
			return nil, fmt.Errorf("%s: image %s, want names ending in %s", a.listed.Path, foreign.Quote(name), suffix)
		}
		names = append(names, short)
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%s: none of %s is of phase %q; there are %s", a.listed.Path, quantity.Of(len(a.images), "image"), phase, foreign.QuoteAll(phases))
	}
	return names, nil
}

// checksum returns the CRC-32C of the masks of an image, as the file has them.
func (a *annotations) checksum(name string) (uint32, error) {
	file, err := a.open(name)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	sum := crc32.New(castagnoli)
	for _, where := range a.images[name].masks {
		if _, err := io.Copy(sum, io.NewSectionReader(file, where.at, int64(where.length))); err != nil {
			return 0, a.failed(name, err)
		}
	}
	return sum.Sum32(), nil
}

// open opens the file, which must be the one that was indexed.
func (a *annotations) open(name string) (*os.File, error) {
	file, err := a.listed.Open()
	switch {
	case errors.Is(err, foreign.ErrChanged):
		return nil, a.failed(name, foreign.ErrChanged)
	case err != nil:
		return nil, fmt.Errorf("read label map: %w", err)
	}
	return file, nil
}

func (a *annotations) failed(name string, err error) error {
	return fmt.Errorf("read label map: %s: %s: %w", a.listed.Path, foreign.Name(name), err)
}

// labels makes the label map of an image, of ids of categories, 0 where there
// is no mask.
func (a *annotations) labels(name string, o imageprep.Options) (*imageprep.Labels, error) {
	fail := func(err error) error { return a.failed(name, err) }
	file, err := a.open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	m := a.images[name]
	labels, err := imageprep.NewLabels(m.w, m.h, o)
	if err != nil {
		return nil, fail(err)
	}
	for _, where := range m.masks {
		text := make([]byte, where.length)
		if _, err := file.ReadAt(text, where.at); err != nil {
			return nil, fail(err)
		}
		var found struct {
			Segmentation rle `json:"segmentation"`
		}
		if err := json.Unmarshal(bytes.TrimLeft(text, ", \t\r\n"), &found); err != nil {
			return nil, fail(foreign.Short(err))
		}
		mask := &found.Segmentation
		if mask.Size != [2]int{m.h, m.w} {
			err = fmt.Errorf("mask of size %v, want %v", mask.Size, [2]int{m.h, m.w})
		} else {
			err = mask.paint(labels.Pix, where.category)
		}
		if err != nil {
			return nil, fail(fmt.Errorf("mask at byte %d: %w", where.at, err))
		}
	}
	return labels, nil
}
