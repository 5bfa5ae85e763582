package source

import (
	"fmt"
	"strings"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/hint"
)

// PreparedAlike returns an error, which is cache.ErrStale, unless the images that an artefact is
// of were prepared as those of the source, as far as both say how. The artefact is nil for
// another program's file.
func (s *Source) PreparedAlike(r artefact.Reader, a *cache.Artefact) error {
	made, here := artefact.OriginOf(a).Preparation(), s.Origin.Preparation()
	if made == nil || here == nil {
		return nil
	}
	group := preparationOf(a)
	facts := artefact.Facts{
		{Field: group + ".preprocess", Want: here.Preprocess},
		{Field: group + ".exif", Want: here.EXIF},
		{Field: group + ".image_mean", Want: here.Mean},
		{Field: group + ".image_std", Want: here.Std},
		{Field: group + ".image_resize", Want: here.Fit},
		{Field: group + ".preprocessing", Want: here.Preprocessing},
	}
	err := r.Check(a, facts)
	if err == nil || made.Preprocessing != here.Preprocessing {
		return err
	}
	if s.Model == nil {
		return hint.With(err, "its images were prepared in another way than those of the scores: make it of these, or of images that were prepared alike")
	}
	var as []string
	if made.Preprocess != here.Preprocess {
		as = append(as, "{preprocess} "+made.Preprocess)
	}
	if made.EXIF != here.EXIF {
		as = append(as, fmt.Sprintf("{exif}=%t", made.EXIF))
	}
	return hint.With(err, "give "+strings.Join(as, " and ")+": images are then prepared as those of "+a.Path())
}
