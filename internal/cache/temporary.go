package cache

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"
)

// A file that is being written has the name of what it is for, a mark and a
// random number: pcs.npy.clipnh-0123456789abcdef.tmp. Nobody else's file has
// such a name, so that one that a killed run left can be removed, and nobody
// can put a link in its place.
const (
	temporaryMark = ".clipnh-"
	tokenBytes    = 8
)

// TemporaryOf returns the name of the file that one of the name was being written
// for: an artefact's for its payload and its manifest. It reports false for the
// names of other files.
func TemporaryOf(name string) (string, bool) {
	rest, ok := strings.CutSuffix(name, tmpSuffix)
	if !ok {
		return "", false
	}
	at := strings.LastIndex(rest, temporaryMark)
	if at <= 0 || !isHex(rest[at+len(temporaryMark):], tokenBytes) {
		return "", false
	}
	return rest[:at], true
}

// probePattern is, for os.CreateTemp, the name of an empty file that is made and removed
// to see whether a folder can be written to, by older builds and where nothing else
// tells.
const probePattern = ".clipnh-*.tmp"

// isProbe reports whether a file's name is one of probePattern.
func isProbe(name string) bool {
	rest, ok := strings.CutSuffix(name, tmpSuffix)
	number, ours := strings.CutPrefix(rest, temporaryMark)
	return ok && ours && number != "" && strings.Trim(number, "0123456789") == ""
}

// createTemporary makes an empty file beside path, which it is for.
func createTemporary(d disk, path string) (diskFile, string, error) {
	for try := 0; ; try++ {
		tmp := path + temporaryMark + d.token() + tmpSuffix
		f, err := d.open(tmp, forCreating)
		if errors.Is(err, fs.ErrExist) && try < 10 {
			continue
		}
		return f, tmp, err
	}
}

// writers are buffers of blockSize bytes that no file is written through: a command writes up to
// thousands of small files.
var writers = sync.Pool{New: func() any { return bufio.NewWriterSize(nil, blockSize) }}

// writeTemporary writes a file for path beside it, syncs it, and returns its name.
// On an error nothing is left of it; the error of write itself is returned as it
// is.
func writeTemporary(d disk, path string, write func(io.Writer) error) (Payload, string, error) {
	f, tmp, err := createTemporary(d, path)
	if err != nil {
		return Payload{}, "", err
	}
	w := &payloadWriter{file: f, sum: sha256.New()}
	buffered := writers.Get().(*bufio.Writer)
	buffered.Reset(w)
	given := write(buffered)
	err = buffered.Flush()
	buffered.Reset(nil)
	writers.Put(buffered)
	if given == nil && err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	var file *fs.PathError
	switch {
	case errors.As(err, &file) && file.Path == tmp: // which nobody knows
		err = &fs.PathError{Op: "write", Path: path, Err: file.Err}
	case err != nil:
		err = fmt.Errorf("write %s: %w", path, err)
	case given != nil:
		err = given
	default:
		return Payload{Bytes: w.size, SHA256: hex.EncodeToString(w.sum.Sum(nil))}, tmp, nil
	}
	return Payload{}, "", errors.Join(err, removeIfThere(d, tmp))
}

// temporaries lists the temporary files in a folder, by the path that they are for.
func temporaries(d disk, dir string) (map[string][]string, error) {
	names, err := d.names(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) { // a folder may be written to and not listed
		return nil, err
	}
	found := map[string][]string{}
	for _, name := range names {
		if of, ok := TemporaryOf(name); ok {
			of = filepath.Join(dir, of)
			found[of] = append(found[of], filepath.Join(dir, name))
		}
	}
	return found, nil
}

// sweep removes the temporary files that killed writers of an artefact left. The
// caller holds its lock: no other writer is at work.
func sweep(d disk, at layout, lock *held) error {
	if lock.shared {
		return nil
	}
	names, err := d.names(at.dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		path := filepath.Join(at.dir, name)
		left := false
		if of, ok := TemporaryOf(name); ok {
			of = filepath.Join(at.dir, of)
			left = at.folder || of == at.payload || of == at.journal
		} else if at.manifest != "" && path == at.manifest+tmpSuffix || at.journal != "" && path == at.journal+tmpSuffix {
			// These names older builds gave; others may have given them too.
			if left, err = leftByOlder(d, at, path); err != nil {
				return err
			}
		}
		if !left {
			continue
		}
		if err := removeIfThere(d, path); err != nil {
			return err
		}
	}
	return nil
}

// leftByOlder reports whether a killed run of an older build left the file at path,
// and nothing depends on it: see dying.
func leftByOlder(d disk, at layout, path string) (bool, error) {
	if ours, err := marked(d, path); err != nil || !ours {
		return false, err
	}
	if path != at.manifest+tmpSuffix || at.folder {
		return true, nil
	}
	manifest, err := anyExists(d, at.manifest)
	if err != nil || manifest {
		return manifest, err
	}
	payload, err := anyExists(d, at.payload)
	return !payload, err
}

// marked reports whether there is a manifest or journal of ours at path, whole or
// in part.
func marked(d disk, path string) (bool, error) {
	f, err := d.open(path, forReading)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	head := make([]byte, 256)
	n, err := f.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return false, err
	}
	head = head[:n]
	return bytes.HasPrefix(head, []byte(manifestMark)) || bytes.Contains(head, []byte(journalMark)), nil
}

// How our manifests begin, and what the first line of our journals has near its
// beginning.
const (
	manifestMark = "{\n  \"format\": \"" + Format + "\","
	journalMark  = `{"format":"` + journalFormat + `",`
)

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
