// Package cache stores artefacts on disk: the results of one command that
// others read.
//
// An artefact is one or more payloads and a manifest. A payload is a file of
// numbers or text. The manifest is a JSON file that describes the payloads:
// their shape, what they were made from (the Origin) and their checksums. It is
// written last: an artefact without a manifest is not finished. Nothing in a
// manifest depends on the clock, the host or the path, so the same work gives
// the same bytes, and the SHA-256 of a manifest identifies the artefact with its
// payloads.
//
// An artefact has one of two forms, a folder or a single file:
//
//	folder/                     pcs.npy         the payload
//	    manifest.json           pcs.npy.json    the manifest
//	    scores.npy, images.txt
//
// Small artefacts are written at once by Save. While one replaces another, its
// manifest has a third name, pcs.npy.json.pending: the payload's checksum tells
// which manifest is its own, so that Open finds the old artefact or the new one
// at every moment, and after a crash at any. The next writer completes it.
//
// Long artefacts are collected in chunks by a ChunkWriter, which can be killed at
// any moment; another then resumes after the last finished chunk. Unfinished work
// is in
//
//	scores.npy.partial          the payload so far
//	journal                     (pcs.npy.journal) one line for each finished chunk
//	.lock                       (pcs.npy.lock) held while a writer runs
//
// and Open says how far it is. What is being written is in a temporary file with
// a name that nobody foresees, pcs.npy.clipnh-0123456789abcdef.tmp. Those of
// killed writers are removed by the next writer of the artefact, and listed by
// Leftovers.
//
// A file of another program is never removed, replaced or written to, whichever
// of these names it has: temporary files are made, never opened; a manifest or
// journal must begin as ours do; a lock file must be empty or say that it is one.
// A link at one of these names is not followed, but for that of the payload
// itself.
//
// A payload that was removed while its manifest was not is ErrRemoved: the writer
// of the same artefact makes it again.
//
// A lock file is held by flock, and no longer counts when its process ends. Where
// the file system has no flock, the file itself is the lock: it names the process
// and the machine, and one of a killed process is to be removed by hand. A Store
// writes without locks, where the caller sees to it that there is one writer.
package cache

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
)

// Errors that callers branch on. Returned errors wrap these and name the path.
var (
	// ErrMissing: there is no artefact at the path, or it is not finished.
	ErrMissing = errors.New("missing")
	// ErrNoManifest: there is a file at the path but no manifest next to it. Files
	// of other programs have none.
	ErrNoManifest = errors.New("no manifest")
	// ErrVersion: this program does not read the manifest's version.
	ErrVersion = errors.New("unsupported version")
	// ErrStale: the artefact was made from other inputs or options than the
	// caller expects; the error is a *MismatchError.
	ErrStale = errors.New("stale")
	// ErrDamaged: the bytes on disk are not those that were written.
	ErrDamaged = errors.New("damaged")
	// ErrRemoved: a file that the manifest describes is no longer there. It is
	// ErrDamaged too.
	ErrRemoved = fmt.Errorf("%w: its manifest is there, the file is not", ErrDamaged)
	// ErrLocked: another process is writing the artefact.
	ErrLocked = errors.New("locked by another writer")
	// ErrExists: there is something at the path that must not be replaced.
	ErrExists = errors.New("already exists")
	// ErrComplete: the artefact to be collected already exists, complete and
	// with an equal fingerprint.
	ErrComplete = errors.New("already complete")
)

// ListHash returns the SHA-256 of a list of names in order, each followed by
// a zero byte.
func ListHash(names []string) string {
	sum := sha256.New()
	for _, name := range names {
		io.WriteString(sum, name)
		sum.Write([]byte{0})
	}
	return hex.EncodeToString(sum.Sum(nil))
}
