package cache

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"path/filepath"

	"github.com/clipnh/clipnh/internal/build"
	"github.com/clipnh/clipnh/internal/hint"
)

// This file finds out what exists at the path of a ChunkWriter, and resumes it.

// finished returns nil if there is no finished artefact, ErrComplete if there is
// one of the plan, and another error if there is one of another plan.
func (w *ChunkWriter) finished() error {
	there, err := anyExists(w.disk, w.at.manifest)
	if err != nil || !there {
		return err
	}
	a, err := openArtefact(w.disk, w.at.path)
	if err != nil {
		return hint.With(err, startOver)
	}
	made := a.Manifest.plan()
	made.Version = w.plan.Version // differs in the manifest only, not in the payload
	wrong, err := differences(made, w.plan)
	switch {
	case err != nil:
		return err
	case wrong != nil:
		return &MismatchError{w.at.path, wrong, false, startOver}
	}
	return fmt.Errorf("%s: %w", w.at.path, ErrComplete)
}

// clear removes an artefact, finished or not. It writes the journal of the new
// artefact first, so that an interruption leaves either the old artefact or an
// unfinished new one.
func (w *ChunkWriter) clear() error {
	remove := []string{w.at.payload, w.at.partial}
	begun, err := anyExists(w.disk, w.at.manifest, w.at.journal)
	if err != nil || !begun {
		return err // if nil, begin refuses files that are not ours
	}
	if old, err := openArtefact(w.disk, w.at.path); err == nil {
		for _, p := range old.Manifest.Payloads {
			remove = append(remove, w.at.file(p))
		}
	}
	if err := w.writeJournal(); err != nil {
		return err
	}
	if err := removeIfThere(w.disk, w.at.manifest); err != nil {
		return err
	}
	if err := w.disk.syncDir(w.at.dir); err != nil {
		return err
	}
	for _, path := range remove {
		if err := removeIfThere(w.disk, path); err != nil {
			return err
		}
	}
	return w.disk.syncDir(w.at.dir)
}

// writeJournal writes a journal without chunks.
func (w *ChunkWriter) writeJournal() error {
	line, err := journalLine(journalHead{journalFormat, Version, build.Current().Name(), w.plan})
	if err != nil {
		return err
	}
	_, err = writeAtomic(w.disk, w.at.journal, func(to io.Writer) error {
		_, err := to.Write(line)
		return err
	})
	return err
}

// begin opens the files of the collection after the last finished chunk.
func (w *ChunkWriter) begin() error {
	data, err := readAll(w.disk, w.at.journal, maxManifest)
	if errors.Is(err, fs.ErrNotExist) {
		if err := w.vacant(); err != nil {
			return err
		}
		if err := w.writeJournal(); err != nil {
			return err
		}
		data, err = readAll(w.disk, w.at.journal, maxManifest)
	}
	if err != nil {
		return err
	}
	j, err := parseJournal(data)
	if err != nil {
		return hint.With(fmt.Errorf("read %s: %w", w.at.journal, err), startOver)
	}
	begun := j.plan
	begun.Version = w.plan.Version
	wrong, err := differences(begun, w.plan)
	if err != nil {
		return err
	}
	if wrong != nil {
		return &MismatchError{w.at.path, wrong, false, startOver}
	}
	if this := build.Current().Name(); j.program != "" && j.program != this {
		wrong := []Difference{{"program", quoted(j.program), quoted(this)}}
		return &MismatchError{w.at.path, wrong, false, "resume with the program that began it, or discard what is there with {restart}"}
	}
	if j.plan.Version < Version {
		if j, err = w.upgrade(data, j); err != nil {
			return err
		}
	}
	if err := w.openPayload(); err != nil {
		return err
	}
	return w.keep(j)
}

// upgrade replaces the journal of an older version, whose bytes are data, by a
// present one with the same chunks, so that programs of the older version do not
// resume it.
func (w *ChunkWriter) upgrade(data []byte, j *journal) (*journal, error) {
	head, err := journalLine(journalHead{journalFormat, Version, build.Current().Name(), w.plan})
	if err != nil {
		return nil, err
	}
	data = append(head, data[j.start:]...)
	_, err = writeAtomic(w.disk, w.at.journal, func(to io.Writer) error {
		_, err := to.Write(data)
		return err
	})
	if err != nil {
		return nil, err
	}
	return parseJournal(data)
}

// vacant returns ErrExists if there are other files at the artefact's path.
func (w *ChunkWriter) vacant() error {
	found := ""
	if w.at.folder {
		names, err := w.disk.names(w.at.dir)
		if err != nil {
			return err
		}
		for _, name := range names {
			if !w.at.ours(name) {
				found = filepath.Join(w.at.dir, name)
			}
		}
	} else {
		for _, path := range []string{w.at.payload, w.at.partial} {
			there, err := anyExists(w.disk, path)
			if err != nil {
				return err
			}
			if there {
				found = path
			}
		}
	}
	if found != "" {
		return hint.With(
			fmt.Errorf("%s: %w: %s, and neither a manifest nor a journal says that it is ours", w.at.path, ErrExists, found),
			"give another path, or remove it yourself",
		)
	}
	return nil
}

// openPayload opens the partial payload. It is missing if the earlier run ended
// right after it wrote the journal, and has its final name if that run ended just
// before it wrote the manifest.
func (w *ChunkWriter) openPayload() error {
	how := forUpdate
	partial, err := anyExists(w.disk, w.at.partial)
	if err != nil {
		return err
	}
	if !partial {
		final, err := anyExists(w.disk, w.at.payload)
		if err != nil {
			return err
		}
		if final {
			if err := w.disk.rename(w.at.payload, w.at.partial); err != nil {
				return err
			}
		} else {
			how = forWriting
		}
	}
	if w.payload, err = w.disk.open(w.at.partial, how); err != nil {
		return err
	}
	if w.journal, err = w.disk.open(w.at.journal, forUpdate); err != nil {
		return err
	}
	return w.disk.syncDir(w.at.dir)
}

// keep keeps the chunks of j up to the first one that is damaged or incomplete in
// the payload, and truncates the files there.
func (w *ChunkWriter) keep(j *journal) error {
	info, err := w.payload.Stat()
	if err != nil {
		return err
	}
	w.payloadSize, w.journalSize = w.plan.Payloads[0].Header, j.start
	rowBytes, err := w.plan.rowBytes()
	if err != nil {
		return err
	}
	for i, c := range j.chunks {
		size := int64(c.Rows) * rowBytes
		if size > info.Size()-w.payloadSize {
			break
		}
		sum := crc32.New(castagnoli)
		if err := sumRange(context.Background(), sum, w.payload, w.payloadSize, size, nil); err != nil {
			return fmt.Errorf("read %s: %w", w.at.partial, err)
		}
		if crcText(sum.Sum32()) != c.CRC {
			break
		}
		w.chunks = append(w.chunks, c)
		w.rows += c.Rows
		w.payloadSize += size
		w.journalSize = j.ends[i]
	}
	w.damaged = len(j.chunks) - len(w.chunks)
	for _, f := range []struct {
		diskFile
		size int64
	}{{w.journal, w.journalSize}, {w.payload, w.payloadSize}} {
		if err := f.Truncate(f.size); err != nil {
			return err
		}
		if err := f.Sync(); err != nil {
			return err
		}
	}
	return nil
}

// quoted is a text as one side of a Difference.
func quoted(text string) string {
	b, err := json.Marshal(text)
	if err != nil {
		return text // cannot be: text is a string
	}
	return string(b)
}
