package report

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/gob"
	"hash/crc32"
	"io"
	"path/filepath"

	"github.com/clipnh/clipnh/internal/build"
	"github.com/clipnh/clipnh/internal/foreign"
)

// What a step found is kept in data/work/NAME until the report is complete, so that a run
// that was interrupted does not read all scores again:
//
//	what it belongs to: the key of the report, and the program
//	the values, in the encoding of package gob
//	the CRC-32C of these, four bytes, little-endian

// mostWork bounds what is read of a step: a fifth is that of RN50x16 with 50,000 images.
const mostWork = 4 << 30

// A step is a part of the work.
type step struct {
	name string
	do   func(context.Context) error
}

// once is a step that takes what an unfinished run found, if there is such. values are
// pointers to what is kept; prepare makes what they point to.
func (b *base) once(name string, prepare func(), do func(context.Context) error, values func() []any) step {
	return step{name, func(ctx context.Context) error {
		prepare()
		if b.folder.readWork(name, values()) {
			return nil
		}
		prepare() // what is damaged may have been taken in part
		if err := do(ctx); err != nil {
			return err
		}
		return b.folder.keepWork(name, values())
	}}
}

func (f *folder) workPath(name string) string { return filepath.Join(f.dir, "data", "work", name) }

func (f *folder) workKey() string { return f.mark.Key + " " + build.Current().Name() }

// readWork reports whether a step was done, and takes what it found.
func (f *folder) readWork(name string, values []any) bool {
	if !f.resumed {
		return false
	}
	data, err := foreign.ReadFile(f.workPath(name), mostWork)
	if err != nil || len(data) < 4 {
		return false
	}
	body := data[:len(data)-4]
	if crc32.Checksum(body, castagnoli) != binary.LittleEndian.Uint32(data[len(body):]) {
		return false
	}
	d := gob.NewDecoder(bytes.NewReader(body))
	key := ""
	if d.Decode(&key) != nil || key != f.workKey() {
		return false
	}
	for _, v := range values {
		if d.Decode(v) != nil {
			return false
		}
	}
	return true
}

// keepWork keeps what a step found.
func (f *folder) keepWork(name string, values []any) error {
	return f.store.WriteFile(f.workPath(name), func(w io.Writer) error {
		sum := crc32.New(castagnoli)
		e := gob.NewEncoder(io.MultiWriter(w, sum))
		for _, v := range append([]any{f.workKey()}, values...) {
			if err := e.Encode(v); err != nil {
				return err
			}
		}
		return binary.Write(w, binary.LittleEndian, sum.Sum32())
	})
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// values are those that are kept of units.
func (c *columns) values() []any {
	v := []any{
		&c.square, &c.cross, &c.norm, &c.value, &c.low, &c.high, &c.counts, &c.strongest.images, &c.strongest.values,
		&c.weakest.images, &c.weakest.values, &c.quantiles.images, &c.quantiles.values, &c.farthest, &c.strength, &c.scores,
	}
	if l := c.labels; l != nil {
		v = append(v, &l.high.images, &l.high.values, &l.low.images, &l.low.values)
	}
	return v
}
