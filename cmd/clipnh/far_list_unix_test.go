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
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clipnh/clipnh/internal/asset"
	"github.com/clipnh/clipnh/internal/remote"
	"github.com/clipnh/clipnh/internal/testutil"
)

// TestFarListFails: whatever a server does of a list and its images, for longer than a request is
// repeated, the command ends with an error of the server or does what it does over one that is
// well; the same command then ends in the bytes that the images in a folder give.
func TestFarListFails(t *testing.T) {
	w := newRudeWorld(t)
	images, out := w.url+"/list.txt", w.at("out")
	w.answers(well)
	must(t, exitDone, w.collect(images, out)...)
	sameBesidesNames(t, "well", out, w.wanted)
	n := w.answers(well)
	firsts := []int{0, 1, 2, 20, n - 35, n - 2}
	for i, how := range rudely {
		for k, first := range firsts {
			if thorough(0, 1) == 0 && (i+k)%3 != 0 {
				continue
			}
			if err := os.RemoveAll(out); err != nil {
				t.Fatal(err)
			}
			long := 300 // as many as are sent at once, 8 times
			if how == "403" || how == "tag" || how == "no tag" || how == "less" {
				long = 40 // which are not sent again; or lies of some of the answers about an image
			}
			when := fmt.Sprintf("%s from request %d of %d on", how, first, n)
			w.answers(burst(first, long, how))
			if how == "more" || how == "less" {
				w.lies(t, when, images, out)
				continue
			}
			failures := w.settles(t, when, out, w.collect(images, out)...)
			if failures == 0 && how != "slow" {
				t.Errorf("%s: no failure", when)
			}
			sameBesidesNames(t, when, out, w.wanted)
		}
	}
	w.answers(well)
	must(t, exitDone, "verify", out, "--data-path", images, "--quiet")
	t.Logf("%d runs; %v", w.runs, w.did)
}

// lies is of a server that gives other sizes under the same tags: images that were listed with
// these are refused as others, if the run has begun, and none is taken with a size that is wrong.
func (w *rudeWorld) lies(t *testing.T, when, images, out string) {
	t.Helper()
	for attempt := 0; ; attempt++ {
		code, _, said := clipnh(w.collect(images, out)...)
		switch {
		case code == exitDone:
			sameBesidesNames(t, when, out, w.wanted)
			return
		case code == exitStale && strings.Contains(said, "made with other images: "+w.url):
			w.answers(well)
			must(t, exitDone, w.collect(images, out, "--restart")...)
			sameBesidesNames(t, when, out, w.wanted)
			return
		case code != exitFailed || attempt == 100 || !strings.Contains(said, "the server ") && !strings.Contains(said, remote.ErrChanged.Error()):
			t.Fatalf("%s: exit code %d after %d failures, said %q", when, code, attempt, said)
		}
	}
}

