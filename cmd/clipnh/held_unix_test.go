//go:build unix

package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// TestResumeReadsWhatIsLeft: a run that resumes asks for nothing of an archive whose images it
// has, as long as its size and its tag are the same. One with another tag is compared, and so is
// one without a tag.
func TestResumeReadsWhatIsLeft(t *testing.T) {
	w := newRudeWorld(t)
	var mu sync.Mutex
	asked := map[string]int{} // blocks, by archive
	refuse := false           // the last images of the second
	server := httptest.NewServer(http.HandlerFunc(func(to http.ResponseWriter, r *http.Request) {
		mu.Lock()
		at := r.Header.Get("Range")
		if at != "bytes=0-0" {
			asked[filepath.Base(r.URL.Path)]++
		}
		no := refuse && strings.HasSuffix(r.URL.Path, "1.tar") && strings.HasPrefix(at, "bytes=2097152-")
		mu.Unlock()
		if no {
			to.WriteHeader(http.StatusForbidden)
			return
		}
		w.rude.ServeHTTP(to, r)
	}))
	defer server.Close()
	first := w.files["0.tar"]
	changed := bytes.Clone(first.data)
	changed[bytes.Index(changed, []byte("IDAT"))+30] ^= 1 // of the first image
	given := server.URL + "/{0..1}.tar"
	for _, flags := range [][]string{nil, {"--stats-only", "--top-k", "8"}} {
		name := strings.Join(flags, " ")
		w.files["0.tar"] = first
		must(t, exitDone, append(w.collect(given, w.at("whole"+name)), flags...)...)
		want := scoresBesidesNames(t, w.at("whole"+name))
		for _, tt := range []struct {
			what   string
			now    servedFile
			blocks int // of the first archive
			code   int
		}{
			{"the same", first, 0, exitDone}, {"another tag", servedFile{first.data, `"other"`}, 1, exitDone}, {"a weak tag", servedFile{first.data, `W/"weak"`}, 1, exitDone},
			{"other bytes", servedFile{changed, `"changed"`}, 1, exitStale},
		} {
			out := w.at(tt.what + name)
			w.files["0.tar"], refuse = first, true
			must(t, exitFailed, append(w.collect(given, out), flags...)...)
			// The list of an archive with another tag is made before the blocks are counted.
			w.files["0.tar"], refuse = tt.now, false
			must(t, exitDone, "data", "list", "--dataset", "images", "--data-path", given, "--save-path", out+".listing", "--quiet")
			clear(asked)
			must(t, tt.code, append(w.collect(given, out), flags...)...)
			if got := asked["0.tar"]; tt.blocks == 0 && got > 0 || got < tt.blocks || asked["1.tar"] == 0 && tt.code == exitDone {
				t.Errorf("%s%s: asked for %v, want %d blocks of the first archive", tt.what, name, asked, tt.blocks)
			}
			if tt.code == exitDone {
				sameBesidesNames(t, tt.what+name, out, want)
			}
		}
	}
}
