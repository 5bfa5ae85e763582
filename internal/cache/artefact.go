package cache

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/quantity"
)

// Artefact is a finished artefact, opened for reading.
type Artefact struct {
	Manifest Manifest

	disk disk
	at   layout
	hash string
	read map[string]fs.FileInfo // by path, the files that VerifyEach has read
}

// Open reads the manifest of the artefact at path, a folder or a file, and
// checks that its payloads exist and have their full length. It fails with
// ErrMissing, ErrNoManifest, ErrVersion or ErrDamaged. Only Verify checks the
// contents. If path is a symbolic link to a file, the manifest is next to that
// file.
func Open(path string) (*Artefact, error) {
	path, err := followed(path)
	if err != nil {
		return nil, err
	}
	return openArtefact(osDisk{}, path)
}

// followed returns the path of the file that path links to. It returns path itself if
// that is a folder or does not exist.
func followed(path string) (string, error) {
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		return followLink(path)
	}
	return path, nil
}

func openArtefact(d disk, path string) (*Artefact, error) {
	a, err := readArtefact(d, path)
	if err != nil {
		return nil, err
	}
	for _, p := range a.Manifest.Payloads {
		info, err := d.stat(a.at.file(p))
		if errors.Is(err, fs.ErrNotExist) {
			return nil, a.incomplete(fmt.Errorf("%s: %w", a.at.file(p), ErrRemoved))
		}
		if err != nil {
			return nil, err
		}
		if info.Size() != p.Bytes {
			return nil, a.incomplete(fmt.Errorf("%s: %w: %d bytes, want %d", a.at.file(p), ErrDamaged, info.Size(), p.Bytes))
		}
	}
	return a, nil
}

// An IncompleteError is about an artefact of which a file is missing, or has another length
// than was written. It is ErrDamaged.
type IncompleteError struct {
	Path     string
	Manifest Manifest
	Err      error // names the file
}

func (e *IncompleteError) Error() string { return e.Err.Error() }
func (e *IncompleteError) Unwrap() error { return e.Err }

func (a *Artefact) incomplete(err error) error { return &IncompleteError{a.at.path, a.Manifest, err} }

// readArtefact reads a manifest without looking for the payloads.
func readArtefact(d disk, path string) (*Artefact, error) {
	a, err := readOnce(d, path)
	if errors.Is(err, ErrNoManifest) {
		a, err = readOnce(d, path) // a writer may have made its folder or its manifest in between
	}
	return a, err
}

func readOnce(d disk, path string) (*Artefact, error) {
	at := fileLayout(path)
	info, err := d.stat(path)
	switch {
	case err == nil && info.IsDir():
		at = folderLayout(path, "")
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	return readManifest(d, at)
}

// readManifest reads the manifest that the payload has now. It looks for the
// pending one first, as that becomes the other.
func readManifest(d disk, at layout) (*Artefact, error) {
	var pending *pendingManifest
	if !at.folder {
		var err error
		if pending, err = readPending(d, at.pending); err != nil {
			return nil, err
		}
	}
	data, err := readAll(d, at.manifest, maxManifest)
	if errors.Is(err, fs.ErrNotExist) {
		return withoutManifest(d, at)
	}
	if err != nil {
		return nil, err
	}
	if pending != nil && !bytes.Equal(pending.data, data) {
		if whole, err := pending.describes(d, at.payload); err != nil || whole {
			return pending.artefact(d, at), err
		}
	}
	m, err := decodeManifest(data)
	if err != nil {
		return nil, newManifestError(at, data, err)
	}
	for _, p := range m.Payloads {
		if at.folder == (p.File == "") {
			return nil, fmt.Errorf("read %s: manifest of another form of artefact", at.manifest)
		}
	}
	sum := sha256.Sum256(data)
	return &Artefact{Manifest: *m, disk: d, at: at, hash: hex.EncodeToString(sum[:])}, nil
}

// withoutManifest returns the error for a path without a manifest, which says what is
// there instead. It opens an artefact whose manifest only has to be renamed.
func withoutManifest(d disk, at layout) (*Artefact, error) {
	data, err := readAll(d, at.journal, maxManifest)
	if err == nil {
		j, err := parseJournal(data)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", at.journal, err)
		}
		of := j.plan.Chunking().Chunks()
		return nil, hint.With(
			fmt.Errorf("%s: %w: not finished, %d of %s %s done", at.path, ErrMissing, len(j.chunks), quantity.Of(of, "chunk"), quantity.Is(len(j.chunks), of)),
			"run the command that makes it again: it resumes from there",
		)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	there, err := anyExists(d, at.path)
	switch {
	case err != nil:
		return nil, err
	case !there:
		return nil, fmt.Errorf("%s: %w", at.path, ErrMissing)
	case at.folder:
		return nil, fmt.Errorf("%s: %w: a folder without %s", at.path, ErrMissing, filepath.Base(at.manifest))
	}
	p, err := dying(d, at)
	if err != nil {
		return nil, err
	}
	if p != nil {
		if whole, err := p.describes(d, at.payload); err != nil || whole {
			return p.artefact(d, at), err
		}
		if settled, err := anyExists(d, at.manifest); err == nil && !settled {
			return nil, replaced(at, p)
		}
	}
	return nil, fmt.Errorf("%s: %w: want %s", at.path, ErrNoManifest, at.manifest)
}

// Path returns the artefact's path.
func (a *Artefact) Path() string { return a.at.path }

// Hash returns the SHA-256 of the manifest, which identifies the whole artefact.
func (a *Artefact) Hash() string { return a.hash }

// Written returns when the artefact was finished, as the file system has it.
func (a *Artefact) Written() (time.Time, error) {
	info, err := os.Stat(a.at.manifest)
	if err != nil {
		return time.Time{}, err
	}
	return info.ModTime(), nil
}

// Payload returns the path of a payload by its name in the folder; the empty
// name means the main payload. It fails with ErrMissing if the artefact has no
// such payload.
func (a *Artefact) Payload(name string) (string, error) {
	for i, p := range a.Manifest.Payloads {
		if p.File == name || name == "" && i == 0 {
			return a.at.file(p), nil
		}
	}
	return "", fmt.Errorf("%s: payload %s: %w", a.at.path, name, ErrMissing)
}
