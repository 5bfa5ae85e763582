package cache

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"path/filepath"

	"github.com/clipnh/clipnh/internal/hint"
)

// WriteFile replaces the file at path by what write writes, completely or not at
// all: write goes to a temporary file in the same folder, which is synced and then
// renamed. On an error the temporary file is removed. If path is a symbolic link,
// the file that it points to is replaced and the link stays.
func WriteFile(path string, write func(io.Writer) error) error {
	path, err := target(path)
	if err != nil {
		return err
	}
	return locked(osDisk{}, path, path+lockSuffix, func() error {
		_, err := writeAtomic(osDisk{}, path, write)
		return err
	})
}

// Save writes a single-file artefact and its manifest, path + ".json". It fills in
// the fields Format, Version, Payloads and CRC of m, and returns the artefact's
// Hash.
//
// An older artefact of the same kind is replaced after write has returned nil; until
// then, and if anything fails, it stays as it is. For anything else at path, such as
// a file of another program or an artefact of another kind, Save fails with
// ErrExists. At no moment is a manifest next to a payload that it does not describe.
func Save(path string, m Manifest, write func(io.Writer) error) (string, error) {
	path, err := target(path)
	if err != nil {
		return "", err
	}
	return save(osDisk{}, path, m, write)
}

func save(d disk, path string, m Manifest, write func(io.Writer) error) (artefactHash string, err error) {
	at := fileLayout(path)
	err = locked(d, path, at.lock, func() error {
		if err := replaceable(d, at, m.Kind); err != nil {
			return err
		}
		payload, err := writeTemporary(d, path, write)
		if err != nil {
			return err
		}
		m.Payloads = []Payload{payload}
		manifest, err := writeManifestTemporary(d, at.manifest, m)
		if err == nil {
			err = replace(d, at)
		}
		if err != nil {
			return errors.Join(err, removeIfThere(d, path+tmpSuffix))
		}
		artefactHash = manifest.SHA256
		return nil
	})
	return artefactHash, err
}

// CanSave returns the ErrExists that Save would fail with because of what is at path.
// Callers use it before long work.
func CanSave(path, kind string) error {
	path, err := target(path)
	if err != nil {
		return err
	}
	return replaceable(osDisk{}, fileLayout(path), kind)
}

// replaceable returns ErrExists unless at is vacant or has an artefact of the given
// kind, or the remains of a run that died while replacing one: a payload without a
// manifest, but with the temporary file of the new manifest.
func replaceable(d disk, at layout, kind string) error {
	there, err := anyExists(d, at.payload)
	if err != nil || !there {
		return err
	}
	a, err := openArtefact(d, at.path)
	switch {
	case err == nil && a.Manifest.Kind == kind:
		return nil
	case err == nil:
		return hint.With(
			fmt.Errorf("write %s: %w: it holds %s, this would be %s", at.path, ErrExists, a.Manifest.Kind, kind),
			"give another path, or remove it first",
		)
	case errors.Is(err, ErrNoManifest):
		dying, err := anyExists(d, at.manifest+tmpSuffix)
		if err != nil || dying {
			return err
		}
		return hint.With(
			fmt.Errorf("write %s: %w, and no manifest says that it is ours", at.path, ErrExists),
			"give another path, or remove it first",
		)
	case errors.Is(err, ErrDamaged), errors.Is(err, ErrVersion):
		return nil // the artefact is ours, by its manifest, and unusable
	}
	return err
}

// replace renames the temporary files of the payload and the manifest to their final
// names.
func replace(d disk, at layout) error {
	// The temporary manifest marks a payload without a manifest as ours, so it must
	// be on disk before the old manifest is removed.
	if err := d.syncDir(at.dir); err != nil {
		return err
	}
	if err := removeIfThere(d, at.manifest); err != nil {
		return err
	}
	if err := d.syncDir(at.dir); err != nil {
		return err
	}
	if err := d.rename(at.payload+tmpSuffix, at.payload); err != nil {
		return err
	}
	if err := d.syncDir(at.dir); err != nil {
		return err
	}
	if err := d.rename(at.manifest+tmpSuffix, at.manifest); err != nil {
		return err
	}
	return d.syncDir(at.dir)
}

// locked runs work while it holds the lock file.
func locked(d disk, path, lock string, work func() error) error {
	release, err := d.lock(lock)
	if err != nil {
		return busy(fmt.Errorf("write %s: %w", path, err))
	}
	defer release()
	return work()
}

// busy adds a hint to the error for a lock that another process holds.
func busy(err error) error {
	if errors.Is(err, ErrLocked) {
		return hint.With(err, "another clipnh is writing it: wait until it is done, or give another path")
	}
	return err
}

// writeAtomic is WriteFile for callers that hold the lock.
func writeAtomic(d disk, path string, write func(io.Writer) error) (Payload, error) {
	p, err := writeTemporary(d, path, write)
	if err != nil {
		return p, err
	}
	if err := d.rename(path+tmpSuffix, path); err != nil {
		return p, errors.Join(err, removeIfThere(d, path+tmpSuffix))
	}
	return p, d.syncDir(filepath.Dir(path))
}

// writeTemporary writes and syncs the temporary file for path, which is in the same
// folder. It overwrites one that a killed run left. On an error it removes the file;
// an error of write is returned unchanged.
func writeTemporary(d disk, path string, write func(io.Writer) error) (Payload, error) {
	tmp := path + tmpSuffix
	f, err := d.open(tmp, forWriting)
	if err != nil {
		return Payload{}, err
	}
	w := &payloadWriter{file: f, sum: sha256.New()}
	buffered := bufio.NewWriterSize(w, blockSize)
	given := write(buffered)
	err = buffered.Flush()
	if given == nil && err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	switch {
	case err != nil:
		err = fmt.Errorf("write %s: %w", path, err)
	case given != nil:
		err = given
	default:
		return Payload{Bytes: w.size, SHA256: hex.EncodeToString(w.sum.Sum(nil))}, nil
	}
	return Payload{}, errors.Join(err, removeIfThere(d, tmp))
}

// payloadWriter writes a file from its start and computes its size and checksum.
type payloadWriter struct {
	file diskFile
	size int64
	sum  hash.Hash
}

func (w *payloadWriter) Write(b []byte) (int, error) {
	n, err := w.file.WriteAt(b, w.size)
	w.sum.Write(b[:n])
	w.size += int64(n)
	return n, err
}

// writeManifest writes m and returns its hash.
func writeManifest(d disk, path string, m Manifest) (string, error) {
	p, err := writeManifestTemporary(d, path, m)
	if err != nil {
		return "", err
	}
	if err := d.rename(path+tmpSuffix, path); err != nil {
		return "", errors.Join(err, removeIfThere(d, path+tmpSuffix))
	}
	return p.SHA256, d.syncDir(filepath.Dir(path))
}

// writeManifestTemporary writes the temporary file for a manifest.
func writeManifestTemporary(d disk, path string, m Manifest) (Payload, error) {
	m.Format = Format
	if m.Version == 0 {
		m.Version = Version
	}
	if err := m.check(); err != nil {
		return Payload{}, fmt.Errorf("write %s: %w", path, err)
	}
	m, err := m.asRead()
	if err == nil {
		m, err = m.sealed()
	}
	if err != nil {
		return Payload{}, fmt.Errorf("write %s: %w", path, err)
	}
	data, err := m.encode()
	if err != nil {
		return Payload{}, fmt.Errorf("write %s: %w", path, err)
	}
	return writeTemporary(d, path, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}
