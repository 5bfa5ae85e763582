package cache

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Artefact is a finished one, opened for reading.
type Artefact struct {
	Manifest Manifest

	disk disk
	at   layout
	hash string
}

// Open reads the manifest of the artefact at path, a folder or a file, and
// checks that its payloads are there in their full length. It fails with
// ErrMissing, ErrNoManifest, ErrVersion or ErrDamaged. Contents are checked by
// Verify only. The manifest of a file that path links to is looked for beside
// that file.
func Open(path string) (*Artefact, error) {
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		if path, err = followLink(path); err != nil {
			return nil, err
		}
	}
	return openArtefact(osDisk{}, path)
}

func openArtefact(d disk, path string) (*Artefact, error) {
	at := fileLayout(path)
	info, err := d.stat(path)
	switch {
	case err == nil && info.IsDir():
		at = folderLayout(path, "")
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	data, err := readAll(d, at.manifest, maxManifest)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, withoutManifest(d, at)
	}
	if err != nil {
		return nil, err
	}
	m, err := decodeManifest(data)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", at.manifest, err)
	}
	for _, p := range m.Payloads {
		if at.folder == (p.File == "") {
			return nil, fmt.Errorf("read %s: manifest of another form of artefact", at.manifest)
		}
		info, err := d.stat(at.file(p))
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("open %s: %w: its manifest is there, the file is not", at.file(p), ErrDamaged)
		}
		if err != nil {
			return nil, err
		}
		if info.Size() != p.Bytes {
			return nil, fmt.Errorf("open %s: %w: %d bytes, want %d", at.file(p), ErrDamaged, info.Size(), p.Bytes)
		}
	}
	sum := sha256.Sum256(data)
	return &Artefact{*m, d, at, hex.EncodeToString(sum[:])}, nil
}

// withoutManifest says what lies at a path where there is no manifest.
func withoutManifest(d disk, at layout) error {
	data, err := readAll(d, at.journal, maxManifest)
	if err == nil {
		j, err := parseJournal(data)
		if err != nil {
			return fmt.Errorf("read %s: %w", at.journal, err)
		}
		return hinted{
			fmt.Errorf("open %s: %w: not finished, %d of %d chunks are done", at.path, ErrMissing, len(j.chunks), chunkCount(j.plan)),
			"run the command that makes it again: it goes on from there",
		}
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	there, err := anyExists(d, at.path)
	switch {
	case err != nil:
		return err
	case !there:
		return fmt.Errorf("open %s: %w", at.path, ErrMissing)
	case at.folder:
		return fmt.Errorf("open %s: %w: a folder without %s", at.path, ErrMissing, filepath.Base(at.manifest))
	}
	return fmt.Errorf("open %s: %w: want %s", at.path, ErrNoManifest, at.manifest)
}

// Path is where the artefact lies.
func (a *Artefact) Path() string { return a.at.path }

// Hash is the SHA-256 of the manifest, which names the whole artefact.
func (a *Artefact) Hash() string { return a.hash }

// Payload returns the path of a payload by its name in the folder; the empty
// name is the main payload. It fails with ErrMissing when the artefact has no
// such payload.
func (a *Artefact) Payload(name string) (string, error) {
	for i, p := range a.Manifest.Payloads {
		if p.File == name || name == "" && i == 0 {
			return a.at.file(p), nil
		}
	}
	return "", fmt.Errorf("open %s: payload %s: %w", a.at.path, name, ErrMissing)
}

// Require compares the fields of want that are not zero with the artefact's,
// and returns a *MismatchError (ErrStale) when they differ. Kind and origin
// are what a reader usually sets.
func (a *Artefact) Require(want Manifest) error {
	fields, err := flatten(want)
	if err != nil {
		return err
	}
	all, err := differences(a.Manifest, want)
	if err != nil {
		return err
	}
	// Numbers, lists and names that want leaves at zero are not asked for.
	zero, err := flatten(Manifest{})
	if err != nil {
		return err
	}
	var wrong []Difference
	for _, d := range all {
		value, asked := fields[d.Field]
		if asked && value != zero[d.Field] {
			wrong = append(wrong, d)
		}
	}
	if wrong == nil {
		return nil
	}
	return &MismatchError{a.at.path, wrong, "make it again for these inputs, or use the inputs it was made with"}
}

// RequireParent checks that the artefact was made from parent in the given
// role, and returns a *MismatchError (ErrStale) otherwise.
func (a *Artefact) RequireParent(role string, parent *Artefact) error {
	return a.Require(Manifest{Origin: Origin{Parents: map[string]string{role: parent.hash}}})
}

// Damage is a place where the bytes on disk are not those that were written.
type Damage struct {
	File  string // path
	Chunk int    // of a collection; -1 when the whole file is meant
	Err   error  // wraps ErrDamaged, or is the error of reading
}

// Verify reads every payload and compares it with its checksums. It returns
// the damage found; an error only when ctx ended. progress is called with the
// number of bytes read since its last call.
func (a *Artefact) Verify(ctx context.Context, progress func(bytes int64)) ([]Damage, error) {
	var found []Damage
	for _, p := range a.Manifest.Payloads {
		path := a.at.file(p)
		f, err := a.disk.open(path, forReading)
		if err != nil {
			found = append(found, Damage{path, -1, err})
			continue
		}
		damage, err := a.verify(ctx, p, f, progress)
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

func (a *Artefact) verify(ctx context.Context, p Payload, f diskFile, progress func(int64)) ([]Damage, error) {
	if p.Chunks == nil {
		sum := sha256.New()
		err := sumRange(ctx, sum, f, 0, p.Bytes, progress)
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
		err := sumRange(ctx, sum, f, offset, size, progress)
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
	header := make([]byte, p.Header)
	if _, err := f.ReadAt(header, 0); p.Header > 0 && err != nil {
		found = append(found, Damage{Chunk: -1, Err: err})
	} else if want, err := a.Manifest.header(p.Header); err != nil || string(want) != string(header) {
		found = append(found, Damage{Chunk: -1, Err: fmt.Errorf("%w: its header is not the manifest's", ErrDamaged)})
	}
	return found, nil
}

// sumRange feeds size bytes of f from offset on to sum.
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
