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
// fields Format, Version and Payloads of m are filled in here. An older
// artefact at path loses its manifest first, so that at no moment a manifest
// stands beside a payload that is not its own. Save returns the artefact's
// Hash.
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
		if err := removeIfThere(d, at.manifest); err != nil {
			return err
		}
		if err := d.syncDir(at.dir); err != nil {
			return err
		}
		payload, err := writeAtomic(d, path, write)
		if err != nil {
			return err
		}
		m.Payloads = []Payload{payload}
		artefactHash, err = writeManifest(d, at.manifest, m)
		return err
	})
	return artefactHash, err
}

// locked runs work while holding the lock file.
func locked(d disk, path, lock string, work func() error) error {
	release, err := d.lock(lock)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer release()
	return work()
}

// writeAtomic is WriteFile for a caller that holds the lock. A temporary file
// that a killed run left is written over.
func writeAtomic(d disk, path string, write func(io.Writer) error) (p Payload, err error) {
	tmp := path + tmpSuffix
	f, err := d.open(tmp, forWriting)
	if err != nil {
		return p, err
	}
	w := &payloadWriter{file: f, sum: sha256.New()}
	buffered := bufio.NewWriterSize(w, 1<<16)
	err = write(buffered)
	if err == nil {
		err = buffered.Flush()
	}
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = d.rename(tmp, path)
	}
	if err != nil {
		return p, errors.Join(fmt.Errorf("write %s: %w", path, err), removeIfThere(d, tmp))
	}
	return Payload{Bytes: w.size, SHA256: hex.EncodeToString(w.sum.Sum(nil))}, d.syncDir(filepath.Dir(path))
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
	m.Format, m.Version = Format, Version
	if err := m.check(); err != nil {
		return "", fmt.Errorf("write %s: %w", path, err)
	}
	data, err := m.encode()
	if err != nil {
		return "", fmt.Errorf("write %s: %w", path, err)
	}
	p, err := writeAtomic(d, path, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
	return p.SHA256, err
}