// TestFarListChanges: images of a list at an address are those that were collected, or refused;
// one that is gone is skipped or refused as a file is; a run that resumes reads only what it lacks,
// and a shard with a kept list asks only for its own.
func TestFarListChanges(t *testing.T) {
	dir := t.TempDir()
	t.Setenv(asset.HomeVariable, filepath.Join(dir, "home"))
	at := func(name string) string { return filepath.Join(dir, name) }
	found, err := filepath.Glob(testutil.Golden("dataset/*.png"))
	if err != nil || len(found) < 40 {
		t.Fatalf("%d images: %v", len(found), err)
	}
	served := at("served")
	if err := os.Mkdir(served, 0o777); err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, path := range found[:40] {
		data, err := os.ReadFile(path)
		if err == nil {
			err = os.WriteFile(filepath.Join(served, filepath.Base(path)), data, 0o666)
		}
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, filepath.Base(path))
	}
	writeLines(t, filepath.Join(served, "list.txt"), list...)
	var mu sync.Mutex
	asked := map[string]int{}
	tags := map[string]string{}
	fails := "" // an image that is read, not looked at
	files := http.FileServer(http.Dir(served))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		base := filepath.Base(r.URL.Path)
		asked[base]++
		tag, fail := tags[base], base == fails && r.Header.Get("Range") != "bytes=0-0"
		mu.Unlock()
		if fail {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		w.Header().Set("ETag", fmt.Sprintf("%q", "tag"+tag))
		files.ServeHTTP(w, r)
	}))
	defer server.Close()
	requests := func() map[string]int {
		mu.Lock()
		defer mu.Unlock()
		was := asked
		asked = map[string]int{}
		return was
	}
	set := func(name, tag, fail string) {
		mu.Lock()
		defer mu.Unlock()
		tags[name], fails = tag, fail
	}
	images := server.URL + "/list.txt"
	collect := func(out, path string, more ...string) []string {
		return append([]string{"collect", "--model", testutil.Golden("model/tiny_jit.pt"), "--dataset", "images", "--data-path", path, "--save-path", at(out), "--quiet"}, more...)
	}
	must(t, exitDone, collect("whole", images)...)
	want := scoresBesidesNames(t, at("whole"))
	for name, n := range requests() {
		if name != "list.txt" && name != list[0] && n > 3 {
			t.Errorf("%s: asked for %d times", name, n)
		}
	}

	// Interrupted in the last chunk, by a server that refuses: what is there is not read again.
	set("", "", list[38])
	must(t, exitFailed, collect("resumed", images)...)
	set("", "", "")
	requests()
	must(t, exitDone, collect("resumed", images)...)
	again := requests()
	if n := again[list[20]]; n > 2 { // to see whether any is there, and for its tag
		t.Errorf("%s: asked for %d times by a run that has it", list[20], n)
	}
	sameBesidesNames(t, "resumed", at("resumed"), want)

	// Shards, and a kept list.
	for _, part := range []string{"2/2", "1/2"} {
		must(t, exitDone, collect("parts", images, "--shard", part)...)
	}
	must(t, exitDone, "merge", "--save-path", at("parts"), "--quiet")
	sameBesidesNames(t, "shards", at("parts"), want)
	kept := at("kept.listing")
	must(t, exitDone, "data", "list", "--dataset", "images", "--data-path", images, "--save-path", kept, "--quiet")
	must(t, exitDone, "verify", kept, "--data-path", images, "--quiet")
	requests()
	must(t, exitDone, collect("kept parts", kept, "--shard", "2/2")...)
	if got := requests(); got["list.txt"] != 0 || got[list[0]] != 0 || got[list[39]] != 2 {
		t.Errorf("a shard with a kept list asked for %v", got)
	}
	must(t, exitDone, collect("kept parts", kept, "--shard", "1/2")...)
	must(t, exitDone, "merge", "--save-path", at("kept parts"), "--quiet")
	sameBesidesNames(t, "shards of a kept list", at("kept parts"), want)
	secret := strings.Replace(images, "://", "://who:SECRET@", 1)
	if _, said := must(t, exitFailed, "data", "list", "--dataset", "images", "--data-path", secret, "--save-path", at("secret.listing")); !strings.Contains(said, "its address has a key in it") || strings.Contains(said, "SECRET") {
		t.Errorf("said %q", said)
	}
	must(t, exitDone, collect("secret", secret)...)
	for name, content := range filesBelow(t, at("secret")) {
		if strings.Contains(content, "SECRET") {
			t.Errorf("%s has the password", name)
		}
	}

	// Changed images: other bytes of the same size under another tag, then another size.
	first := filepath.Join(served, list[3])
	was, err := os.ReadFile(first)
	if err != nil {
		t.Fatal(err)
	}
	set("", "", list[38])
	must(t, exitFailed, collect("changed", images)...)
	set(list[3], "another", "")
	other := slices.Clone(was)
	other[len(other)-1]++
	if err := os.WriteFile(first, other, 0o666); err != nil {
		t.Fatal(err)
	}
	_, said := must(t, exitStale, collect("changed", images)...)
	if !strings.Contains(said, server.URL+"/"+list[3]+": ") || !strings.Contains(said, "its bytes have changed") {
		t.Errorf("said %q", said)
	}
	must(t, exitStale, "verify", at("whole"), "--data-path", images, "--quiet")
	if err := os.WriteFile(first, append(was, 0), 0o666); err != nil {
		t.Fatal(err)
	}
	_, said = must(t, exitStale, collect("changed", images)...)
	if !strings.Contains(said, "made with other images") || !strings.Contains(said, list[3]) {
		t.Errorf("said %q", said)
	}
	_, said = must(t, exitStale, collect("kept changed", kept, "--shard", "1/2")...)
	if !strings.Contains(said, list[3]) || !strings.Contains(said, "when it was listed in") {
		t.Errorf("said %q", said)
	}

	// One that is gone.
	if err := os.Remove(first); err != nil {
		t.Fatal(err)
	}
	_, said = must(t, exitSkipped, collect("without", images)...)
	if !strings.Contains(said, list[3]) || !strings.Contains(said, "nothing is there") {
		t.Errorf("said %q", said)
	}
	must(t, exitFailed, collect("strict", images, "--strict")...)
}

