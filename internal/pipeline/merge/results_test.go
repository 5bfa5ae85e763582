package merge

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/configs"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/demo"
	"github.com/clipnh/clipnh/internal/heat"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/pipeline/segment"
	"github.com/clipnh/clipnh/internal/pipeline/shard"
	"github.com/clipnh/clipnh/internal/pipeline/shift"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/testutil"
)

// demoAssets is where the demo's files are.
var demoAssets = filepath.Join("..", "..", "demo", "assets")

// fewScenes are the options of seven of the demo's scenes, of which one is missing and
// one cannot be read, and of methods that need no directions.
func fewScenes(t *testing.T) segment.Options {
	t.Helper()
	setup, err := configs.ReadSegmentation("demo")
	if err != nil {
		t.Fatal(err)
	}
	templates := pipelinetest.Templates(t, filepath.Join(demoAssets, demo.Templates))
	o := segment.Options{
		Model: filepath.Join(demoAssets, demo.Model), Threads: 2,
		Texts:  segment.Texts{Vocab: filepath.Join(demoAssets, demo.Vocabulary), Templates: templates},
		Scenes: segment.Scenes{DataPath: filepath.Join(demoAssets, demo.PascalContext), Pillow: true},
		Heat:   segment.Heat{Setup: setup, SimBlock: -1, MainWords: true, Methods: []heat.Method{heat.ByValues, heat.BySelfSelf}},
	}
	root := t.TempDir()
	if err := os.CopyFS(root, os.DirFS(o.DataPath)); err != nil {
		t.Fatal(err)
	}
	o.DataPath = root
	list := filepath.Join(root, filepath.FromSlash(o.Setup.Layout.List))
	content, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	names := strings.Fields(string(content))[:7]
	image := func(i int) string {
		return filepath.Join(root, filepath.FromSlash(o.Setup.Layout.Images), names[i]+o.Setup.Layout.ImageSuffix)
	}
	err = errors.Join(os.WriteFile(list, []byte(strings.Join(names, "\n")), 0o666), os.Remove(image(4)), os.Truncate(image(1), 300))
	if err != nil {
		t.Fatal(err)
	}
	o.SavePath = filepath.Join(t.TempDir(), "counts.json")
	return o
}

// fewCars are the options of some golden images posing as cars, of which one cannot
// be read and some have no label.
func fewCars(t *testing.T) shift.Options {
	t.Helper()
	devkit, concepts := t.TempDir(), []string{"yellow", "convertible"}
	if err := os.Symlink(testutil.Golden("shift/devkit"), filepath.Join(devkit, "devkit")); err != nil {
		t.Fatal(err)
	}
	o := shift.Options{
		ConceptOptions: shift.ConceptOptions{Concepts: concepts, K: 5, PCsPath: testutil.Golden("pc0_nh.npy"), EmbeddingsPath: testutil.Golden("text/concepts.npy")},
		Questions:      concepts,
		ReadLabels: func(context.Context) (*dataset.Labels, error) {
			return dataset.ReadCars(context.Background(), dataset.CarOptions{Root: devkit, CSV: testutil.Golden("shift/refined_train.csv"), Labels: concepts})
		},
		SavePath: filepath.Join(devkit, "out", "shift.json"), Threads: 2,
	}
	o.Options = source.Options{Model: pipelinetest.TinyModel(), BatchSize: 4, Stride: 1, Data: dataset.Options{Kind: dataset.Images, Path: t.TempDir()}}
	if err := os.CopyFS(o.Data.Path, os.DirFS(testutil.Golden("dataset"))); err != nil {
		t.Fatal(err)
	}
	images, err := filepath.Glob(filepath.Join(o.Data.Path, "*.png"))
	if err != nil || len(images) < 20 {
		t.Fatal(images, err)
	}
	if err := os.Truncate(images[5], 100); err != nil {
		t.Fatal(err)
	}
	o.SavePath = filepath.Join(t.TempDir(), "ratios.json")
	return o
}

// A shardRun is a stage whose result has shards.
type shardRun struct {
	name string
	path string
	// run runs the shard with the result at a path, told something else if other.
	run func(ctx context.Context, path string, s shard.Shard, other, restart bool) error
}

func shardRuns(t *testing.T) []shardRun {
	scenes, cars := fewScenes(t), fewCars(t)
	return []shardRun{
		{"segment", scenes.SavePath, func(ctx context.Context, path string, s shard.Shard, other, restart bool) error {
			o := scenes
			o.SavePath, o.Shard, o.Restart = path, s, restart
			if other {
				o.Methods = o.Methods[:1]
			}
			_, err := segment.Run(ctx, o, pipelinetest.Silent())
			return err
		}},
		{"shift", cars.SavePath, func(ctx context.Context, path string, s shard.Shard, other, restart bool) error {
			o := cars
			o.SavePath, o.Shard, o.Restart = path, s, restart
			if other {
				o.K--
			}
			_, err := shift.Run(ctx, o, pipelinetest.Silent())
			return err
		}},
	}
}

