package source

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/ui"
)

// This file notices images that are not what they were: while a run reads them, and
// between a run and the one that resumes it.

// SizeAsListed returns an error unless a file is as long as it was when the run listed
// it. was is that size, -1 of a file that could not be opened, as dataset.Sizes has
// it; now is the size with which it was read, and err why it could not be. A file
// that could be opened and cannot any more is not skipped like one that never could:
// the run's manifest has its size.
func SizeAsListed(path string, was, now int64, err error) error {
	switch {
	case err == nil && now == was, err != nil && was < 0:
		return nil
	case err != nil:
		return fmt.Errorf("%w; it could be read when the run began", err)
	case was < 0:
		return fmt.Errorf("%s: it could not be read when the run began, and can be now", path)
	}
	return fmt.Errorf("%s: changed while the run was under way: %d bytes, %d when it began", path, now, was)
}

// RestoreHint is the advice to give with an error of SizeAsListed, unless there is
// better.
const RestoreHint = "restore the image and run the same command again"

// WithAdvice returns an error of SizeAsListed with advice: that on the server of an address that
// failed, or gave another object, and else the one that is given.
func WithAdvice(err error, advice string) error {
	var h interface{ Hint() string }
	switch {
	case !dataset.Unanswered(err):
		return hint.With(err, advice)
	case errors.As(err, &h):
		return err
	}
	return hint.With(err, "run the same command again once the server answers")
}

// AsListed is SizeAsListed for an image on its way to the tower, with advice as WithAdvice gives it.
func (p *Image) AsListed(was int64, advice string) error {
	var err error
	if !p.Loaded {
		err = p.Err
	}
	if err = SizeAsListed(p.Item.Path, was, p.Size, err); err != nil {
		return WithAdvice(err, advice)
	}
	return nil
}

// Unchanged reads the files of images that an earlier run has read and fails with
// ErrStale where the checksum of one is not what it was. Images that held says are in an archive
// or a Parquet file which is the same (see dataset.HeldBy) are not read; it may be shorter.
func Unchanged(ctx context.Context, items []dataset.Item, sums []uint32, held []bool, threads int, progress ui.Progress) error {
	var read []dataset.Item
	var want []uint32
	for i, was := range sums {
		if i >= len(held) || !held[i] {
			read, want = append(read, items[i]), append(want, was)
		}
	}
	now, err := Sums(ctx, read, threads, progress)
	if err != nil {
		return err
	}
	for i, was := range want {
		if now[i] != was {
			return Changed(read[i].Path)
		}
	}
	return nil
}

// Changed is the error of an image whose bytes are not those that a run recorded.
func Changed(path string) error {
	return hint.With(
		fmt.Errorf("%s: %w: its bytes have changed since it was collected", path, cache.ErrStale),
		"restore the image, or discard what is there with {restart}",
	)
}

// Sums returns the checksums of images' files; that of one that cannot be
// read is that of no bytes. One at an address whose server fails is an error.
func Sums(ctx context.Context, items []dataset.Item, threads int, progress ui.Progress) ([]uint32, error) {
	if len(items) == 0 {
		return nil, nil
	}
	progress.Start(int64(len(items)), ui.Images, "compare images")
	defer progress.Done()
	sums := make([]uint32, len(items))
	var failed atomic.Pointer[error]
	if anyFar(items) {
		threads = max(threads, mostFetched)
	}
	par.NewTeam(threads).For(len(items), func(lo, hi, _ int) {
		for i := lo; i < hi && ctx.Err() == nil && failed.Load() == nil; i++ {
			f, err := items[i].Load()
			if err == nil {
				sums[i] = cache.SumOf(f.Bytes)
				progress.Read(f.Size)
			} else if dataset.Unanswered(err) {
				failed.Store(&err)
			}
			progress.Add(1)
		}
	})
	if err := failed.Load(); err != nil && ctx.Err() == nil {
		return nil, *err
	}
	return sums, ctx.Err()
}
