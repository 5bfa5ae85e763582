package source

import (
	"fmt"

	"github.com/clipnh/clipnh/internal/dataset"
)

// FirstChange says by which image a list first differs from the one that a run recorded
// checksums of, was; now are those of the list's first images, of one more than was where
// there are as many. Of the recorded names at most their hash is known: an image that went is
// named by the one that comes in its place, and where the names are the same, sameNames, none
// went. It is empty where the recorded part is the same in both.
func FirstChange(items []dataset.Item, now, was []uint32, sameNames bool) string {
	now = now[:min(len(now), len(was)+1)]
	if len(now) == 0 {
		return ""
	}
	at := 0
	for at < min(len(now), len(was)) && now[at] == was[at] {
		at++
	}
	switch {
	case at == len(was):
		return ""
	case at == len(now):
		if n := len(was) - at; n > 1 {
			return fmt.Sprintf("%d images that followed %s are missing", n, items[at-1].Path)
		}
		return fmt.Sprintf("an image that followed %s is missing", items[at-1].Path)
	case sameNames:
		return fmt.Sprintf("%s is not the file that it was", items[at].Path)
	case at+1 < len(now) && now[at+1] == was[at]:
		return fmt.Sprintf("%s was not among its images", items[at].Path)
	case at+1 < len(was) && now[at] == was[at+1]:
		return fmt.Sprintf("an image that came before %s is missing", items[at].Path)
	}
	return fmt.Sprintf("%s is not the file that it was, or takes the place of another", items[at].Path)
}
