package listing

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"

	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/pipeline/collect"
	"github.com/clipnh/clipnh/internal/pipeline/collecttest"
	"github.com/clipnh/clipnh/internal/pipeline/merge"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/pipeline/shard"
)

// TestArchivesOfShards: with no more shards than archives, no two shards ask for one archive, and
// what they are merged to has the bytes of one run, also where each was stopped and resumed.
func TestArchivesOfShards(t *testing.T) {
	files := archives(t)
	var mu sync.Mutex
	asked := map[string]bool{}
	served := http.FileServer(http.Dir(filepath.Dir(files)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked[r.URL.Path] = true
		mu.Unlock()
		served.ServeHTTP(w, r)
	}))
	defer server.Close()
	kept := filepath.Join(t.TempDir(), "kept.listing")
	data := dataset.Options{Kind: dataset.Images, Path: server.URL + "/" + filepath.Base(files)}
	list(t, Options{Data: data, SavePath: kept})
	for name, change := range map[string]func(*collect.Options){
		"scores":     func(*collect.Options) {},
		"statistics": func(o *collect.Options) { o.StatsOnly, o.TopK = true, 8 },
		"summary":    func(o *collect.Options) { o.StatsOnly, o.NoFeatures, o.TopK = true, true, 8 },
	} {
		o := collecttest.GoldenImages(t, name)
		o.Data = data
		change(&o)
		collecttest.Collect(t, o)
		want := bytesBelow(t, o.SavePath)
		o.Data.Path = kept
		for of := 2; of <= 4; of++ {
			o.SavePath = filepath.Join(t.TempDir(), name)
			by := map[string]int{} // the shard that asked for an archive
			for i := range of {
				o.Shard = shard.Shard{Number: i + 1, Of: of}
				mu.Lock()
				clear(asked)
				mu.Unlock()
				ctx, cancel := context.WithCancel(t.Context())
				_, err := collect.Run(ctx, o, &pipelinetest.Interrupting{Reporter: pipelinetest.Silent(), After: 5, Cancel: cancel})
				if cancel(); err != nil && !errors.Is(err, context.Canceled) {
					t.Fatal(err)
				}
				collecttest.Collect(t, o)
				mu.Lock()
				for path := range asked {
					if by[path] > 0 {
						t.Errorf("%s: shards %d and %d of %d ask for %s", name, by[path], i+1, of, path)
					}
					by[path] = i + 1
				}
				mu.Unlock()
			}
			if len(by) != 4 {
				t.Errorf("%s: %d shards ask for %v, want four archives", name, of, by)
			}
			if _, err := merge.Run(t.Context(), merge.Options{SavePath: o.SavePath, Threads: 1}, pipelinetest.Silent()); err != nil {
				t.Fatal(err)
			}
			same(t, bytesBelow(t, o.SavePath), want)
		}
	}
}
