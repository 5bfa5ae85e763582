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

// WriteFile replaces the file at path by what write writes, wholly or not at
// all: it goes to a temporary file in the same folder, which is synced and
// then renamed. On an error nothing is left of it. A symbolic link stays one,
// and the file it points to is replaced.
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

// Save writes an artefact of one file and its manifest, path + ".json". The
// fields Format, Version, Payloads and CRC of m are filled in here. Save returns
// the artefact's Hash.
//
// An older artefact of the same kind is replaced, once write has returned nil:
// until then, and whenever something fails, it stays as it is. Anything else at
// path, such as a file of another program or an artefact of another kind, is
// ErrExists. At no moment does a manifest stand beside a payload that is not
// its own.
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

// CanSave returns the ErrExists that Save would end with for what lies at path, so
// that long work is not done in vain.
func CanSave(path, kind string) error {
	path, err := target(path)
	if err != nil {
		return err
	}
	return replaceable(osDisk{}, fileLayout(path), kind)
}

// replaceable returns ErrExists unless at holds nothing, an artefact of the
// given kind, or what a run left that died while replacing it: the payload
// without a manifest, but with the new manifest's temporary file.
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
		return nil // a manifest is there, and what it describes is of no use
	}
	return err
}

// replace gives the payload and the manifest that lie beside their places in
// temporary files their names.
func replace(d disk, at layout) error {
	// The temporary manifest, by which a payload without one is known as ours,
	// must last before the old manifest goes.
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

// locked runs work while holding the lock file.
func locked(d disk, path, lock string, work func() error) error {
	release, err := d.lock(lock)
	if err != nil {
		return busy(fmt.Errorf("write %s: %w", path, err))
	}
	defer release()
	return work()
}

// busy adds advice to the error of a lock that another holds.
func busy(err error) error {
	if errors.Is(err, ErrLocked) {
		return hint.With(err, "another clipnh is writing it: wait until it is done, or give another path")
	}
	return err
}

// writeAtomic is WriteFile for a caller that holds the lock.
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

// writeTemporary writes the file that is to become path beside it, and syncs it.
// One that a killed run left is written over. On an error nothing is left of
// it; the error of write itself is returned as it is.
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

// payloadWriter writes a file from its start and sums it up.
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

// writeManifestTemporary writes the file that is to become a manifest.
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
