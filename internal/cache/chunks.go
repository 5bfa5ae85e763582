package cache

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/quantity"
)

// ChunkWriter collects rows into an artefact, chunk by chunk. A chunk is either
// permanently in the artefact or not at all: its bytes are synced before its
// line in the journal is written. If a writer ends early, for whatever reason,
// another one with an equal Plan resumes after the last finished chunk, and the
// artefact gets the same bytes as without the interruption. If
// files of a finished artefact were removed, they are made again.
//
// A ChunkWriter must not be used by several goroutines.
type ChunkWriter struct {
	// Kernel is the family that has computed the chunks and files which are added
	// next; see Families. It is this process's unless it is set.
	Kernel string

	// HeldBy, which may be nil, tells what holds inputs lo to hi from all that may be in its
	// place at another time; it is empty where that cannot be told. It is kept with each chunk
	// while the artefact is unfinished; see Held.
	HeldBy func(lo, hi int) string

	disk disk
	at   layout
	plan Manifest
	cut  Chunking // of the plan
	lock *held

	listed []uint32 // of the plan

	payload, journal         diskFile
	payloadSize, journalSize int64 // up to the end of the last finished chunk
	row                      int   // elements in a row
	chunks                   []journalChunk
	rows, damaged            int
	extra                    []Payload
	buf                      []byte
	removed                  string // file of the finished artefact that is made again
	err                      error  // of a write that failed: what is on disk is uncertain
	now                      func() time.Time
}

const (
	startOver = "give another path, or discard what is there with {restart}"
	goOn      = "finished chunks are kept: run the same command again to resume"
)

func openChunks(d disk, path string, plan Plan, restart bool) (_ *ChunkWriter, err error) {
	at := fileLayout(path)
	if plan.Payload != "" {
		at = folderLayout(path, plan.Payload)
	}
	w := &ChunkWriter{Kernel: Family(), disk: d, at: at, listed: plan.Listed, row: npy.Header{Shape: plan.Row}.Count()}
	if w.plan, err = plan.manifest(at); err != nil {
		return nil, err
	}
	w.cut = w.plan.Chunking()
	if err := sameKind(d, at, plan.Kind); err != nil {
		return nil, err
	}
	// A finished artefact may be on a read-only file system, where no lock file
	// can be made. Only a writer that was killed at its very end leaves files to
	// remove.
	leftover, err := anyExists(d, at.journal, at.lock)
	if err != nil {
		return nil, err
	}
	if !restart && !leftover {
		if err := w.finished(); err != nil && !errors.Is(err, ErrRemoved) {
			return nil, err
		}
	}
	if at.folder {
		if err := makeFolder(d, at.dir); err != nil {
			return nil, err
		}
	}
	if w.lock, err = d.lock(at.lock); err != nil {
		return nil, busy(fmt.Errorf("%s: %w", path, err))
	}
	defer func() {
		if err != nil {
			w.Close()
		}
	}()
	if err := settle(d, at); err != nil {
		return nil, err
	}
	if err := sweep(d, at, w.lock); err != nil {
		return nil, err
	}
	if restart {
		if err := w.clear(); err != nil {
			return nil, err
		}
	} else if err := w.finished(); errors.Is(err, ErrRemoved) {
		if err := w.reopen(); err != nil {
			return nil, err
		}
	} else if err != nil {
		if errors.Is(err, ErrComplete) {
			if err := errors.Join(removeIfThere(d, at.journal), d.syncDir(at.dir)); err != nil {
				return nil, err
			}
		}
		return nil, err
	}
	if err := w.begin(); err != nil {
		return nil, err
	}
	return w, nil
}

// makeFolder creates an artefact's folder if it does not exist.
func makeFolder(d disk, dir string) error {
	if there, err := anyExists(d, dir); err != nil || there {
		return err
	}
	if err := d.mkdir(dir); err != nil {
		return err
	}
	return d.syncDir(filepath.Dir(dir))
}

// Chunks returns the number of chunks of the finished collection.
func (w *ChunkWriter) Chunks() int { return w.cut.Chunks() }

// Done returns the number of finished chunks. It is also the index of the next
// chunk; see Chunking.First.
func (w *ChunkWriter) Done() int { return len(w.chunks) }

// Damaged returns the number of chunks that an earlier writer finished but that
// are discarded: the first one whose bytes have changed since, and all after it.
// They are collected again.
func (w *ChunkWriter) Damaged() int { return w.damaged }

