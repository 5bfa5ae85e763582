package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
)

// A file that unpacks to more than freeUnpacked bytes, and to more than mostRatio
// times as many as it has, is no archive of images: deflate makes at most 1032 of one.
var freeUnpacked int64 = 256 << 20

const mostRatio = 200

const (
	mostPoints  = 2048      // places kept; each has a window
	firstPoints = 256 << 10 // unpacked bytes between them, at first
	mostIdle    = 4
)

// gzipIndex knows places in a gzip file from which it can be unpacked, so that a part is
// read without all that comes before it.
type gzipIndex struct {
	points  []point // ascending
	spacing int64   // unpacked bytes between them
	size    int64   // of the file as it was listed, bytes

	mu   sync.Mutex
	idle []*inflater // where earlier reads stopped
}

// A point is a state with its window.
type point struct {
	state
	before []byte
}

// indexer unpacks a whole gzip file, for the first time: as a reader it returns its bytes,
// and it takes points down.
type indexer struct {
	ctx context.Context
	z   *inflater
	x   *gzipIndex
}

func newIndexer(ctx context.Context, src io.ReaderAt, size int64) *indexer {
	z, _ := newInflater(src, state{}, nil) // fails only within a block
	z.ctx, z.verify = ctx, true
	return &indexer{ctx: ctx, z: z, x: &gzipIndex{spacing: firstPoints, size: size, points: []point{{}}}}
}

func (i *indexer) Read(p []byte) (int, error) {
	z, x := i.z, i.x
	if z.read == len(z.hist) {
		if err := i.ctx.Err(); err != nil {
			return 0, err
		}
		if z.out > freeUnpacked && z.out/mostRatio > x.size {
			return 0, fmt.Errorf("%d bytes unpack to more than %d times as many: want an archive of images", x.size, mostRatio)
		}
		if z.out-x.points[len(x.points)-1].out >= x.spacing && z.err == nil {
			x.points = append(x.points, point{z.state, slices.Clone(z.hist[max(0, len(z.hist)-window):])})
		}
		if len(x.points) == mostPoints {
			for k := range mostPoints / 2 {
				x.points[k] = x.points[2*k]
			}
			clear(x.points[mostPoints/2:])
			x.points, x.spacing = x.points[:mostPoints/2], 2*x.spacing
		}
	}
	return z.Read(p)
}

// section returns the unpacked bytes from at on.
func (x *gzipIndex) section(src io.ReaderAt, at int64) (*inflater, error) {
	k, found := slices.BinarySearchFunc(x.points, at, func(p point, at int64) int { return int(min(max(p.out-at, -1), 1)) })
	if !found {
		k-- // the first point is at 0
	}
	from := &x.points[k]
	z := x.takeIdle(from.out, at)
	if z == nil {
		var err error
		if z, err = newInflater(src, from.state, from.before); err != nil {
			return nil, err
		}
	}
	z.src = src
	for z.position() < at {
		if err := z.more(); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		z.read += int(min(int64(len(z.hist)-z.read), at-z.position()))
	}
	return z, nil
}

// takeIdle returns the inflater that is closest before at, none before from.
func (x *gzipIndex) takeIdle(from, at int64) *inflater {
	x.mu.Lock()
	defer x.mu.Unlock()
	best := -1
	for i, z := range x.idle {
		if p := z.position(); p >= from && p <= at && (best < 0 || p > x.idle[best].position()) {
			best = i
		}
	}
	if best < 0 {
		return nil
	}
	z := x.idle[best]
	x.idle = slices.Delete(x.idle, best, best+1)
	return z
}

// giveBack keeps an inflater for a later read that goes on from there.
func (x *gzipIndex) giveBack(z *inflater) {
	if z.err != nil && !errors.Is(z.err, io.EOF) {
		return
	}
	z.src = nil
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.idle) == mostIdle {
		x.idle = slices.Delete(x.idle, 0, 1)
	}
	x.idle = append(x.idle, z)
}
