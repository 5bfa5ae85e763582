package live

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/demo"
	"github.com/clipnh/clipnh/internal/pipeline/collect"
	"github.com/clipnh/clipnh/internal/pipeline/directions"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/pipeline/words"
	"github.com/clipnh/clipnh/internal/textlist"
)

func asset(name string) string {
	return filepath.Join("..", "..", "demo", "assets", filepath.FromSlash(name))
}

// world is the demo, collected once for all tests.
type world struct {
	dir                         string
	scores, pcs, means, classes string
	data                        dataset.Options
	names                       []string // of classes
	templates                   []textlist.Template
}

var collected = sync.OnceValues(func() (w world, err error) {
	if w.dir, err = os.MkdirTemp("", "live-"); err != nil {
		return w, err
	}
	in := func(name string) string { return filepath.Join(w.dir, name) }
	w.scores, w.pcs, w.means, w.classes = in("scores"), in("pc0.npy"), in("means.npy"), in("classes.npy")
	w.data = dataset.Options{Kind: dataset.ImageNetVal, Path: asset(demo.ImageNet)}
	ctx, say := context.Background(), pipelinetest.Silent()
	collection := collect.Options{
		Model: asset(demo.Model), Data: w.data, Stride: 4, BatchSize: 8, Threads: 2, Mode: collect.ModePairs, SavePath: w.scores,
	}
	if _, err := collect.Run(ctx, collection, say); err != nil {
		return w, err
	}
	svd := directions.SVDOptions{CollectPath: w.scores, TopK: 50, OutPath: w.pcs, MeanPath: w.means, Threads: 2}
	if _, err := directions.SVD(ctx, svd, say); err != nil {
		return w, err
	}
	classes, err := dataset.ClassesOf(ctx, w.data)
	if err != nil {
		return w, err
	}
	w.names = classes.Names
	list, err := textlist.ReadList(asset(demo.Templates))
	if err != nil {
		return w, err
	}
	if w.templates, err = textlist.ParseTemplates(list.Texts); err != nil {
		return w, err
	}
	_, err = words.Embed(ctx, words.EmbedOptions{
		Model: asset(demo.Model), Vocab: asset(demo.Vocabulary), Texts: w.names, Templates: w.templates, SavePath: w.classes, Threads: 2,
	}, say)
	return w, err
})

func theWorld(t testing.TB) world {
	t.Helper()
	w, err := collected()
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// options are those of answers with everything.
func (w world) options() Options {
	return Options{
		Threads: 2, ScoresPath: w.scores, ClassesPath: w.classes, Data: w.data, ModelPath: asset(demo.Model), Vocab: asset(demo.Vocabulary),
		Templates: w.templates, PCsPath: w.pcs, Edit: func(e EditCommand) string { return fmt.Sprint(e) },
	}
}

// opened opens answers and loads them.
func opened(t testing.TB, o Options) *Live {
	t.Helper()
	l, err := Open(t.Context(), o, pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	if err := l.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return l
}

func TestMain(m *testing.M) {
	code := m.Run()
	if w, err := collected(); err == nil {
		os.RemoveAll(w.dir)
	}
	os.Exit(code)
}
