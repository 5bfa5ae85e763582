package cache

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"

	"github.com/clipnh/clipnh/internal/hint"
)

// Damage is a place where the bytes on disk are not those that were written.
type Damage struct {
	File  string // path
	Chunk int    // of a collection; -1 for the whole file
	Err   error  // wraps ErrDamaged, or is a read error
}

// Inspect opens an artefact as Open does, but without looking for its payloads. It is
// for Verify, which reports what is wrong with them.
func Inspect(path string) (*Artefact, error) {
	path, err := followed(path)
	if err != nil {
		return nil, err
	}
	return readArtefact(osDisk{}, path)
}

// Verify reads every payload and compares it with its checksums. It returns the
// damage that it found, and an error only if ctx ended. progress is called with the
// number of bytes read since its last call.
func (a *Artefact) Verify(ctx context.Context, progress func(bytes int64)) ([]Damage, error) {
	return a.VerifyEach(ctx, progress, nil)
}

// VerifyEach is Verify that also writes the bytes of each payload, as far as they can
// be read, to the writer that see returns for it, unless that is nil. For the rows of
// a collection the header is left out.
func (a *Artefact) VerifyEach(ctx context.Context, progress func(bytes int64), see func(Payload) io.Writer) ([]Damage, error) {
	var found []Damage
	for _, p := range a.Manifest.Payloads {
		path := a.at.file(p)
		f, err := a.disk.open(path, forReading)
		if errors.Is(err, fs.ErrNotExist) {
			err = ErrRemoved
		}
		if err != nil {
			found = append(found, Damage{path, -1, err})
			continue
		}
		var also io.Writer
		if see != nil {
			also = see(p)
		}
		damage, err := a.verify(ctx, p, f, progress, also)
		info, e := f.Stat()
		if e == nil {
			if a.read == nil {
				a.read = map[string]fs.FileInfo{}
			}
			a.read[path] = info
		}
		if e == nil && info.Size() > p.Bytes {
			damage = append(damage, Damage{Chunk: -1, Err: fmt.Errorf("%w: %d bytes, want %d", ErrDamaged, info.Size(), p.Bytes)})
		}
		f.Close()
		for i := range damage {
			damage[i].File = path
		}
		found = append(found, damage...)
		if err != nil {
			return found, err
		}
	}
	return found, nil
}

// Unreplaced returns an error unless the files that Verify read are still there,
// unchanged as far as their inode, length and time of change tell. Readers call it once
// they have opened or read the files by their paths, so that they use no bytes which
// were not compared with their checksums. A nil artefact, as of another program's file,
// has none.
func (a *Artefact) Unreplaced() error {
	if a == nil {
		return nil
	}
	for _, p := range a.Manifest.Payloads {
		path := a.at.file(p)
		was := a.read[path]
		if was == nil {
			continue
		}
		now, err := a.disk.stat(path)
		if err == nil && (!os.SameFile(was, now) || was.Size() != now.Size() || !was.ModTime().Equal(now.ModTime())) {
			err = errReplaced
		}
		if err != nil {
			return hint.With(fmt.Errorf("read %s: %w", path, err), "run the command again once nothing writes there")
		}
	}
	return nil
}

var errReplaced = errors.New("it was replaced or changed while it was read")

func (a *Artefact) verify(ctx context.Context, p Payload, f diskFile, progress func(int64), also io.Writer) ([]Damage, error) {
	if p.Chunks == nil {
		sum := sha256.New()
		err := sumRange(ctx, both(sum, also), f, 0, p.Bytes, progress)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err == nil && hex.EncodeToString(sum.Sum(nil)) != p.SHA256 {
			err = fmt.Errorf("%w: its SHA-256 is not the manifest's", ErrDamaged)
		}
		if err != nil {
			return []Damage{{Chunk: -1, Err: err}}, nil
		}
		return nil, nil
	}
	row, err := a.Manifest.rowBytes()
	if err != nil {
		return nil, err
	}
	var found []Damage
	offset := p.Header
	for i, c := range p.Chunks {
		size := int64(c.Rows) * row
		sum := crc32.New(castagnoli)
		err := sumRange(ctx, both(sum, also), f, offset, size, progress)
		if ctx.Err() != nil {
			return found, ctx.Err()
		}
		if err == nil && crcText(sum.Sum32()) != c.CRC {
			err = fmt.Errorf("%w: its CRC-32C is not the manifest's", ErrDamaged)
		}
		if err != nil {
			found = append(found, Damage{Chunk: i, Err: err})
		}
		offset += size
	}
	if err := a.verifyHeader(ctx, p, f, progress); err != nil {
		found = append(found, Damage{Chunk: -1, Err: err})
	}
	return found, nil
}

// verifyHeader compares the header before a collection's rows with the manifest.
func (a *Artefact) verifyHeader(ctx context.Context, p Payload, f io.ReaderAt, progress func(int64)) error {
	var header bytes.Buffer
	if err := sumRange(ctx, &header, f, 0, p.Header, progress); err != nil {
		return err
	}
	if want, err := a.Manifest.header(p.Header); err != nil || !bytes.Equal(want, header.Bytes()) {
		return fmt.Errorf("%w: its header is not the manifest's", ErrDamaged)
	}
	return nil
}

// both returns a writer to a and, if b is not nil, to b. sumRange ignores errors of
// writing, so b has to keep its own.
func both(a, b io.Writer) io.Writer {
	if b == nil {
		return a
	}
	return io.MultiWriter(a, b)
}

// sumRange writes size bytes of f, from offset on, to sum.
func sumRange(ctx context.Context, sum io.Writer, f io.ReaderAt, offset, size int64, progress func(int64)) error {
	buf := make([]byte, min(size, blockSize))
	for size > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(size, int64(len(buf)))
		if _, err := f.ReadAt(buf[:n], offset); err != nil {
			if err == io.EOF {
				err = fmt.Errorf("%w: the file is too short", ErrDamaged)
			}
			return err
		}
		sum.Write(buf[:n])
		offset, size = offset+n, size-n
		if progress != nil {
			progress(n)
		}
	}
	return nil
}