// Removed is the path of a file that the finished artefact no longer had, which is
// why it is made again; empty if it is not.
func (w *ChunkWriter) Removed() string { return w.removed }

// Families returns the families of kernels that computed the finished chunks.
func (w *ChunkWriter) Families() string {
	finished := make([]Chunk, len(w.chunks))
	for i, c := range w.chunks {
		finished[i] = c.Chunk
	}
	return familiesOf(finished)
}

// Rows returns the number of rows in the finished chunks.
func (w *ChunkWriter) Rows() int { return w.rows }

// Skipped returns the inputs of the finished chunks that gave no row.
func (w *ChunkWriter) Skipped() []Skipped {
	var all []Skipped
	for _, c := range w.chunks {
		all = append(all, c.Skipped...)
	}
	return all
}

// Append adds the next chunk: the rows of its inputs in order, and the inputs
// that were skipped. Once it has returned nil, the chunk survives a crash.
func (w *ChunkWriter) Append(rows []float32, skipped []Skipped) error {
	return w.AppendFunc(skipped, func(put func([]float32) error) error { return put(rows) })
}

// AppendFunc is Append for chunks that are too large to hold in memory: fill
// passes the values to put in order, in pieces of any size. If fill fails, the
// chunk is not added and can be tried again.
func (w *ChunkWriter) AppendFunc(skipped []Skipped, fill func(put func(values []float32) error) error) error {
	return w.AppendInputs(nil, skipped, fill)
}

// AppendInputs is AppendFunc for a chunk with known checksums of its inputs, as
// SumOf returns them: one for each input, skipped ones included.
func (w *ChunkWriter) AppendInputs(sums []uint32, skipped []Skipped, fill func(put func(values []float32) error) error) error {
	if w.err != nil {
		return w.err
	}
	number := len(w.chunks)
	if number == w.Chunks() {
		return fmt.Errorf("%s: %s, of which none is still to be written", w.at.path, quantity.Of(number, "chunk"))
	}
	inputs := w.cut.Len(number)
	if len(skipped) > inputs {
		return fmt.Errorf("%s: chunk %d: %s skipped of %d", w.at.path, number, quantity.Of(len(skipped), "input"), inputs)
	}
	if sums != nil && len(sums) != inputs {
		return fmt.Errorf("%s: chunk %d: checksums of %s, want %d", w.at.path, number, quantity.Of(len(sums), "input"), inputs)
	}
	left := (inputs - len(skipped)) * w.row
	offset, sum := w.payloadSize, crc32.New(castagnoli)
	var refused error // of put, in case fill ignores it
	err := fill(func(values []float32) error {
		if left -= len(values); left < 0 {
			refused = fmt.Errorf("%s: chunk %d: more values than %s of %d", w.at.path, number, quantity.Of(inputs-len(skipped), "row"), w.row)
		}
		const block = blockSize / 4
		for lo := 0; lo < len(values) && refused == nil; lo += block {
			if err := w.encode(values[lo:min(lo+block, len(values))]); err != nil {
				refused = fmt.Errorf("%s: chunk %d: %w", w.at.path, number, err)
				break
			}
			sum.Write(w.buf)
			if _, err := w.payload.WriteAt(w.buf, offset); err != nil {
				refused = w.failed(err)
			}
			offset += int64(len(w.buf))
		}
		return refused
	})
	if err == nil {
		err = refused
	}
	if err != nil {
		return err
	}
	if left > 0 {
		return fmt.Errorf("%s: chunk %d: %s less than %s of %d", w.at.path, number, quantity.Of(left, "value"), quantity.Of(inputs-len(skipped), "row"), w.row)
	}
	if err := w.payload.Sync(); err != nil {
		return w.failed(err)
	}
	c := journalChunk{
		Chunk:   Chunk{Rows: inputs - len(skipped), CRC: crcText(sum.Sum32()), Kernel: w.Kernel, Inputs: SumsText(sums)},
		Skipped: skipped,
	}
	if sums != nil {
		c.HeldBy = w.heldBy(number)
	}
	if w.now != nil {
		c.At = w.now().Unix()
	}
	line, err := journalLine(c)
	if err != nil {
		return err
	}
	if _, err := w.journal.WriteAt(line, w.journalSize); err != nil {
		return w.failed(err)
	}
	if err := w.journal.Sync(); err != nil {
		return w.failed(err)
	}
	w.chunks = append(w.chunks, c)
	w.rows += c.Rows
	w.payloadSize = offset
	w.journalSize += int64(len(line))
	return nil
}

