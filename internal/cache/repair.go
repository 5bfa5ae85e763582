package cache

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/kernel/cpu"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/quantity"
)

// Repair restores the damaged parts of a finished artefact by doing the work again.
// It writes only bytes that match the manifest's checksums and never changes the
// manifest. So a Repair that ends early, for whatever reason, leaves each chunk and
// file either repaired or as it was, and another Repair can resume. The artefact is
// locked meanwhile.
//
// A Repair must not be used by several goroutines.
type Repair struct {
	*Artefact
	Chunks []int    // damaged, of the main payload, ascending
	Files  []string // damaged payloads with their own checksum, by name; empty for the file of a single-file artefact
	Header bool     // the header before the rows, or the length, is damaged

	lock    *held
	payload diskFile // the main payload, once it has been written to
}

func openRepair(ctx context.Context, d disk, path string, progress func(bytes int64)) (_ *Repair, err error) {
	a, err := readArtefact(d, path)
	if err != nil {
		return nil, err
	}
	r := &Repair{Artefact: a}
	if r.lock, err = d.lock(a.at.lock); err != nil {
		return nil, busy(fmt.Errorf("%s: %w", path, err))
	}
	defer func() {
		if err != nil {
			r.Close()
		}
	}()
	if err := sweep(d, a.at, r.lock); err != nil {
		return nil, err
	}
	damage, err := a.Verify(ctx, progress)
	if err != nil {
		return nil, err
	}
	main := a.Manifest.Payloads[0]
	for _, x := range damage {
		switch {
		case !errors.Is(x.Err, ErrDamaged):
			return nil, fmt.Errorf("%s: %w", x.File, x.Err) // unreadable; writing may not help
		case x.Chunk >= 0:
			r.Chunks = append(r.Chunks, x.Chunk)
		case x.File == a.at.file(main) && main.Chunks != nil:
			r.Header = true
		default:
			name := ""
			if a.at.folder {
				name = filepath.Base(x.File)
			}
			if !slices.Contains(r.Files, name) {
				r.Files = append(r.Files, name)
			}
		}
	}
	if there, err := anyExists(d, a.at.file(main)); err != nil {
		return nil, err
	} else if !there && main.Chunks != nil {
		for i := range main.Chunks {
			r.Chunks = append(r.Chunks, i)
		}
	}
	return r, nil
}

// Damaged reports whether anything is damaged.
func (r *Repair) Damaged() bool { return len(r.Chunks)+len(r.Files) > 0 || r.Header }

// open opens the main payload for writing and gives it its full length.
func (r *Repair) open() error {
	if r.payload != nil {
		return nil
	}
	main := r.Manifest.Payloads[0]
	path := r.at.file(main)
	f, err := r.disk.open(path, forUpdate)
	if errors.Is(err, fs.ErrNotExist) {
		f, err = r.disk.open(path, forCreating)
	}
	if err != nil {
		return err
	}
	r.payload = f
	info, err := f.Stat()
	if err == nil && info.Size() != main.Bytes {
		err = f.Truncate(main.Bytes)
	}
	return err
}

// RestoreHeader writes the header before the rows of the main payload, and gives the
// file its length.
func (r *Repair) RestoreHeader() error {
	main := r.Manifest.Payloads[0]
	header, err := r.Manifest.header(main.Header)
	if err != nil {
		return err
	}
	if err := r.open(); err != nil {
		return err
	}
	if _, err := r.payload.WriteAt(header, 0); err != nil {
		return err
	}
	if err := errors.Join(r.payload.Sync(), r.disk.syncDir(r.at.dir)); err != nil {
		return err
	}
	r.Header = false
	return nil
}

