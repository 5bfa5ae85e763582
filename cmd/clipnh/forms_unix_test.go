//go:build unix

package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/clipnh/clipnh/internal/asset"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/testutil"
)

// An imageForm is a way to name images.
type imageForm struct {
	name, kind, path string
	labelled         bool // as the folder is with the kind imagenet_val
}

// formWorld has the same images in every form that clipnh takes.
type formWorld struct {
	dir   string
	forms []imageForm
}

func (w *formWorld) at(name string) string { return filepath.Join(w.dir, name) }

// write writes a file, and the folders that it is in.
func (w *formWorld) write(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(w.at(name)), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(w.at(name), data, 0o666); err != nil {
		t.Fatal(err)
	}
}

// newFormWorld makes images of two classes, which are three chunks, one image that cannot be
// decoded among them, and packs them.
func newFormWorld(t *testing.T) *formWorld {
	t.Helper()
	w := &formWorld{dir: t.TempDir()}
	t.Setenv(asset.HomeVariable, w.at("home"))
	var found []string
	for _, images := range []string{testutil.Golden("dataset/*.png"), filepath.Join("..", "..", "internal", "demo", "assets", "imagenet", "test", "*[05].JPEG")} {
		some, err := filepath.Glob(images)
		if err != nil || len(some) < 35 {
			t.Fatalf("%s: %d images: %v", images, len(some), err)
		}
		found = append(found, some[:35]...)
	}
	classes := []string{"n01", "n02"}
	list, table, far := "", "label,path\n", ""
	for i, path := range found {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if i == 40 {
			data = data[:len(data)/3]
		}
		of := i * 2 / len(found)
		base := fmt.Sprintf("%03d%s", i, filepath.Ext(path))
		name := classes[of] + "/" + base
		w.write(t, "folder/"+name, data)
		w.write(t, fmt.Sprintf("samples/%02d/%s", of, base), data)
		w.write(t, fmt.Sprintf("samples/%02d/%03d.cls", of, i), fmt.Append(nil, of))
		list += "folder/" + name + "\n"
		table += classes[of] + ",folder/" + name + "\n"
		w.write(t, "shards/folder/"+name, data)
		far += "../folder/" + name + "\n"
	}
	w.write(t, "shards/lists/far.txt", []byte(far))
	w.write(t, "shards/far.csv", []byte(table))
	w.write(t, "list.txt", []byte(list))
	w.write(t, "table.csv", []byte(table))
	folder := w.at("folder")
	for _, form := range []string{"photos.tar", "photos.tar.gz", "photos.zip", "photos.parquet"} {
		testutil.Pack(t, folder, w.at(form), "")
		w.forms = append(w.forms, imageForm{form, "images", w.at(form), false})
	}
	for of, class := range classes {
		for _, form := range []string{"tar", "tar.gz", "zip", "parquet"} {
			w.write(t, "shards/none", nil)
			testutil.Pack(t, filepath.Join(folder, class), w.at(fmt.Sprintf("shards/%02d.%s", of, form)), "")
		}
		testutil.Pack(t, w.at(fmt.Sprintf("samples/%02d", of)), w.at(fmt.Sprintf("samples/%02d.tar", of)), "")
	}
	files := http.FileServer(http.Dir(w.at("shards")))
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/bucket/") {
			if !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=who/") {
				rw.WriteHeader(http.StatusForbidden)
				return
			}
			r.URL.Path = strings.TrimPrefix(r.URL.Path, "/bucket")
		}
		files.ServeHTTP(rw, r)
	}))
	t.Cleanup(server.Close)
	for name, value := range map[string]string{"AWS_ENDPOINT_URL": server.URL, "AWS_ACCESS_KEY_ID": "who", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_EC2_METADATA_DISABLED": "true"} {
		t.Setenv(name, value)
	}
	shards := w.at("shards/{00..01}.tar")
	w.forms = append(w.forms,
		imageForm{"shards", "images", shards, false},
		imageForm{"samples with labels", "imagenet_val", w.at("samples/{00..01}.tar"), true},
		imageForm{"rows with labels", "imagenet_val", w.at("photos.parquet"), true},
		imageForm{"list", "images", w.at("list.txt"), false},
		imageForm{"table", "imagenet_val", w.at("table.csv"), true},
		imageForm{"http tar", "images", server.URL + "/{00..01}.tar", false},
		imageForm{"http tar.gz", "images", server.URL + "/{00..01}.tar.gz", false},
		imageForm{"http zip", "images", server.URL + "/{00..01}.zip", false},
		imageForm{"http parquet", "images", server.URL + "/{00..01}.parquet", false},
		imageForm{"s3", "images", "s3://bucket/{00..01}.tar", false},
		imageForm{"http list", "images", server.URL + "/lists/far.txt", false},
		imageForm{"s3 table", "imagenet_val", "s3://bucket/far.csv", true},
	)
	for name, path := range map[string]string{"folder": folder, "shards": shards, "s3": "s3://bucket/{00..01}.zip", "an http list": server.URL + "/far.csv"} {
		kept := w.at(name + ".listing")
		must(t, exitDone, "data", "list", "--dataset", "images", "--data-path", path, "--save-path", kept, "--quiet")
		w.forms = append(w.forms, imageForm{"kept list of " + name, "images", kept, false})
	}
	slices.SortFunc(w.forms, func(a, b imageForm) int { return strings.Compare(a.name, b.name) })
	return w
}

