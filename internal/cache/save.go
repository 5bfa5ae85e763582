package cache

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/clipnh/clipnh/internal/hint"
)

func writeFile(d disk, path string, left []string, write func(io.Writer) error) error {
	return locked(d, path, path+lockSuffix, func(lock *held) error {
		for _, tmp := range left {
			if lock.shared {
				break
			}
			if err := removeIfThere(d, tmp); err != nil {
				return err
			}
		}
		_, err := writeAtomic(d, path, write)
		return err
	})
}

func save(d disk, path string, m Manifest, write func(io.Writer) error) (artefactHash string, err error) {
	at := fileLayout(path)
	err = locked(d, path, at.lock, func(lock *held) error {
		if err := replaceable(d, at, m.Kind); err != nil {
			return err
		}
		if err := settle(d, at); err != nil {
			return err
		}
		if err := sweep(d, at, lock); err != nil {
			return err
		}
		older, err := anyExists(d, at.manifest+tmpSuffix)
		if err != nil {
			return err
		}
		payload, tmp, err := writeTemporary(d, path, write)
		if err != nil {
			return err
		}
		payload.Kernel = Family()
		if len(m.Payloads) == 1 {
			payload.Kernel, payload.Inputs = cmp.Or(m.Payloads[0].Kernel, payload.Kernel), m.Payloads[0].Inputs
		}
		m.Payloads = []Payload{payload}
		manifest, manifestTmp, err := writeManifestTemporary(d, at, m)
		if err != nil {
			return errors.Join(err, removeIfThere(d, tmp))
		}
		if err := replace(d, at, tmp, manifestTmp); err != nil {
			return errors.Join(err, removeIfThere(d, tmp), removeIfThere(d, manifestTmp))
		}
		artefactHash = manifest.SHA256
		if older {
			return sweep(d, at, lock)
		}
		return nil
	})
	return artefactHash, err
}

func canSave(d disk, path, kind string) error {
	at := fileLayout(path)
	if err := replaceable(d, at, kind); err != nil {
		return err
	}
	if p, err := dying(d, at); err != nil || p == nil {
		return err
	}
	lock, err := d.lock(at.lock)
	if err != nil {
		return nil // another writer is at work, or Save will say why not
	}
	defer lock.release()
	return settle(d, at)
}

// locked runs work while holding the lock file.
func locked(d disk, path, lock string, work func(*held) error) error {
	h, err := d.lock(lock)
	if err != nil {
		return busy(fmt.Errorf("write %s: %w", path, err))
	}
	defer h.release()
	return work(h)
}

// busy adds a hint to the error for a lock that another process holds.
func busy(err error) error {
	var said interface{ Hint() string }
	if errors.Is(err, ErrLocked) && !errors.As(err, &said) {
		return hint.With(err, "another clipnh is writing it: wait until it is done, or give another path")
	}
	return err
}

// writeAtomic is WriteFile for callers that hold the lock.
func writeAtomic(d disk, path string, write func(io.Writer) error) (Payload, error) {
	p, tmp, err := writeTemporary(d, path, write)
	if err != nil {
		return p, err
	}
	return p, put(d, tmp, path)
}

// put gives a temporary file its place.
func put(d disk, tmp, path string) error {
	if err := d.rename(tmp, path); err != nil {
		return errors.Join(err, removeIfThere(d, tmp))
	}
	return d.syncDir(filepath.Dir(path))
}

// writeManifest writes m and returns its hash.
func writeManifest(d disk, at layout, m Manifest) (string, error) {
	p, tmp, err := writeManifestTemporary(d, at, m)
	if err != nil {
		return "", err
	}
	return p.SHA256, put(d, tmp, at.manifest)
}

// writeManifestTemporary writes the file that is to become a manifest.
func writeManifestTemporary(d disk, at layout, m Manifest) (Payload, string, error) {
	data, err := m.written()
	if err != nil {
		return Payload{}, "", fmt.Errorf("write %s: %w", at.manifest, err)
	}
	target := at.payload // whose killed writers it is counted with
	return writeTemporary(d, target, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// written returns the bytes of the file that m becomes.
func (m Manifest) written() ([]byte, error) {
	m.Format = Format
	if m.Version == 0 {
		m.Version = Version
	}
	if err := m.check(); err != nil {
		return nil, err
	}
	m, err := m.asRead()
	if err == nil {
		m, err = m.sealed()
	}
	if err != nil {
		return nil, err
	}
	return m.encode()
}