func (r shardRun) must(t *testing.T, path string, s shard.Shard) {
	t.Helper()
	if err := r.run(t.Context(), path, s, false, false); err != nil {
		t.Fatal(err)
	}
}

// resultFiles are the file at path and its manifest, if it has one.
func resultFiles(t *testing.T, path string) map[string]string {
	t.Helper()
	files := map[string]string{}
	for _, name := range []string{path, path + ".json"} {
		content, err := os.ReadFile(name)
		if err == nil {
			files[strings.TrimPrefix(name, path)] = string(content)
		} else if name == path {
			t.Fatal(err)
		}
	}
	return files
}

// TestMergeResults holds that shards of results, made in any order and merged, have
// the bytes of what is made as a whole.
func TestMergeResults(t *testing.T) {
	for _, r := range shardRuns(t) {
		t.Run(r.name, func(t *testing.T) {
			r.must(t, r.path, shard.Shard{})
			want := resultFiles(t, r.path)
			for _, of := range []int{1, 2, 5} {
				path := filepath.Join(t.TempDir(), "merged.json")
				for _, i := range rand.Perm(of) {
					r.must(t, path, shard.Shard{Number: i + 1, Of: of})
				}
				r.must(t, path, shard.Shard{Number: 1, Of: of}) // which is complete
				got, err := Run(t.Context(), Options{SavePath: path, Threads: 1}, pipelinetest.Silent())
				if err != nil {
					t.Fatal(err)
				}
				if got.Shards != of || len(got.Skipped) == 0 || (got.Segmentation == nil) == (got.Shift == nil) {
					t.Errorf("%d shards: result %+v", of, got)
				}
				sameFiles(t, resultFiles(t, path), want)
				again, err := Run(t.Context(), Options{SavePath: path, Threads: 1}, pipelinetest.Silent())
				if err != nil || again.Complete != (r.name == "segment") {
					t.Errorf("again: %+v, %v", again, err)
				}
				sameFiles(t, resultFiles(t, path), want)
			}
		})
	}
}

// TestResultsInterrupted holds that a shard goes on where it was interrupted, to the
// bytes of one that was not.
func TestResultsInterrupted(t *testing.T) {
	for _, r := range shardRuns(t) {
		t.Run(r.name, func(t *testing.T) {
			s := shard.Shard{Number: 1, Of: 2}
			r.must(t, r.path, s)
			want := resultFiles(t, s.Path(r.path))
			var path, state, last string
			// How often a run asks its context before it keeps anything differs from run to run, so
			// that one may be over before it was interrupted behind that.
			for attempt, resumed := 0, 0; resumed < 2; attempt++ {
				if attempt == 20 {
					t.Fatal("it never went on twice")
				}
				path = filepath.Join(t.TempDir(), "x.json")
				state = s.Path(path) + cache.StateEnd
				resumed = 0
				for questions := 1; ; questions++ {
					err := r.run(interruptAfter{context.Background(), new(questions)}, path, s, false, false)
					if err == nil {
						break
					}
					if !errors.Is(err, context.Canceled) {
						t.Fatal(err)
					}
					if content, err := os.ReadFile(state); err == nil && string(content) != last {
						last = string(content)
						resumed++
					}
				}
				sameFiles(t, resultFiles(t, s.Path(path)), want)
			}
			if _, err := os.Stat(state); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s is left (%v)", state, err)
			}

			// A state that cannot be resumed.
			path = filepath.Join(t.TempDir(), "y.json")
			for name, tt := range map[string]struct {
				content string
				other   bool
				is      error
			}{
				"of another run": {last, true, cache.ErrStale},
				"damaged":        {last[:len(last)-10] + "1" + last[len(last)-9:], false, cache.ErrDamaged},
				"cut short":      {last[:20], false, nil},
			} {
				if err := os.WriteFile(s.Path(path)+cache.StateEnd, []byte(tt.content), 0o666); err != nil {
					t.Fatal(err)
				}
				err := r.run(t.Context(), path, s, tt.other, false)
				if err == nil || !strings.Contains(err.Error(), cache.StateEnd) || tt.is != nil && !errors.Is(err, tt.is) {
					t.Errorf("state %s: error %v, want %v", name, err, tt.is)
				}
			}
			if err := r.run(t.Context(), path, s, false, true); err != nil {
				t.Errorf("restart: %v", err)
			}
			sameFiles(t, resultFiles(t, s.Path(path)), want)

			// A result that is complete, of another run.
			if err := r.run(t.Context(), path, s, true, false); !errors.Is(err, cache.ErrStale) {
				t.Errorf("told something else: error %v, want ErrStale", err)
			}
			if err := r.run(t.Context(), path, s, true, true); err != nil {
				t.Errorf("told something else, with a restart: %v", err)
			}
		})
	}
}

