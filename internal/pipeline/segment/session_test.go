package segment

import (
	"bytes"
	"context"
	"errors"
	"os"
	"reflect"
	"testing"

	"github.com/clipnh/clipnh/configs"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
)

// TestSession: a session gives pixels the labels that Run does, to the byte of the file,
// whatever it was asked before.
func TestSession(t *testing.T) {
	o := goldenSegmentation()
	o.SaveDir, o.Store = t.TempDir(), &cache.Store{}
	r, err := Run(t.Context(), o, pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(r.Files[0])
	if err != nil {
		t.Fatal(err)
	}
	m, err := model.OpenWith(t.Context(), o.Model, model.Details{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	from := model.TextOptions{Path: o.TextsPath, Threads: 2}
	words := Words(o.Setup.Classes)
	texts, err := from.Embeddings(t.Context(), m, words, "word", pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	file, err := imageprep.Load(o.Paths[0])
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(o, m, pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	other := []configs.Class{{"a"}, {"b"}}
	if _, err := s.Label(t.Context(), file, other, texts[:2*m.Config.OutDim], false); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		got, err := s.Label(t.Context(), file, o.Setup.Classes, texts, true)
		if err != nil {
			t.Fatal(err)
		}
		var png bytes.Buffer
		if err := got.WritePNG(&png); err != nil || !bytes.Equal(png.Bytes(), want) {
			t.Errorf("other labels than those of a run (%v)", err)
		}
		if !reflect.DeepEqual(got.Shares, r.Shares[0].Classes) || len(got.Colours) != len(r.Classes) || got.Width*got.Height != len(got.Pixels) {
			t.Errorf("%d x %d, shares %v, want %v", got.Width, got.Height, got.Shares, r.Shares[0].Classes)
		}
	}
	o.Setup.Sink, o.SaveDir = false, t.TempDir()
	if r, err = Run(t.Context(), o, pipelinetest.Silent()); err != nil {
		t.Fatal(err)
	}
	bare, err := os.ReadFile(r.Files[0])
	if err != nil || bytes.Equal(bare, want) {
		t.Fatalf("the last location makes no difference (%v)", err)
	}
	var png bytes.Buffer
	if got, err := s.Label(t.Context(), file, o.Setup.Classes, texts, false); err != nil || got.WritePNG(&png) != nil || !bytes.Equal(png.Bytes(), bare) {
		t.Errorf("without a sink, other labels than those of a run (%v)", err)
	}
	if _, err := s.Label(t.Context(), file, other[:1], texts, true); !errors.Is(err, errOneClass) {
		t.Errorf("one class: %v", err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := s.Label(ctx, file, o.Setup.Classes, texts, true); !errors.Is(err, context.Canceled) {
		t.Errorf("a client that went: %v", err)
	}
	if _, err := s.Label(t.Context(), &imageprep.File{Path: "upload", Bytes: []byte("no image")}, o.Setup.Classes, texts, true); err == nil {
		t.Error("no image was labelled")
	}
}
