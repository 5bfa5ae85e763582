package status

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/pipeline/shard"
	"github.com/clipnh/clipnh/internal/testutil"
)

// write begins a shard of 40 images in chunks of 4 and finishes some of them. It returns what
// ends a run that does not finish.
func write(t *testing.T, path string, number, chunks int, finish bool) (end func()) {
	t.Helper()
	w, err := (&cache.Store{Now: time.Now}).OpenChunks(path, cache.Plan{
		Kind: artefact.ShardKind(artefact.KindScores), Axes: []string{"B", "H"}, Row: []int{3}, DType: npy.Float32, Payload: "scores.npy", Inputs: 40, ChunkInputs: 4,
		Origin: origin.Origin{Shard: &origin.Shard{Number: number, Of: 4, Inputs: 160}},
	}, false)
	if err != nil {
		t.Fatal(err)
	}
	for range chunks {
		if err := w.Append(make([]float32, 3*3), []cache.Skipped{{Name: "a.jpg", Reason: "empty"}}); err != nil {
			t.Fatal(err)
		}
	}
	if finish {
		if _, err := w.Finish(); err != nil {
			t.Fatal(err)
		}
	}
	end = sync.OnceFunc(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(end)
	return end
}

// TestLayers: the shards of several layers are not missing where the run has left its command. Each
// layer is looked at by its own path, and is made by the command of all.
func TestLayers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "scores")
	run := func(path string) (*Result, error) {
		return Run(t.Context(), Options{Path: path, Late: time.Minute, Now: time.Now})
	}
	store := &cache.Store{}
	fourth := shard.Shard{Number: 4, Of: 4}
	if err := fourth.KeepCommand(store, path, shard.Command{Words: []string{"collect"}}); err != nil {
		t.Fatal(err)
	}
	if err := fourth.KeepFailure(store, path, shard.Failure{Error: "not allowed", Status: 1}); err != nil {
		t.Fatal(err)
	}
	if r, err := run(path); err != nil || r.Counts[Missing] != 4 {
		t.Errorf("before any shard: %+v, %v", r, err)
	}
	layer := filepath.Join(path, artefact.LayerFolder+"3")
	for number := 1; number < 4; number++ {
		write(t, shard.Shard{Number: number, Of: 4}.Path(layer), number, 10, true)
	}
	r, err := run(layer)
	if err != nil {
		t.Fatal(err)
	}
	if r.Counts[Done] != 3 || len(r.Again) != 1 || r.Shards[3].Failed != "not allowed (status 1)" || len(r.Command) != 1 {
		t.Errorf("a layer: %+v", r)
	}
}

// TestNoneBegun: shards that failed before they wrote anything are missing, each with its error.
func TestNoneBegun(t *testing.T) {
	for _, name := range []string{"scores", "counts.json"} {
		path := filepath.Join(t.TempDir(), name)
		run := func(path string) (*Result, error) {
			return Run(t.Context(), Options{Path: path, Late: time.Minute, Now: time.Now})
		}
		if _, err := run(path); !errors.Is(err, cache.ErrMissing) {
			t.Fatal(err)
		}
		store := &cache.Store{}
		third := shard.Shard{Number: 3, Of: 3}
		if err := third.KeepFailure(store, path, shard.Failure{Error: "not allowed", Status: 1}); err != nil {
			t.Fatal(err)
		}
		for _, more := range []bool{false, true} {
			if more {
				if err := third.KeepCommand(store, path, shard.Command{Words: []string{"collect"}}); err != nil {
					t.Fatal(err)
				}
				if err := os.Remove(third.Path(path) + ".error"); err != nil {
					t.Fatal(err)
				}
			}
			r, err := run(path)
			if err != nil {
				t.Fatal(err)
			}
			if len(r.Shards) != 3 || r.Counts[Missing] != 3 || len(r.Again) != 3 || (r.Shards[2].Failed == "not allowed (status 1)") == more || (len(r.Command) == 1) != more || !strings.HasSuffix(r.Next, "{shard} N/3 for N = 1-3") {
				t.Errorf("%s: %+v", name, r)
			}
		}
		if err := (shard.Shard{Number: 3, Of: 4}).KeepFailure(store, path, shard.Failure{Error: "not allowed", Status: 1}); err != nil {
			t.Fatal(err)
		}
		if _, err := run(path); err == nil || !strings.Contains(err.Error(), "shards of 3 and of 4 are beside it") {
			t.Error(err)
		}
	}
}

