package source

import (
	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/ui"
)

// SayOpened says what an opened writer found of an earlier run: how many of its chunks
// are made again because their bytes, or those of a chunk before them, have changed;
// and a finished file that was removed.
func SayOpened(path string, w *cache.ChunkWriter, say ui.Reporter) {
	if n := w.Damaged(); n > 0 {
		say.Warn("%s: bytes have changed since an earlier run wrote them; to be made again: %s", path, ui.Chunks.Count(int64(n)))
	}
	if removed := w.Removed(); removed != "" {
		say.Note(artefact.RemovedNote, removed)
	}
}
