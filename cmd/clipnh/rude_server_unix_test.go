//go:build unix

package main

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/asset"
	"github.com/clipnh/clipnh/internal/remote"
	"github.com/clipnh/clipnh/internal/testutil"
)

// Requests are repeated as often as always, and at once.
func init() { remote.FirstPause, remote.MostPause = time.Millisecond, 2*time.Millisecond }

// A rude server serves the files of a folder as they were when it began, but for the requests
// that it answers as a plan says.
type rude struct {
	files map[string]servedFile

	mu       sync.Mutex
	requests int                // since the plan was made
	plan     func(n int) string // how request n, from 0, is answered; empty: well
	did      map[string]int     // how often each way, of all plans
}

// A servedFile has its content and the tag that stands for it.
type servedFile struct {
	data []byte
	tag  string
}

func newRude(t *testing.T, dir string) (*rude, string) {
	t.Helper()
	r := &rude{files: map[string]servedFile{}, plan: well, did: map[string]int{}}
	for name, content := range filesBelow(t, dir) {
		data := []byte(content)
		r.files[name] = servedFile{data, fmt.Sprintf("%q", fmt.Sprintf("%x", sha256.Sum256(data))[:16])}
	}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	return r, server.URL
}

func well(int) string { return "" }

// answers sets the plan, and returns how many requests were answered by the one before.
func (s *rude) answers(plan func(n int) string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.requests
	s.requests, s.plan = 0, plan
	return before
}

// rudely are the ways to answer otherwise than well.
var rudely = []string{"500", "503", "429", "403", "drop", "cut", "slow", "more", "less", "length", "tag", "no tag"}

func (s *rude) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	how := s.plan(s.requests)
	s.requests++
	s.did[how]++
	s.mu.Unlock()
	file, there := s.files[filepath.Base(r.URL.Path)]
	if !there {
		http.NotFound(w, r)
		return
	}
	data := file.data
	var from, to int
	if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &from, &to); err != nil || from < 0 || from > to || from >= len(data) {
		http.Error(w, "want a range", http.StatusRequestedRangeNotSatisfiable)
		return
	}
	to = min(to, len(data)-1)
	body, size, tag := data[from:to+1], len(data), file.tag
	length := len(body)
	switch how {
	case "500", "503", "429", "403":
		var status int
		fmt.Sscan(how, &status)
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(status)
		return
	case "drop":
		panic(http.ErrAbortHandler)
	case "cut":
		body = body[:len(body)/2]
	case "more":
		size += 7
	case "less":
		size = max(size-7, to+1)
	case "length":
		length += 100
	case "tag":
		tag = `"another"`
	case "no tag":
		tag = ""
	}
	if match := r.Header.Get("If-Match"); match != "" && match != tag {
		w.WriteHeader(http.StatusPreconditionFailed)
		return
	}
	if tag != "" {
		w.Header().Set("ETag", tag)
	}
	w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to, size))
	w.Header().Set("Content-Length", fmt.Sprint(length))
	w.WriteHeader(http.StatusPartialContent)
	if how == "slow" {
		w.Write(body[:len(body)/3])
		w.(http.Flusher).Flush()
		body = body[len(body)/3:]
	}
	w.Write(body)
	if how == "cut" || how == "length" {
		panic(http.ErrAbortHandler)
	}
}

// longBurst is longer than requests of two archives at once are repeated, 8 times each.
const longBurst = 16

// burst is a plan of a server that answers some requests in one way, and the others well.
func burst(first, n int, how string) func(int) string {
	return func(i int) string {
		if i >= first && i < first+n {
			return how
		}
		return ""
	}
}

// bursts is a plan of bursts at random, of different ways and lengths, some of them longer than
// a request is repeated. It ends after a number of requests.
func bursts(random *rand.Rand, requests int) func(int) string {
	var how []string
	for len(how) < requests {
		how = append(how, slices.Repeat([]string{""}, random.IntN(8))...)
		n := 1 + random.IntN(3)
		if random.IntN(4) == 0 {
			n = 4 + random.IntN(20)
		}
		how = append(how, slices.Repeat([]string{rudely[random.IntN(len(rudely))]}, n)...)
	}
	return func(i int) string {
		if i < requests {
			return how[i]
		}
		return ""
	}
}

// rudeWorld is a server of images in archives, and what a folder of the same images gives.
type rudeWorld struct {
	*rude
	url, dir string
	random   *rand.Rand
	wanted   map[string]string
	runs     int
}