// TestFarImageHints: the advice on an image at an address that is not what it was when it was listed
// fits addresses.
func TestFarImageHints(t *testing.T) {
	dir := t.TempDir()
	t.Setenv(asset.HomeVariable, filepath.Join(dir, "home"))
	files := http.FileServer(http.Dir(testutil.Golden("dataset")))
	found, err := filepath.Glob(testutil.Golden("dataset/*.png"))
	if err != nil || len(found) == 0 {
		t.Fatal(err)
	}
	list := filepath.Base(found[0]) + "\n"
	for _, test := range []struct {
		name   string
		answer func(w http.ResponseWriter, r *http.Request, again bool)
		want   string
	}{
		{"another tag", func(w http.ResponseWriter, r *http.Request, again bool) {
			w.Header().Set("ETag", fmt.Sprintf(`"%v"`, again))
			r.Header.Del("If-Match")
			files.ServeHTTP(w, r)
		}, "hint: restore it if it was replaced; if not, its server gives another ETag or time of change at each request: "},
		{"refused by tag", func(w http.ResponseWriter, r *http.Request, again bool) {
			w.Header().Set("ETag", fmt.Sprintf(`"%v"`, again))
			files.ServeHTTP(w, r)
		}, "hint: restore it if it was replaced; if not, its server gives another ETag or time of change at each request: "},
		{"failing", func(w http.ResponseWriter, r *http.Request, again bool) {
			if again {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			files.ServeHTTP(w, r)
		}, "hint: run the same command again once the server answers\n"},
		{"refusing", func(w http.ResponseWriter, r *http.Request, again bool) {
			if again {
				w.WriteHeader(http.StatusForbidden)
				return
			}
			files.ServeHTTP(w, r)
		}, "hint: see to the right to read it: "},
		{"gone", func(w http.ResponseWriter, r *http.Request, again bool) {
			if again {
				http.NotFound(w, r)
				return
			}
			files.ServeHTTP(w, r)
		}, "hint: finished chunks are kept: restore the image and run the same command again, or discard what is there with --restart\n"},
	} {
		var asked atomic.Int64
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/list.txt" {
				http.ServeContent(w, r, "", time.Time{}, strings.NewReader(list))
				return
			}
			test.answer(w, r, asked.Add(1) > 2) // after it was asked whether any is there, and for its size
		}))
		code, _, said := clipnh("collect", "--model", testutil.Golden("model/tiny_jit.pt"), "--dataset", "images", "--data-path", server.URL+"/list.txt", "--save-path", filepath.Join(dir, "out"), "--quiet", "--restart")
		server.Close()
		if code != exitFailed || !strings.Contains(said, test.want) {
			t.Errorf("%s: exit code %d, said %q, want %q", test.name, code, said, test.want)
		}
	}
}
