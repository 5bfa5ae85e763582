package source

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/ui"
)

// Recorded are the checksums of the image files that a collection or result was made of,
// for what reads the images again: an image that has changed since is another one, even
// where it has the same size. Its methods may be called concurrently, and of nil.
type Recorded struct {
	path   string // of the collection or result
	strict bool
	sums   map[string]uint32 // by name

	mu      sync.Mutex
	changed map[string]bool
}

// RecordedImages returns the checksums that a collection keeps of the images of a data
// set, as far as they are known; a is nil for another program's file. To a strict run an
// image that has changed is an error.
func RecordedImages(a *cache.Artefact, path string, data *dataset.Dataset, strict bool) (*Recorded, error) {
	r := RecordedSums(path, nil, nil, strict)
	if a == nil {
		return r, nil
	}
	// In the order of the data set, checksums are also known of chunks with skipped images.
	if o := a.Manifest.Origin; o.Images != nil && o.Shard == nil {
		listed := data.Stride(max(o.Images.Stride, 1))
		same := NamesHash(listed.Items) == o.Images.Names
		if !same {
			now, err := listed.Fingerprint()
			if err != nil {
				return nil, err
			}
			same = now == o.Images.SHA256
		}
		if same {
			for i, sum := range a.InputSums() {
				if i < len(listed.Items) {
					r.sums[listed.Items[i].Name] = sum
				}
			}
			return r, nil
		}
	}
	if _, err := a.Payload(artefact.ImagesFile); err != nil {
		return r, nil // a dense file, whose rows have no names
	}
	names, err := artefact.ImageNames(a)
	if err != nil {
		return nil, err
	}
	for i, sum := range artefact.ImageSums(a, len(names)) {
		if sum.Known {
			r.sums[names[i]] = sum.CRC
		}
	}
	return r, nil
}

// RecordedSums returns the checksums that a result at path keeps of the images that it was
// made of, none if an older build wrote it.
func RecordedSums(path string, names []string, sums []uint32, strict bool) *Recorded {
	r := &Recorded{path: path, strict: strict, sums: make(map[string]uint32, len(sums)), changed: map[string]bool{}}
	for i, sum := range sums[:min(len(sums), len(names))] {
		r.sums[names[i]] = sum
	}
	return r
}

// CompareFiles is Compare of the images that have a recorded checksum, whose files it reads.
func (r *Recorded) CompareFiles(ctx context.Context, items []dataset.Item, threads int, progress ui.Progress) error {
	var known []dataset.Item
	for _, item := range items {
		if _, ok := r.sums[item.Name]; ok {
			known = append(known, item)
		}
	}
	now, err := Sums(ctx, known, threads, progress)
	for i := 0; i < len(known) && err == nil; i++ {
		err = r.CompareSum(known[i].Name, known[i].Path, now[i])
	}
	return err
}

// Compare compares the file of an image with what it was when it was collected. One that
// has changed is an error of a strict run, which is cache.ErrStale; else Tell names it.
func (r *Recorded) Compare(name string, f *imageprep.File) error {
	if r == nil {
		return nil
	}
	return r.CompareSum(name, f.Path, cache.SumOf(f.Bytes))
}

// CompareSum is Compare of a file's checksum.
func (r *Recorded) CompareSum(name, path string, now uint32) error {
	if r == nil {
		return nil
	}
	was, known := r.sums[name]
	if !known || was == now {
		return nil
	}
	if r.strict {
		return hint.With(
			fmt.Errorf("%s: %w: its bytes have changed since %s was made", path, cache.ErrStale, r.path),
			"restore the image, or collect it again",
		)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.changed[name] = true
	return nil
}

// mostChanged is how many images Tell names.
const mostChanged = 5

// Changed are the names of the images that have changed, as far as they were compared, in
// order.
func (r *Recorded) Changed() []string {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(maps.Keys(r.changed))
}

// Tell warns of the images that have changed, and returns their names in order.
func (r *Recorded) Tell(say ui.Reporter) []string {
	names := r.Changed()
	if len(names) == 0 {
		return nil
	}
	var named []string
	for _, name := range names[:min(len(names), mostChanged)] {
		named = append(named, foreign.Name(name))
	}
	list := strings.Join(named, ", ")
	if more := len(names) - len(named); more > 0 {
		list = fmt.Sprintf("%s and %d more", list, more)
	}
	say.Warn("%s: %s changed since it was made; its numbers are those of the earlier files: %s", r.path, ui.Images.Count(int64(len(names))), list)
	return names
}
