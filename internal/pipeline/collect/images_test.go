package collect

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/pipeline/shard"
	"github.com/clipnh/clipnh/internal/testutil"
)

// TestWorthList: a shard of very many images says that their list can be kept, and nothing else does.
func TestWorthList(t *testing.T) {
	defer func(was int) { worthList = was }(worthList)
	for _, tt := range []struct {
		worth int
		shard shard.Shard
		said  bool
	}{{48, shard.Shard{Number: 1, Of: 2}, true}, {49, shard.Shard{Number: 1, Of: 2}, false}, {48, shard.Shard{}, false}} {
		worthList = tt.worth
		o := goldenImages(t, "scores")
		o.Shard = tt.shard
		say, heard := pipelinetest.Heard()
		if _, err := openImages(t.Context(), o, say); err != nil {
			t.Fatal(err)
		}
		if said := strings.Contains(heard.String(), "note: each shard lists all images: "); said != tt.said {
			t.Errorf("%d images, shard %v: said %q", tt.worth, tt.shard, heard)
		}
	}
}

// TestWorthListOfArchives: a shard of many archives says that each is opened.
func TestWorthListOfArchives(t *testing.T) {
	defer func(was int) { worthArchives = was }(worthArchives)
	dir := t.TempDir()
	for _, name := range []string{"0.tar", "1.tar"} {
		testutil.Pack(t, testutil.Golden("dataset"), filepath.Join(dir, name), "")
	}
	for worth, want := range map[int]bool{2: true, 3: false} {
		worthArchives = worth
		o := goldenImages(t, "scores")
		o.Data.Path, o.Shard = filepath.Join(dir, "{0..1}.tar"), shard.Shard{Number: 1, Of: 2}
		say, heard := pipelinetest.Heard()
		if _, err := openImages(t.Context(), o, say); err != nil {
			t.Fatal(err)
		}
		if said := strings.Contains(heard.String(), "note: each shard opens all of 2 archives, since where it ends depends on how many images each has: "); said != want {
			t.Errorf("from %d archives on: said %q", worth, heard)
		}
	}
}

// TestWorthListOfAddresses: a shard of many images at addresses of their own says that each is asked
// for.
func TestWorthListOfAddresses(t *testing.T) {
	defer func(was int) { worthArchives = was }(worthArchives)
	files, list := http.FileServer(http.Dir(testutil.Golden("dataset"))), strings.Join(pipelinetest.GoldenNames(t), "\n")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/list.txt" {
			http.ServeContent(w, r, "", time.Time{}, strings.NewReader(list))
			return
		}
		files.ServeHTTP(w, r)
	}))
	defer server.Close()
	for _, tt := range []struct {
		worth int
		shard shard.Shard
		said  bool
	}{{48, shard.Shard{Number: 1, Of: 2}, true}, {49, shard.Shard{Number: 1, Of: 2}, false}, {48, shard.Shard{}, false}} {
		worthArchives = tt.worth
		o := goldenImages(t, "scores")
		o.Data.Path, o.Shard = server.URL+"/list.txt", tt.shard
		say, heard := pipelinetest.Heard()
		if _, err := openImages(t.Context(), o, say); err != nil {
			t.Fatal(err)
		}
		if said := strings.Contains(heard.String(), "note: each shard asks for the size of all of 48 images: "); said != tt.said {
			t.Errorf("from %d images on, shard %v: said %q", tt.worth, tt.shard, heard)
		}
	}
}

// TestNotAClass: a collection does not become a class folder of its own images.
func TestNotAClass(t *testing.T) {
	folders := &dataset.Dataset{Kind: dataset.ImageNetVal, Root: "val", Classes: []string{"cat", "dog"}}
	table := &dataset.Dataset{Kind: dataset.ImageNetVal, Root: "val", Classes: []string{"cat", "dog"}, ClassesFile: "classes.txt"}
	flat := &dataset.Dataset{Kind: dataset.Images, Root: "val"}
	for _, tt := range []struct {
		data    *dataset.Dataset
		path    string
		refused bool
	}{
		{folders, "val/caches/scores", true},
		{folders, "val/scores.npy", true},
		{folders, "./val/../val/scores", true},
		{folders, "val/cat/scores", false},
		{folders, "caches/val", false},
		{folders, "value/scores", false},
		{table, "val/scores", false},
		{flat, "val/scores", false},
	} {
		err := notAClass(tt.data, tt.path)
		if (err != nil) != tt.refused {
			t.Errorf("%s with classes %v of %q: %v", tt.path, tt.data.Classes, tt.data.ClassesFile, err)
		}
		if err != nil && !strings.Contains(err.Error(), "{save-path} "+tt.path+" is within val, of which each folder is a class") {
			t.Errorf("%s: %v", tt.path, err)
		}
	}
}