// TestMergeResultsRefusals holds that parts that are not all parts of one result are
// refused, and named.
func TestMergeResultsRefusals(t *testing.T) {
	runs := shardRuns(t)
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name+".json") }
	for i, r := range runs {
		name := r.name
		r.must(t, at(name), shard.Shard{Number: 1, Of: 2})
		r.must(t, at(name), shard.Shard{Number: 2, Of: 2})
		r.must(t, at(name), shard.Shard{Number: 2, Of: 3})
		if err := r.run(t.Context(), at(name+".other"), shard.Shard{Number: 2, Of: 2}, true, false); err != nil {
			t.Fatal(err)
		}
		r.must(t, at(name+".damaged"), shard.Shard{Number: 2, Of: 2})
		damaged := shard.Shard{Number: 2, Of: 2}.Path(at(name + ".damaged"))
		content, err := os.ReadFile(damaged)
		if err != nil {
			t.Fatal(err)
		}
		content[len(content)/2] ^= 1
		if err := os.WriteFile(damaged, content, 0o666); err != nil {
			t.Fatal(err)
		}
		one, two := shard.Shard{Number: 1, Of: 2}.Path(at(name)), shard.Shard{Number: 2, Of: 2}.Path(at(name))
		for _, tt := range []struct {
			name, save string
			shards     []string
			is         error
			want       []string
		}{
			{"one is missing", "m.json", []string{two}, cache.ErrMissing, []string{"of 2 shards, number 1"}},
			{"twice", "m.json", []string{one, two, one}, nil, []string{"shard 1/2 again", one}},
			{"of other cuts", "m.json", []string{one, shard.Shard{Number: 2, Of: 3}.Path(at(name))}, cache.ErrStale, []string{"shard 2/3 beside shard 1/2", one}},
			{"of another run", "m.json", []string{one, shard.Shard{Number: 2, Of: 2}.Path(at(name + ".other"))}, cache.ErrStale, []string{"do not belong to one run", one, ".other."}},
			{"damaged", "m.json", []string{one, damaged}, cache.ErrDamaged, []string{damaged}},
			{"to a folder", "m", []string{one, two}, nil, []string{"same form"}},
			{"to a tensor", "m.npy", []string{one, two}, nil, []string{"same form"}},
		} {
			_, err := Run(t.Context(), Options{SavePath: filepath.Join(t.TempDir(), tt.save), Shards: tt.shards, Threads: 1}, pipelinetest.Silent())
			if err == nil || tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("%s: %s: error %v, want %v", name, tt.name, err, tt.is)
				continue
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%s: %s: error %v, want it to say %q", name, tt.name, err, want)
				}
			}
		}
		if i == 0 {
			continue
		}
		foreign := []string{one, shard.Shard{Number: 2, Of: 2}.Path(at(runs[0].name))}
		if _, err := Run(t.Context(), Options{SavePath: at("m"), Shards: foreign, Threads: 1}, pipelinetest.Silent()); !errors.Is(err, cache.ErrStale) {
			t.Errorf("of two commands: error %v, want ErrStale", err)
		}
	}
	if err := runs[0].run(t.Context(), at("many"), shard.Shard{Number: 6, Of: 7}, false, false); err == nil || !strings.Contains(err.Error(), "at most as many shards") {
		t.Errorf("seven shards of six scenes: error %v", err)
	}
}

// TestMergeOverOthers holds that what is merged replaces no file of another program, also not
// one behind a link.
func TestMergeOverOthers(t *testing.T) {
	const notes = `{"my": "notes"}`
	for _, r := range shardRuns(t) {
		t.Run(r.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "merged.json")
			for i := range 2 {
				r.must(t, path, shard.Shard{Number: i + 1, Of: 2})
			}
			other := filepath.Join(dir, "notes")
			keep := func(name string) {
				t.Helper()
				if got, err := os.ReadFile(other); err != nil || string(got) != notes {
					t.Errorf("%s: %.40q (%v), want what was there", name, got, err)
				}
			}
			if err := os.WriteFile(other, []byte(notes), 0o666); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(other, path); err != nil {
				t.Skip(err)
			}
			if _, err := Run(t.Context(), Options{SavePath: path, Threads: 1}, pipelinetest.Silent()); err == nil {
				t.Error("a link to a file of another program is taken")
			}
			keep("behind a link")
			if err := errors.Join(os.Remove(path), os.Rename(other, path)); err != nil {
				t.Fatal(err)
			}
			other = path
			if _, err := Run(t.Context(), Options{SavePath: path, Threads: 1}, pipelinetest.Silent()); err == nil {
				t.Error("a file of another program is taken")
			}
			keep("at the path")
			if r.name != "shift" {
				return
			}
			other = filepath.Join(dir, "mine.png")
			if err := errors.Join(os.Remove(path), os.WriteFile(other, []byte(notes), 0o666)); err != nil {
				t.Fatal(err)
			}
			if _, err := Run(t.Context(), Options{SavePath: path, PlotPath: other, Threads: 1}, pipelinetest.Silent()); err == nil {
				t.Error("a figure of another program is taken")
			}
			keep("at the figure's path")
		})
	}
}
