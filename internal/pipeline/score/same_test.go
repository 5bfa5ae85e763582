package score

import (
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
)

// TestWarnOfSame holds that components of the images of the scores are named, be these in a
// folder or in an archive.
func TestWarnOfSame(t *testing.T) {
	ov := decomp.NewOV(1, make([]float32, 1), make([]float32, 1), make([]float32, 1), make([]float32, 1))
	folder, archive := []string{"a/1.png", "b/2.png"}, []string{"photos.tar!a/1.png", "photos.tar!b/2.png"}
	for what, test := range map[string]struct {
		scores, components []string
		warned             bool
	}{
		"the same": {folder, folder, true}, "of an archive": {archive, folder, true}, "of one archive": {archive, archive, true},
		"others": {folder, []string{"a/1.png", "b/3.png"}, false},
	} {
		path := pipelinetest.ScoresOf(t, ov, test.scores, make([]float32, len(test.scores)), origin.Origin{})
		scores, err := artefact.Reader{}.Scores(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		made := origin.Origin{Parents: map[string]string{"contributions": "another"}, Subjects: map[string]string{"contributions": cache.ListHash(test.components)}}
		in := &inputs{Options: Options{ScoresPath: path}, scores: scores, pcs: &artefact.Components{Artefact: &cache.Artefact{Manifest: cache.Manifest{Origin: made}}}}
		say, heard := pipelinetest.Heard()
		if err := in.warnOfSame(say); err != nil || strings.Contains(heard.String(), "images of the same names") != test.warned {
			t.Errorf("%s: said %q, %v, want a warning: %v", what, heard, err, test.warned)
		}
		if err := scores.Close(); err != nil {
			t.Error(err)
		}
	}
}
