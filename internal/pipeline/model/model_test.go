package model

import (
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/testutil"
)

// A model of images only is told as such, whatever the vocabulary.
func TestNewEncoderWithoutTexts(t *testing.T) {
	path := pipelinetest.Renamed(t, func(name string) []string {
		if strings.HasPrefix(name, "visual.") {
			return []string{name}
		}
		return nil
	})
	m, err := OpenWith(t.Context(), path, Details{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for _, vocab := range []string{testutil.Golden("text/toy_merges.txt"), "missing"} {
		_, err := NewEncoder(m.Checkpoint, vocab, 1, pipelinetest.Silent())
		if bad := testutil.Line(err, path, "only the image tower is there, want the text tower too"); bad != nil {
			t.Errorf("%s: %v", vocab, bad)
		}
	}
}

// What a user should know of a file is said, and is part of its description.
func TestTell(t *testing.T) {
	path := pipelinetest.TwoModels(t)
	m, err := OpenWith(t.Context(), path, Details{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	say, heard := pipelinetest.Heard()
	m.Tell(say)
	if want := "note: " + path + ": " + pipelinetest.TwoModelsNote + "\n"; heard.String() != want {
		t.Errorf("said %q, want %q", heard, want)
	}
	info, err := Info(t.Context(), path, Details{})
	if err != nil || len(info.Notes) != 1 || info.Notes[0] != pipelinetest.TwoModelsNote {
		t.Errorf("info: %+v, %v, want the note", info, err)
	}
}
