package source

import (
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/ui"
)

// WarnDamaged says how many chunks of an earlier run are made again because their
// bytes, or those of a chunk before them, are not those that were written.
func WarnDamaged(path string, w *cache.ChunkWriter, say ui.Reporter) {
	if n := w.Damaged(); n > 0 {
		say.Warn("%s: bytes have changed since an earlier run wrote them; to be made again: %s", path, ui.Chunks.Count(int64(n)))
	}
}