// encode writes the stored form of values to buf.
func (w *ChunkWriter) encode(values []float32) (err error) {
	if w.plan.DType == npy.Float16.String() {
		w.buf, err = npy.AppendFloat16(w.buf[:0], values)
		return err
	}
	w.buf = npy.AppendFloat32(w.buf[:0], values)
	return nil
}

// failed records a failed write. Nothing more is written after it, because the
// state on disk is unknown until another writer reads it.
func (w *ChunkWriter) failed(err error) error {
	w.err = hint.With(fmt.Errorf("%s: %w", w.at.path, err), goOn)
	return w.err
}

// AddFile writes another payload into the artefact's folder, completely or not
// at all. A writer that resumes does not know of files added by an earlier one:
// each adds all its files before it calls Finish.
func (w *ChunkWriter) AddFile(name string, write func(io.Writer) error) error {
	path := filepath.Join(w.at.dir, name)
	reserved := []string{w.at.payload, w.at.partial, w.at.manifest, w.at.journal, w.at.lock}
	for _, p := range w.extra {
		reserved = append(reserved, w.at.file(p))
	}
	if !w.at.folder || !isName(name) || strings.HasSuffix(name, tmpSuffix) {
		return fmt.Errorf("%s: no place for a file %q", w.at.path, name)
	}
	for _, taken := range reserved {
		if path == taken {
			return fmt.Errorf("%s: the name %q is taken", w.at.path, name)
		}
	}
	p, err := writeAtomic(w.disk, path, write)
	if err != nil {
		return hint.With(err, goOn)
	}
	p.File, p.Kernel = name, w.Kernel
	w.extra = append(w.extra, p)
	return nil
}

// Finish completes the artefact and returns its Hash. It fails if chunks are
// missing; otherwise it closes the writer.
func (w *ChunkWriter) Finish() (string, error) {
	if w.err != nil {
		return "", w.err
	}
	if w.Done() < w.Chunks() {
		return "", fmt.Errorf("%s: %d of %s %s done", w.at.path, w.Done(), quantity.Of(w.Chunks(), "chunk"), quantity.Is(w.Done(), w.Chunks()))
	}
	hash, err := w.finish()
	if err != nil {
		err = w.failed(err)
	}
	return hash, errors.Join(err, w.Close())
}

func (w *ChunkWriter) finish() (string, error) {
	m := w.plan.plan()
	m.Shape[0] = w.rows
	m.Skipped = w.Skipped()
	main := &m.Payloads[0]
	main.Bytes = w.payloadSize
	for _, c := range w.chunks {
		main.Chunks = append(main.Chunks, c.Chunk)
	}
	m.Payloads = append(m.Payloads, w.extra...)

	header, err := m.header(main.Header)
	if err != nil {
		return "", err
	}
	if _, err := w.payload.WriteAt(header, 0); err != nil {
		return "", err
	}
	if err := w.payload.Sync(); err != nil {
		return "", err
	}
	if err := w.closeFiles(); err != nil { // some systems can rename only closed files
		return "", err
	}
	if err := w.disk.rename(w.at.partial, w.at.payload); err != nil {
		return "", err
	}
	if err := w.disk.syncDir(w.at.dir); err != nil {
		return "", err
	}
	hash, err := writeManifest(w.disk, w.at, m)
	if err != nil {
		return "", err
	}
	if err := w.disk.remove(w.at.journal); err != nil {
		return "", err
	}
	return hash, w.disk.syncDir(w.at.dir)
}

func (w *ChunkWriter) closeFiles() error {
	var errs []error
	for _, f := range []*diskFile{&w.payload, &w.journal} {
		if *f != nil {
			errs = append(errs, (*f).Close())
			*f = nil
		}
	}
	return errors.Join(errs...)
}

// Close ends the writer. Finished chunks stay for the next writer. Close may be
// called more than once, after Finish, and on a nil writer.
func (w *ChunkWriter) Close() error {
	if w == nil {
		return nil
	}
	if w.err == nil {
		w.err = fmt.Errorf("%s: the writer is closed", w.at.path)
	}
	err := w.closeFiles()
	if w.lock != nil {
		w.lock.release()
		w.lock = nil
	}
	return err
}