func newRudeWorld(t *testing.T) *rudeWorld {
	t.Helper()
	dir := t.TempDir()
	t.Setenv(asset.HomeVariable, filepath.Join(dir, "home"))
	w := &rudeWorld{dir: dir, random: rand.New(rand.NewPCG(16, 1))}
	found, err := filepath.Glob(testutil.Golden("dataset/*.png"))
	if err != nil || len(found) < 40 {
		t.Fatalf("%d images: %v", len(found), err)
	}
	served, list := w.at("served"), ""
	if err := os.Mkdir(served, 0o777); err != nil {
		t.Fatal(err)
	}
	for shard := range 2 {
		folder := w.at(fmt.Sprintf("images/%d", shard))
		if err := os.MkdirAll(folder, 0o777); err != nil {
			t.Fatal(err)
		}
		for i, path := range found[shard*20 : shard*20+20] {
			data, err := os.ReadFile(path)
			for _, in := range []string{folder, served} {
				if err == nil {
					err = os.WriteFile(filepath.Join(in, filepath.Base(path)), data, 0o666)
				}
			}
			list += fmt.Sprintf("%d/%s\n", shard, filepath.Base(path))
			if err == nil && i%7 == 3 { // so that images are in several blocks
				more := make([]byte, 700_000)
				for k := range more {
					more[k] = byte(w.random.Uint32())
				}
				err = os.WriteFile(filepath.Join(folder, filepath.Base(path)+".bin"), more, 0o666)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	writeLines(t, filepath.Join(served, "list.txt"), strings.Fields(list)...)
	for shard := range 2 {
		for _, form := range []string{"tar", "tar.gz", "zip"} {
			testutil.Pack(t, w.at(fmt.Sprintf("images/%d", shard)), filepath.Join(served, fmt.Sprintf("%d.%s", shard, form)), "")
		}
	}
	w.rude, w.url = newRude(t, served)
	must(t, exitDone, w.collect(w.at("images"), w.at("folder"))...)
	w.wanted = scoresBesidesNames(t, w.at("folder"))
	return w
}

func (w *rudeWorld) at(name string) string { return filepath.Join(w.dir, name) }

func (w *rudeWorld) collect(images, out string, more ...string) []string {
	return append([]string{"collect", "--model", testutil.Golden("model/tiny_jit.pt"), "--dataset", "images", "--data-path", images, "--save-path", out, "--quiet"}, more...)
}

// scoresBesidesNames are the files of a collection but its manifest, with the names of images
// without the folder or archive that they are in.
func scoresBesidesNames(t *testing.T, path string) map[string]string {
	t.Helper()
	files := filesBelow(t, path)
	for name := range files {
		if strings.HasSuffix(name, ".lock") || filepath.Base(name) == "manifest.json" {
			delete(files, name)
		}
	}
	var names []string
	for line := range strings.Lines(files[artefact.ImagesFile]) {
		names = append(names, line[strings.LastIndexAny(line, "/!")+1:])
	}
	files[artefact.ImagesFile] = strings.Join(names, "")
	return files
}

// sameBesidesNames wants a collection to have the files of another, names aside.
func sameBesidesNames(t *testing.T, when, path string, want map[string]string) {
	t.Helper()
	got := scoresBesidesNames(t, path)
	for name, content := range want {
		if got[name] != content {
			t.Errorf("%s: %s is not that of the images in a folder", when, name)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%s: %d files, want %d", when, len(got), len(want))
	}
}

// settles gives a command again until it is done. Before, it may end with status 1 for what the
// server did, with nothing said of single images, and nothing left that passes for whole.
func (w *rudeWorld) settles(t *testing.T, when, out string, args ...string) (failures int) {
	t.Helper()
	for ; ; failures++ {
		w.runs++
		code, _, said := clipnh(args...)
		if code == exitDone {
			if said != "" {
				t.Errorf("%s: done, and said %q", when, said)
			}
			return failures
		}
		if code != exitFailed || failures == 100 || strings.Contains(said, "cannot be opened") || strings.Contains(said, "can be now") ||
			!strings.Contains(said, "the server ") && !strings.Contains(said, "cut short") && !strings.Contains(said, "the answer ends early") && !strings.Contains(said, remote.ErrChanged.Error()) && !strings.Contains(said, "connection reset") {
			t.Fatalf("%s: exit code %d after %d failures, said %q", when, code, failures, said)
		}
		for _, file := range []string{out, filepath.Join(out, "manifest.json")} {
			if out == "" {
				break
			}
			if info, err := os.Stat(file); err == nil && !info.IsDir() {
				t.Fatalf("%s: it failed, and %s is there", when, file)
			}
		}
	}
}
