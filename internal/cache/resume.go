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

// finished returns nil when there is no finished artefact, ErrComplete when
// there is that of the plan, ErrRemoved when there is that of the plan but for
// files that were removed, and another error when there is another.
func (w *ChunkWriter) finished() error {
	there, err := anyExists(w.disk, w.at.manifest)
	if err != nil || !there {
		return err
	}
	if _, err := w.begun(); err != nil {
		return err
	}
	a, err := openArtefact(w.disk, w.at.path)
	removed := errors.Is(err, ErrRemoved)
	if removed {
		a, err = readArtefact(w.disk, w.at.path)
	}
	var cut *IncompleteError
	if errors.As(err, &cut) {
		return err // what can be repaired need not be made again
	}
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
	case removed:
		return fmt.Errorf("%s: %w", w.at.path, ErrRemoved)
	}
	return fmt.Errorf("%s: %w", w.at.path, ErrComplete)
}

// begun reports whether a manifest or a journal of ours is there. One that is not
// ours is ErrExists.
func (w *ChunkWriter) begun() (bool, error) {
	begun := false
	for _, path := range []string{w.at.manifest, w.at.journal} {
		there, err := anyExists(w.disk, path)
		if err != nil {
			return false, err
		}
		if !there {
			continue
		}
		ours, err := marked(w.disk, path)
		if err == nil && !ours && path == w.at.journal {
			// Damaged where its mark was, perhaps; no other program has both files.
			ours, err = anyExists(w.disk, w.at.partial)
		}
		if err != nil || !ours {
			return false, errors.Join(err, w.notOurs(path))
		}
		begun = true
	}
	return begun, nil
}

func (w *ChunkWriter) notOurs(path string) error {
	return hint.With(
		fmt.Errorf("%s: %w: %s, which clipnh did not write", w.at.path, ErrExists, path),
		"give another path, or remove it yourself",
	)
}

// reopen makes the finished artefact of the plan one that only lacks its manifest,
// and whatever was removed.
func (w *ChunkWriter) reopen() error {
	a, err := readArtefact(w.disk, w.at.path)
	if err != nil {
		return err
	}
	var chunks []journalChunk
	for i, p := range a.Manifest.Payloads {
		there, err := anyExists(w.disk, w.at.file(p))
		if err != nil {
			return err
		}
		if !there && w.removed == "" {
			w.removed = w.at.file(p)
		}
		if there && i == 0 {
			chunks = a.Manifest.journal()
		}
	}
	if err := w.writeJournal(chunks...); err != nil {
		return err
	}
	return errors.Join(removeIfThere(w.disk, w.at.manifest), w.disk.syncDir(w.at.dir))
}

// journal returns the chunks of a finished artefact as its journal had them.
func (m Manifest) journal() []journalChunk {
	var all []journalChunk
	skipped, cut := m.Skipped, m.Chunking()
	for i, c := range m.Payloads[0].Chunks {
		if i >= cut.Chunks() {
			return nil
		}
		left := cut.Len(i) - c.Rows
		if left < 0 || left > len(skipped) {
			return nil // not what a ChunkWriter wrote: made again from the start
		}
		all = append(all, journalChunk{Chunk: c, Skipped: skipped[:left:left]})
		skipped = skipped[left:]
	}
	return all
}

// clear removes an artefact, finished or not. The journal of the new one goes
// first: whenever this stops, what is left is either the old artefact or an
// unfinished new one.
func (w *ChunkWriter) clear() error {
	begun, err := w.begun()
	if err != nil || !begun {
		return err // if nil, begin refuses files that are not ours
	}
	remove := []string{w.at.payload}
	unfinished, err := anyExists(w.disk, w.at.journal)
	if err != nil {
		return err
	}
	if unfinished {
		remove = append(remove, w.at.partial)
	} else if there, err := anyExists(w.disk, w.at.partial); err != nil || there {
		return errors.Join(err, w.notOurs(w.at.partial))
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

// head is the head of the plan's journal.
func (w *ChunkWriter) head() journalHead {
	return journalHead{journalFormat, Version, build.Current().Name(), w.plan, SumsText(w.listed)}
}

// writeJournal begins a journal with the chunks that are there.
func (w *ChunkWriter) writeJournal(chunks ...journalChunk) error {
	data, err := journalLine(w.head())
	if err != nil {
		return err
	}
	for _, c := range chunks {
		line, err := journalLine(c)
		if err != nil {
			return err
		}
		data = append(data, line...)
	}
	_, err = writeAtomic(w.disk, w.at.journal, func(to io.Writer) error {
		_, err := to.Write(data)
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
	if _, err := w.begun(); err != nil {
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
	head, err := journalLine(w.head())
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
			fmt.Errorf("%s: %w: %s, and no manifest or journal of clipnh is there", w.at.path, ErrExists, found),
			"give another path, or remove it yourself",
		)
	}
	return nil
}

// openPayload opens the partial payload. It is missing if the earlier run ended
// right after it wrote the journal, and has its final name if that run ended just
// before it wrote the manifest.
func (w *ChunkWriter) openPayload() error {
	how := forResuming
	partial, err := anyExists(w.disk, w.at.partial)
	if err != nil {
		return err
	}
	final, err := anyExists(w.disk, w.at.payload)
	if err != nil {
		return err
	}
	if partial && final {
		return w.notOurs(w.at.payload) // a run has one or the other
	}
	if !partial {
		if final {
			if err := w.disk.rename(w.at.payload, w.at.partial); err != nil {
				return err
			}
		} else {
			how = forCreating
		}
	}
	if w.payload, err = w.disk.open(w.at.partial, how); err != nil {
		return err
	}
	if w.journal, err = w.disk.open(w.at.journal, forResuming); err != nil {
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