// RestoreChunk writes a chunk, whose values fill passes to put as in AppendFunc. It
// fails with ErrStale, and writes nothing, unless the bytes are those that the chunk
// had when it was collected. The whole chunk is held in memory.
func (r *Repair) RestoreChunk(number int, fill func(put func(values []float32) error) error) error {
	main := r.Manifest.Payloads[0]
	row, err := r.Manifest.rowBytes()
	if err != nil {
		return err
	}
	c, size, offset := main.Chunks[number], int64(main.Chunks[number].Rows)*row, main.Header
	for _, before := range main.Chunks[:number] {
		offset += int64(before.Rows) * row
	}
	data := make([]byte, 0, size)
	err = fill(func(values []float32) error {
		if r.Manifest.DType == npy.Float16.String() {
			data, err = npy.AppendFloat16(data, values)
			return err
		}
		data = npy.AppendFloat32(data, values)
		return nil
	})
	if err != nil {
		return err
	}
	if int64(len(data)) != size || crcText(crc32.Checksum(data, castagnoli)) != c.CRC {
		return r.other(c.Kernel, fmt.Sprintf("chunk %d", number), fmt.Sprintf("%s of CRC-32C %s", quantity.Of(c.Rows, "row"), c.CRC),
			fmt.Sprintf("%s of %s", quantity.Of(int64(len(data))/max(row, 1), "row"), crcText(crc32.Checksum(data, castagnoli))))
	}
	if err := r.open(); err != nil {
		return err
	}
	if _, err := r.payload.WriteAt(data, offset); err != nil {
		return err
	}
	if err := r.payload.Sync(); err != nil {
		return err
	}
	r.Chunks = slices.DeleteFunc(r.Chunks, func(i int) bool { return i == number })
	return nil
}

// AddFile writes a payload again if it is damaged, and does nothing otherwise. It
// fails with ErrStale, and changes nothing, unless the bytes are the original ones.
func (r *Repair) AddFile(name string, write func(io.Writer) error) error {
	if !slices.Contains(r.Files, name) {
		return nil
	}
	at := slices.IndexFunc(r.Manifest.Payloads, func(p Payload) bool { return p.File == name })
	if at < 0 {
		return fmt.Errorf("%s: no payload %q", r.at.path, name)
	}
	want := r.Manifest.Payloads[at]
	path := r.at.file(want)
	// The checksum comes first, so that wrong bytes do not replace the damaged file.
	sum := sha256.New()
	buffered := bufio.NewWriter(sum)
	if err := errors.Join(write(buffered), buffered.Flush()); err != nil {
		return err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != want.SHA256 {
		return r.other(want.Kernel, filepath.Base(path), "SHA-256 "+want.SHA256[:12], got[:12])
	}
	if _, err := writeAtomic(r.disk, path, write); err != nil {
		return err
	}
	r.Files = slices.DeleteFunc(r.Files, func(f string) bool { return f == name })
	return nil
}

// other returns the error for work that gave other bytes than the first time.
func (r *Repair) other(kernel, what, made, this string) error {
	advice := "make it again with {restart}"
	switch {
	case len(OtherFamilies(kernel, Family())) > 0:
		made += fmt.Sprintf(" with %s kernels", strings.Join(Families(kernel), " and "))
		this += fmt.Sprintf(" with %s", Family())
	case kernel == "":
		advice = fmt.Sprintf("the last digits depend on the kind of processor, which was not recorded: set %s, repair on a processor like that it was made on, or make it again with {restart}", cpu.Variable)
	}
	return hint.With(
		fmt.Errorf("%s: %s: %w: made as %s, done again %s; nothing was written", r.at.path, what, ErrStale, made, this),
		advice,
	)
}

// FileKernel returns the family of kernels that computed a payload without chunks, by
// name; see Families.
func (r *Repair) FileKernel(name string) string {
	for _, p := range r.Manifest.Payloads {
		if p.File == name {
			return p.Kernel
		}
	}
	return ""
}

// Close ends the repair. It may be called more than once.
func (r *Repair) Close() error {
	var err error
	if r.payload != nil {
		err = r.payload.Close()
		r.payload = nil
	}
	if r.lock != nil {
		r.lock.release()
		r.lock = nil
	}
	return err
}