func TestRun(t *testing.T) {
	path := filepath.Join(t.TempDir(), "scores")
	write(t, path+".1-of-4", 1, 10, true)
	end := write(t, path+".2-of-4", 2, 5, false)
	write(t, path+".3-of-4", 3, 0, false)
	run := func(after time.Duration) *Result {
		t.Helper()
		r, err := Run(t.Context(), Options{Path: path, Late: time.Minute, Now: func() time.Time { return time.Now().Add(after) }})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	states := func(r *Result) string {
		var all []string
		for _, s := range r.Shards {
			all = append(all, s.State)
		}
		return strings.Join(all, " ")
	}
	r := run(0)
	if got := states(r); got != "done running begun missing" {
		t.Error(got)
	}
	if r.Finished != 60 || r.Skipped != 15 || *r.Images != 160 || r.Next != "run the command that makes the shards again, with {shard} N/4 for N = 3-4" {
		t.Errorf("%+v", r)
	}
	r = run(time.Hour)
	if got := states(r); got != "done stopped begun missing" || r.Rate != nil || len(r.Again) != 3 {
		t.Errorf("%s: %+v", got, r)
	}
	if ago := *r.Shards[1].Ago; ago < 3595 || ago > 3700 {
		t.Errorf("%g seconds ago", ago)
	}
	end()
	if got := states(run(0)); got != "done stopped begun missing" {
		t.Errorf("after the end of the run: %s", got)
	}

	if err := os.WriteFile(filepath.Join(path+".4-of-5"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	_, err := Run(t.Context(), Options{Path: path, Now: time.Now})
	if bad := testutil.Line(err, "shards of 4 and of 5 are beside it"); bad != nil {
		t.Error(bad)
	}
	if _, err := Run(t.Context(), Options{Path: path + "x", Now: time.Now}); !errors.Is(err, cache.ErrMissing) || !strings.Contains(err.Error(), "missing: no run has written anything there, nor shards beside it") {
		t.Error(err)
	}
}

// TestParts: shards that were merged to a part are done, whether they are there or not.
func TestParts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "scores")
	write(t, path+".3-of-4", 3, 10, true)
	write(t, path+".4-of-4", 4, 10, true)
	w, err := (&cache.Store{Now: time.Now}).OpenChunks(path+".1-2-of-4", cache.Plan{
		Kind: artefact.ShardKind(artefact.KindScores), Axes: []string{"B", "H"}, Row: []int{3}, DType: npy.Float32, Payload: "scores.npy", Inputs: 80, ChunkInputs: 4,
		Origin: origin.Origin{Shard: &origin.Shard{Number: 1, Last: 2, Of: 4, Inputs: 160}},
	}, false)
	if err != nil {
		t.Fatal(err)
	}
	look := func() *Result {
		t.Helper()
		r, err := Run(t.Context(), Options{Path: path, Late: time.Minute, Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := look(); len(r.Parts) != 1 || r.Parts[0].State != Begun || r.Counts[Missing] != 2 || !strings.HasSuffix(r.Next, "for N = 1-2") {
		t.Errorf("a part that is begun: %+v", r)
	}
	for range 20 {
		if err := w.Append(make([]float32, 3*3), []cache.Skipped{{Name: "a.jpg", Reason: "empty"}}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Finish(); err != nil {
		t.Fatal(err)
	}
	r := look()
	if r.Parts[0].State != Done || r.Counts[Done] != 4 || r.Finished != 160 || *r.Images != 160 || r.Skipped != 40 || r.Next != "clipnh merge {save-path} "+path {
		t.Errorf("a part that is done: %+v", r)
	}
	write(t, path+".2-of-4", 2, 5, false) // again, though it was merged
	if r := look(); r.Counts[Running] != 1 || r.Next != "" {
		t.Errorf("beside it a shard that runs: %+v", r)
	}
}

func TestPace(t *testing.T) {
	at := func(seconds ...int64) []time.Time {
		var all []time.Time
		for _, s := range seconds {
			if s == 0 {
				all = append(all, time.Time{})
			} else {
				all = append(all, time.Unix(s, 0))
			}
		}
		return all
	}
	for _, c := range []struct {
		at      []time.Time
		rate    float64
		longest time.Duration
	}{
		{at(5), 0, 0}, {at(5, 5), 0, 0}, {at(10, 14), 8, 4 * time.Second}, {at(0, 0, 10, 14), 8, 4 * time.Second},
		{at(1, 100, 102, 104, 106, 108, 110, 112, 114, 116), 16, 2 * time.Second}, // the last eight
	} {
		if rate, longest := pace(c.at, cache.NewChunking(1<<20, 32, nil)); rate != c.rate || longest != c.longest {
			t.Errorf("%v: %g %v, want %g %v", c.at, rate, longest, c.rate, c.longest)
		}
	}
}

func TestRanges(t *testing.T) {
	if got := Ranges([]int{1, 2, 3, 7, 9, 10}); got != "1-3,7,9-10" {
		t.Error(got)
	}
}

// writeState begins a shard of a summary of 40 images, of which some are done.
func writeState(t *testing.T, path string, number, done int) {
	t.Helper()
	from := origin.Origin{Shard: &origin.Shard{Number: number, Of: 4, Inputs: 160}}
	kind := artefact.ShardKind(artefact.KindSummary)
	w, err := new(cache.Store).OpenChunks(path, cache.Plan{
		Kind: kind, Axes: []string{"B", "H"}, Row: []int{3}, DType: npy.Float32, Payload: artefact.MeansFile, Inputs: 1, ChunkInputs: 1, Origin: from,
	}, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	if done == 0 {
		return
	}
	progress := map[string]any{"done": done, "images": done - 1, "skipped": []cache.Skipped{{Name: "a.jpg", Reason: "empty"}}, "rate": 2.5}
	at := cache.State{Artefact: path, Kind: kind, Origin: from, Inputs: 40, Store: new(cache.Store)}
	if err := at.Save(progress, func(io.Writer) error { return nil }); err != nil {
		t.Fatal(err)
	}
}

// TestSummaries: shards of summaries say by their states how far they are.
func TestSummaries(t *testing.T) {
	path := filepath.Join(t.TempDir(), "june")
	writeState(t, path+".1-of-4", 1, 30)
	writeState(t, path+".2-of-4", 2, 0)
	writeState(t, path+".3-of-4", 3, 10)
	if err := os.WriteFile(path+".3-of-4"+cache.StateEnd, []byte("no state\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	now := Options{Path: path, Late: time.Minute, Now: time.Now}
	r, err := Run(t.Context(), now)
	if err != nil {
		t.Fatal(err)
	}
	one := r.Shards[0]
	if one.State != Running || *one.Images != 40 || one.Finished != 30 || one.Skipped != 1 || *one.Rate != 2.5 {
		t.Errorf("%+v, want one that is running", one)
	}
	if r.Shards[1].State != Begun || r.Shards[2].State != Damaged || r.Shards[3].State != Missing || !strings.Contains(r.Shards[2].Error, cache.StateEnd) {
		t.Errorf("%+v", r.Shards)
	}
	now.Now = func() time.Time { return time.Now().Add(time.Hour) }
	if r, err = Run(t.Context(), now); err != nil || r.Shards[0].State != Stopped || r.Shards[0].Rate != nil {
		t.Errorf("an hour later: %+v, %v", r, err)
	}
}

// TestAlone: a run without shards says how far it is, and how to go on.
func TestAlone(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "june")
	if err := os.Mkdir(path, 0o777); err != nil {
		t.Fatal(err)
	}
	o := Options{Path: path, Late: time.Minute, Now: time.Now}
	if _, err := Run(t.Context(), o); !errors.Is(err, cache.ErrMissing) || !strings.Contains(err.Error(), "june: missing: no run has written anything in it, nor shards beside it") {
		t.Errorf("a folder of others: %v", err)
	}
	w, err := new(cache.Store).OpenChunks(path, cache.Plan{
		Kind: artefact.KindScores, Axes: []string{"B", "H"}, Row: []int{3}, DType: npy.Float32, Payload: artefact.ScoresFile, Inputs: 40, ChunkInputs: 16,
	}, false)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 2 {
		if n == 1 {
			if err := w.Append(make([]float32, 16*3), nil); err != nil {
				t.Fatal(err)
			}
		}
		r, err := Run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		state := Begun
		if n == 1 {
			state = Stopped // as of a store without a clock
		}
		if r.State != state || r.Next != "run the command that makes it again: it resumes from there" || r.Whole || *r.Images != 40 || r.Finished != 16*n || len(r.Shards) != 0 {
			t.Errorf("with %d chunks: %+v", n, r)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	state := filepath.Join(dir, "july")
	writeState(t, state, 1, 30)
	if r, err := Run(t.Context(), Options{Path: state, Late: time.Minute, Now: time.Now}); err != nil || r.State != Running || *r.Images != 40 || r.Finished != 30 {
		t.Errorf("a summary: %+v, %v", r, err)
	}
}
