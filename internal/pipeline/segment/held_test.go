package segment

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clipnh/clipnh/internal/asset"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/pipeline/shard"
	"github.com/clipnh/clipnh/internal/testutil"
)

// TestResumeHeld: a run that resumes reads no scene again that it has counted of an archive which
// is the same by its tag, and compares them where it is another.
func TestResumeHeld(t *testing.T) {
	t.Setenv(asset.HomeVariable, t.TempDir())
	o := goldenSegmentation()
	o.Paths = nil
	var folder string
	folder, o.Setup = scenes(t)
	copyTo(t, testutil.Golden("seg/truth.png"), filepath.Join(folder, "images", "a.png"))
	path := filepath.Join(t.TempDir(), "scenes.tar")
	testutil.Pack(t, folder, path, "")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	first := bytes.Index(data, []byte("images/a.png"))
	changed := bytes.Clone(data)
	changed[first+bytes.Index(data[first:], []byte("IDAT"))+30] ^= 1
	var served atomic.Pointer[[]byte]
	var tag atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", fmt.Sprintf(`"%d"`, tag.Load()))
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(*served.Load()))
	}))
	defer server.Close()
	o.DataPath = server.URL + "/scenes.tar"
	for i, test := range []struct {
		now   []byte
		other bool // tag
		stale bool
	}{{data, false, false}, {changed, false, false}, {data, true, false}, {changed, true, true}} {
		o.SavePath = filepath.Join(t.TempDir(), "counts.json")
		served.Store(&data)
		tag.Store(int32(2 * i))
		ctx, cancel := context.WithCancel(t.Context())
		if _, err := Run(ctx, o, &pipelinetest.Interrupting{Reporter: pipelinetest.Silent(), After: 1, Cancel: cancel}); !errors.Is(err, context.Canceled) {
			t.Fatalf("interrupted: %v", err)
		}
		served.Store(&test.now)
		if test.other {
			tag.Add(1)
		}
		r, err := Run(t.Context(), o, pipelinetest.Silent())
		if errors.Is(err, cache.ErrStale) != test.stale || !test.stale && (err != nil || r.Images != 2) {
			t.Errorf("%d: %+v, %v", i, r, err)
		}
	}
}

// TestResumeHeldShard: what a later shard has counted is held by the archives of its own scenes.
func TestResumeHeldShard(t *testing.T) {
	t.Setenv(asset.HomeVariable, t.TempDir())
	o := goldenSegmentation()
	o.Paths = nil
	_, o.Setup = scenes(t)
	o.Shard = shard.Shard{Number: 2, Of: 2}
	archives := map[string][]byte{}
	for i, names := range [][]string{{"a", "b"}, {"c", "d"}} {
		folder := t.TempDir()
		for _, name := range names {
			copyTo(t, testutil.Golden("seg/truth.png"), filepath.Join(folder, "images", name+".png"))
			copyTo(t, testutil.Golden("seg/truth.png"), filepath.Join(folder, "labels", name+".png"))
		}
		path := filepath.Join(t.TempDir(), "scenes.tar")
		testutil.Pack(t, folder, path, "")
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		archives[fmt.Sprintf("/%d.tar", i)] = data
	}
	data := archives["/1.tar"]
	first := bytes.Index(data, []byte("images/c.png"))
	changed := bytes.Clone(data)
	changed[first+bytes.Index(data[first:], []byte("IDAT"))+30] ^= 1
	var mu sync.Mutex
	var second []byte
	tags := map[string]int{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		data, tag := archives[r.URL.Path], tags[r.URL.Path]
		if r.URL.Path == "/1.tar" {
			data = second
		}
		mu.Unlock()
		w.Header().Set("ETag", fmt.Sprintf(`"%d"`, tag))
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
	}))
	defer server.Close()
	o.DataPath = server.URL + "/{0..1}.tar"
	for _, test := range []struct {
		now   []byte // the archive of the shard
		other string // which has another tag
		stale bool
	}{{changed, "", false}, {changed, "/0.tar", false}, {data, "/1.tar", false}, {changed, "/1.tar", true}} {
		o.SavePath = filepath.Join(t.TempDir(), "counts.json")
		mu.Lock()
		second = data
		tags["/0.tar"], tags["/1.tar"] = tags["/0.tar"]+1, tags["/1.tar"]+1
		mu.Unlock()
		ctx, cancel := context.WithCancel(t.Context())
		if _, err := Run(ctx, o, &pipelinetest.Interrupting{Reporter: pipelinetest.Silent(), After: 1, Cancel: cancel}); !errors.Is(err, context.Canceled) {
			t.Fatalf("interrupted: %v", err)
		}
		mu.Lock()
		second = test.now
		tags[test.other]++
		mu.Unlock()
		r, err := Run(t.Context(), o, pipelinetest.Silent())
		if errors.Is(err, cache.ErrStale) != test.stale || !test.stale && (err != nil || r.Images != 2) {
			t.Errorf("%q has another tag, changed %v: %+v, %v", test.other, !bytes.Equal(test.now, data), r, err)
		}
	}
}