// TestForms makes the same images into every form that clipnh takes. Scores and statistics have
// the bytes that the folder gives, names aside, after runs that were killed at random moments.
func TestForms(t *testing.T) {
	w := newFormWorld(t)
	collect := func(f imageForm, out string, more ...string) []string {
		return append([]string{"collect", "--model", testutil.Golden("model/tiny_jit.pt"), "--dataset", f.kind, "--data-path", f.path, "--save-path", out, "--quiet"}, more...)
	}
	modes := map[string][]string{"scores": nil, "statistics": {"--stats-only", "--top-k", "5"}}
	wanted, took := map[string]map[string]string{}, time.Duration(0)
	for mode, more := range modes {
		start := time.Now()
		if end := startProgram(t, nil, collect(imageForm{kind: "images", path: w.at("folder")}, w.at(mode), more...)...).wait(t); end.code != exitSkipped {
			t.Fatalf("exit code %d: %s", end.code, end.said)
		}
		took = max(took, time.Since(start))
		wanted[mode] = scoresBesidesNames(t, w.at(mode))
	}
	labels := func(kind, path string) []int {
		d, err := dataset.Open(t.Context(), dataset.Options{Kind: kind, Path: path})
		if err != nil {
			t.Fatal(err)
		}
		var labels []int
		for _, item := range d.Items {
			labels = append(labels, item.Label)
		}
		return labels
	}
	truth := labels("imagenet_val", w.at("folder"))
	kills := 0
	for i, f := range w.forms {
		t.Run(f.name, func(t *testing.T) {
			if f.labelled && !slices.Equal(labels(f.kind, f.path), truth) {
				t.Errorf("labels %v, want %v", labels(f.kind, f.path), truth)
			}
			random := chance(8, i)
			for _, mode := range []string{"scores", "statistics"} {
				more := slices.Clip(modes[mode])
				for round := range thorough(1, 10) {
					out := w.at(fmt.Sprint(mode, " ", i, " ", round))
					for attempt := 0; ; attempt++ {
						p := startProgram(t, nil, collect(f, out, append(more, "--threads", fmt.Sprint(1+random.IntN(3)))...)...)
						if attempt < thorough(1, 4) {
							signal := []syscall.Signal{syscall.SIGKILL, syscall.SIGKILL, syscall.SIGTERM}[random.IntN(3)]
							time.AfterFunc(time.Duration(random.Float64()*float64(took)), func() { p.Process.Signal(signal) })
						}
						end := p.wait(t)
						if end.code == exitSkipped && !end.signaled {
							break
						}
						if !end.signaled && end.code != exitInterrupted || attempt == 40 {
							t.Fatalf("%s: exit code %d: %s", mode, end.code, end.said)
						}
						kills++
						count("kills", 1)
						count("resumes", 1)
					}
					sameBesidesNames(t, mode, out, wanted[mode])
					if err := os.RemoveAll(out); err != nil {
						t.Fatal(err)
					}
				}
			}
		})
	}
	t.Logf("%d kills", kills)
	if kills == 0 {
		t.Error("no run was killed before it was done")
	}
}
