package cache

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Unfinished is a collection that a ChunkWriter has started and not finished.
type Unfinished struct {
	Plan   Manifest
	Chunks []Chunk // finished chunks
	Of     int     // number of chunks of the whole collection

	Listed []uint32 // of the plan; empty of builds that did not keep it

	At      []time.Time // when each chunk was finished; zero of builds that did not say
	Skipped int         // inputs of the finished chunks

	disk disk
	at   layout
}

// InspectUnfinished reads the journal of a collection that is not finished. It
// fails with ErrMissing if there is none.
func InspectUnfinished(path string) (*Unfinished, error) {
	path, err := followed(path)
	if err != nil {
		return nil, err
	}
	d, at := osDisk{}, fileLayout(path)
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		at = folderLayout(path, "")
	}
	data, err := readAll(d, at.journal, maxManifest)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", path, ErrMissing)
	}
	if err != nil {
		return nil, err
	}
	j, err := parseJournal(data)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", at.journal, err)
	}
	if at.folder {
		if len(j.plan.Payloads) == 0 || !isName(j.plan.Payloads[0].File) {
			return nil, fmt.Errorf("read %s: %w: no payload in its plan", at.journal, ErrDamaged)
		}
		at = folderLayout(path, j.plan.Payloads[0].File)
	}
	u := &Unfinished{Plan: j.plan, Listed: j.listed, Of: j.plan.Chunking().Chunks(), disk: d, at: at}
	for _, c := range j.chunks {
		u.Chunks = append(u.Chunks, c.Chunk)
		u.Skipped += len(c.Skipped)
		at := time.Time{}
		if c.At > 0 {
			at = time.Unix(c.At, 0)
		}
		u.At = append(u.At, at)
	}
	return u, nil
}

// InputSums returns the checksums of the inputs of the finished chunks, in order, up to the
// first chunk without known ones.
func (u *Unfinished) InputSums() []uint32 { return sumsOf(slices.Values(u.Chunks)) }

// Size returns how many bytes Verify reads.
func (u *Unfinished) Size() int64 {
	row, err := u.Plan.rowBytes()
	if err != nil {
		return 0 // checked when the journal was read
	}
	size := int64(0)
	for _, c := range u.Chunks {
		size += int64(c.Rows) * row
	}
	return size
}

// Verify reads the finished chunks as Artefact.Verify does. The next ChunkWriter
// collects the first damaged chunk and all chunks after it again.
func (u *Unfinished) Verify(ctx context.Context, progress func(bytes int64)) ([]Damage, error) {
	path := u.at.partial
	f, err := u.disk.open(path, forReading)
	if errors.Is(err, fs.ErrNotExist) { // the writer died after the rename and before the manifest
		path = u.at.payload
		f, err = u.disk.open(path, forReading)
	}
	if err != nil {
		if len(u.Chunks) == 0 && errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		return []Damage{{u.at.partial, -1, fmt.Errorf("%w: %w", ErrDamaged, err)}}, nil
	}
	defer f.Close()
	row, err := u.Plan.rowBytes()
	if err != nil {
		return nil, err
	}
	var found []Damage
	offset := u.header()
	for i, c := range u.Chunks {
		size, sum := int64(c.Rows)*row, crc32.New(castagnoli)
		err := sumRange(ctx, sum, f, offset, size, progress)
		if ctx.Err() != nil {
			return found, ctx.Err()
		}
		if err == nil && crcText(sum.Sum32()) != c.CRC {
			err = fmt.Errorf("%w: its CRC-32C is not the journal's", ErrDamaged)
		}
		if err != nil {
			found = append(found, Damage{path, i, err})
		}
		offset += size
	}
	return found, nil
}

func (u *Unfinished) header() int64 {
	if len(u.Plan.Payloads) == 0 {
		return 0
	}
	return u.Plan.Payloads[0].Header
}

func lockArtefact(d disk, path string) (release func(), err error) {
	h, err := d.lock(path + lockSuffix)
	if err != nil {
		return nil, busy(fmt.Errorf("%s: %w", filepath.Clean(path), err))
	}
	return h.release, nil
}
