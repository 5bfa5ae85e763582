package segment

import (
	"cmp"
	"context"
	"fmt"
	"math"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/figure"
	"github.com/clipnh/clipnh/internal/pipeline/shard"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/ui"
)

// sceneToRead is an image to segment, and what was read of it.
type sceneToRead struct {
	name   string
	file   string                              // of drawings and label maps; empty: FileOf the name
	item   dataset.Item                        // the image
	given  int                                 // which of the paths that were given it belongs to
	load   func() (*dataset.LabelBytes, error) // the true labels; nil if there are none
	labels string                              // the file that they are in
	class  int                                 // whose map is compared with a mask, where there are masks
	sizes  *dataset.SceneSizes                 // of the files when they were listed; nil if they were not

	image         *imageprep.RGB // as it is; only if it is to be drawn
	scaled        *imageprep.RGB // as the tower sees it
	width, height int            // of the image as it is
	truth         []uint16       // [height,width], nil if there is none
	sum           uint32         // of the files, see sceneFiles
	bytes         int64          // of the image's file; 0 where it cannot be read
	changed       error          // the files are not as they were listed
	err           error
	panic         *par.Panic // of the reading, nil unless there is a fault in it
}

// drawing is the name of the file that is drawn of the scene.
func (s *sceneToRead) drawing() string { return cmp.Or(s.file, figure.FileOf(s.name)) }

// sceneFiles are the bytes of a scene's files.
type sceneFiles struct {
	image  *imageprep.File
	labels *dataset.LabelBytes // nil where there are none
	sum    uint32              // of both; the checksum of a file that cannot be read is 0
}

// files reads a scene's files. changed is the error of one that is not as it was
// listed, err that of one that cannot be read.
func (s *sceneToRead) files() (f sceneFiles, changed, err error) {
	f.image, err = s.item.Load()
	var sum uint32
	size := int64(0)
	if err == nil {
		sum, size = cache.SumOf(f.image.Bytes), f.image.Size
	}
	f.sum = cache.AddSum(0, sum)
	if s.sizes != nil {
		changed = source.SizeAsListed(s.item.Path, s.sizes.Image, size, err)
	}
	if s.load == nil {
		return f, changed, err
	}
	labels, labelsErr := s.load()
	sum, size = 0, 0
	if labelsErr == nil {
		f.labels, sum, size = labels, labels.CRC, labels.Size
	}
	f.sum = cache.AddSum(f.sum, sum)
	if s.sizes != nil {
		changed = cmp.Or(changed, source.SizeAsListed(s.labels, s.sizes.Labels, size, labelsErr))
	}
	return f, changed, cmp.Or(err, labelsErr)
}

// open reads a scene.
func (s *sceneToRead) open(o *Options, shorter int) error {
	f, changed, err := s.files()
	if f.image != nil {
		s.bytes = f.image.Size
	}
	if s.sum = f.sum; changed != nil {
		s.changed = source.WithAdvice(changed, source.RestoreHint)
		return s.changed
	}
	if err != nil {
		return err
	}
	return s.read(f, o, shorter)
}

// read fills in what the tower sees of a scene's files, and the true labels.
func (s *sceneToRead) read(f sceneFiles, o *Options, shorter int) error {
	image, err := s.decode(f.image, o, shorter)
	if err != nil {
		return err
	}
	s.width, s.height = image.W, image.H
	if f.labels != nil {
		labels, err := f.labels.Decode(o.Images)
		if err != nil {
			return err
		}
		if labels.W != s.width || labels.H != s.height {
			return fmt.Errorf("%s: %dx%d pixels, but its label map has %dx%d", s.item.Path, s.width, s.height, labels.W, labels.H)
		}
		s.truth = labels.Pix
	}
	if o.ShowDir != "" || o.PAMR.Steps > 0 {
		s.image = image
	}
	return nil
}

// decode returns an image as it is, and keeps it as the tower sees it.
func (s *sceneToRead) decode(f *imageprep.File, o *Options, shorter int) (image *imageprep.RGB, err error) {
	size := func(w, h int) (int, int) { return scaledSize(w, h, shorter, o.Setup.LongerSide) }
	if o.Pillow {
		image, s.scaled, err = f.DecodeResized(o.Images, size)
		return image, err
	}
	if image, err = f.Decode(o.Images); err == nil {
		w, h := size(image.W, image.H)
		s.scaled = imageprep.ResizeLinear(image, w, h)
	}
	return image, err
}

// scaledSize returns the size of a w x h image once its shorter side is brought
// to shorter, or, where the longer one would then be above longer (0 for no
// bound), that one to longer. Sides are rounded, halves up, as mmcv does.
func scaledSize(w, h, shorter, longer int) (int, int) {
	factor := float64(shorter) / float64(min(w, h))
	if longer > 0 {
		factor = min(factor, float64(longer)/float64(max(w, h)))
	}
	side := func(n int) int { return max(int(math.Floor(float64(n)*factor+0.5)), 1) }
	return side(w), side(h)
}

// sumsNow are the checksums of scenes' files, which it reads.
func sumsNow(ctx context.Context, scenes []sceneToRead, threads int, progress ui.Progress) ([]uint32, error) {
	if len(scenes) == 0 {
		return nil, nil
	}
	progress.Start(int64(len(scenes)), ui.Images, "compare images")
	defer progress.Done()
	now := make([]uint32, len(scenes))
	par.NewTeam(threads).For(len(scenes), func(lo, hi, _ int) {
		for i := lo; i < hi && ctx.Err() == nil; i++ {
			f, _, _ := scenes[i].files()
			now[i] = f.sum
			progress.Add(1)
		}
	})
	return now, ctx.Err()
}

// unchanged reads the files of scenes that an earlier run has counted, and fails with
// ErrStale where the checksum of one is not what it was. None is read if what holds them is the same.
func unchanged(ctx context.Context, scenes []sceneToRead, file *shard.File, threads int, progress ui.Progress) error {
	if file.Held {
		return nil
	}
	now, err := sumsNow(ctx, scenes, threads, progress)
	if err != nil {
		return err
	}
	for i, was := range file.Sums {
		if now[i] == was {
			continue
		}
		return hint.With(
			fmt.Errorf("%s: %w: its bytes have changed, or those of its label map", scenes[i].item.Path, cache.ErrStale),
			"restore them, or discard what is there with {restart}",
		)
	}
	return nil
}

// changedSince names the scenes whose files changed since complete counts at path were made of
// them, as far as these have checksums. To a strict run one is an error, ErrStale.
func (o *Options) changedSince(ctx context.Context, path string, scenes []sceneToRead, sums []uint32, say ui.Reporter) ([]string, error) {
	if len(sums) != len(scenes) { // of an older build
		return nil, nil
	}
	names := make([]string, len(scenes))
	for i, s := range scenes {
		names[i] = s.name
	}
	recorded := source.RecordedSums(path, names, sums, o.Strict)
	now, err := sumsNow(ctx, scenes, o.Threads, say.Progress())
	if err != nil {
		return nil, err
	}
	for i, s := range scenes {
		files := s.item.Path
		if s.labels != "" {
			files += " or " + s.labels
		}
		if err := recorded.CompareSum(s.name, files, now[i]); err != nil {
			return nil, err
		}
	}
	return recorded.Tell(say), nil
}
