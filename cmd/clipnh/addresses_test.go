package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

// TestAddresses: images at addresses give the bytes of those in a folder, whatever the server
// does in between, and what it does for good is said.
func TestAddresses(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	assets := filepath.Join("..", "..", "internal", "demo", "assets")
	model := filepath.Join(assets, "tiny-clip.pt")
	images, served := at("images"), at("served")
	found, err := filepath.Glob(filepath.Join(assets, "imagenet", "test", "*[05].JPEG"))
	if err != nil || len(found) < 50 {
		t.Fatalf("%d images: %v", len(found), err)
	}
	for i, name := range found[:50] {
		shard := []string{"00", "01"}[i*2/50]
		data, err := os.ReadFile(name)
		for _, folder := range []string{images, at(shard)} {
			if err == nil {
				err = os.MkdirAll(folder, 0o777)
			}
			if err == nil {
				err = os.WriteFile(filepath.Join(folder, filepath.Base(name)), data, 0o666)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(served, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"00.tar", "01.tar", "00.zip", "01.zip", "00.tar.gz", "01.tar.gz"} {
		shard, _, _ := strings.Cut(name, ".")
		testutil.Pack(t, at(shard), filepath.Join(served, name), "")
	}
	files := http.FileServer(http.Dir(served))
	var requests atomic.Int64
	var asked sync.Map // paths
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Store(r.URL.Path, true)
		switch requests.Add(1) % 4 {
		case 1:
			w.WriteHeader(http.StatusServiceUnavailable)
		case 3:
			c, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				c.Close()
			}
		default:
			files.ServeHTTP(w, r)
		}
	}))
	defer server.Close()

	must(t, exitDone, "collect", "--model", model, "--dataset", "images", "--data-path", images, "--save-path", at("folder"), "--quiet")
	want := artefactBytes(t, at("folder"))
	for _, ending := range []string{"tar", "zip", "tar.gz"} {
		shards := server.URL + "/{00..01}." + ending
		must(t, exitDone, "collect", "--model", model, "--dataset", "images", "--data-path", shards, "--save-path", at("a "+ending), "--quiet")
		if artefactBytes(t, at("a "+ending)) != want {
			t.Errorf("%s: other scores than those of the folder", shards)
		}
		must(t, exitDone, "verify", at("a "+ending), "--data-path", shards, "--quiet")
	}
	shards := server.URL + "/{00..01}.tar"
	for _, part := range []string{"2/2", "1/2"} {
		must(t, exitDone, "collect", "--model", model, "--dataset", "images", "--data-path", shards, "--save-path", at("parts"), "--shard", part, "--quiet")
	}
	must(t, exitDone, "merge", "--save-path", at("parts"), "--quiet")
	if artefactBytes(t, at("parts")) != want {
		t.Error("shards of work: other scores than those of the folder")
	}
	names, err := os.ReadFile(filepath.Join(at("parts"), "images.txt"))
	if first := "00.tar!" + filepath.Base(found[0]) + "\n"; err != nil || !bytes.HasPrefix(names, []byte(first)) {
		t.Errorf("names %.60q, want %q first: %v", names, first, err)
	}

	// A shard of images of the second archive alone asks for both, unless it has a list.
	must(t, exitDone, "data", "list", "--dataset", "images", "--data-path", shards, "--save-path", at("kept.listing"), "--quiet")
	for from, want := range map[string][]string{shards: {"/00.tar", "/01.tar"}, at("kept.listing"): {"/01.tar"}} {
		asked.Clear()
		save := at(filepath.Base(from) + " parts")
		must(t, exitDone, "collect", "--model", model, "--dataset", "images", "--data-path", from, "--save-path", save, "--shard", "2/2", "--quiet")
		var got []string
		asked.Range(func(path, _ any) bool { got = append(got, path.(string)); return true })
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("%s: asked for %q, want %q", from, got, want)
		}
	}

	// An archive that is replaced.
	testutil.Pack(t, at("00"), filepath.Join(served, "01.tar"), "")
	code, _, said := clipnh("collect", "--model", model, "--dataset", "images", "--data-path", shards, "--save-path", at("a tar"))
	if code != exitStale || !strings.Contains(said, "made with") {
		t.Errorf("exit code %d, %q", code, said)
	}
	code, _, said = clipnh("collect", "--model", model, "--dataset", "images", "--data-path", "ftp://host/a.tar", "--save-path", at("ftp"))
	if want := "hint: addresses may begin with https://, http:// or s3://"; code != exitFailed || !strings.Contains(said, want) {
		t.Errorf("exit code %d, %q, want %q", code, said, want)
	}
	secret := server.URL + "/none.tar?signature=SECRET"
	code, _, said = clipnh("collect", "--model", model, "--dataset", "images", "--data-path", secret, "--save-path", at("none"))
	if want := server.URL + "/none.tar: nothing is there: the server answers 404 Not Found"; code != exitFailed || !strings.Contains(said, want) || strings.Contains(said, "SECRET") {
		t.Errorf("exit code %d, %q, want %q", code, said, want)
	}
	code, _, said = clipnh("collect", "--model", model, "--dataset", "images", "--data-path", secret, "--save-path", at("none"), "--json")
	if want := `"kind":"not_found","path":"` + server.URL + `/none.tar"}}`; code != exitFailed || !strings.Contains(said, want) {
		t.Errorf("exit code %d, %q, want %q", code, said, want)
	}
}

// TestAddressOnce: an error of an archive that goes while it is listed names its address once.
func TestAddressOnce(t *testing.T) {
	var requests atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1) > 1 {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		w.Header().Set("Content-Range", "bytes 0-0/20480")
		w.Header().Set("Content-Length", "1")
		w.WriteHeader(http.StatusPartialContent)
		w.Write([]byte{0})
	}))
	defer server.Close()
	for _, name := range []string{"a.tar", "a.zip", "a.parquet"} {
		requests.Store(0)
		address := server.URL + "/" + name
		_, said := must(t, exitFailed, "collect", "--model", testutil.Golden("model/tiny_jit.pt"), "--dataset", "images", "--data-path", address, "--save-path", filepath.Join(t.TempDir(), "x"))
		line, _, _ := strings.Cut(said, "\n")
		if strings.Count(line, address) != 1 || !strings.Contains(line, "403 Forbidden") {
			t.Errorf("%s: said %q", name, line)
		}
		if !strings.Contains(said, "a name and a password before the host, NAME:PASSWORD@HOST\n") {
			t.Errorf("%s: said %q, want how a password is given", name, said)
		}
	}
}

// TestStatusOfSecret: status says that the next command lacks what is secret in an address.
func TestStatusOfSecret(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	defer server.Close()
	for query, want := range map[string]bool{"?sig=SECRET": true, "": false} {
		save := filepath.Join(t.TempDir(), "x")
		must(t, exitFailed, "collect", "--model", testutil.Golden("model/tiny_jit.pt"), "--dataset", "images", "--data-path", server.URL+"/a.tar"+query, "--save-path", save, "--shard", "1/2")
		out, said := must(t, exitDone, "status", save)
		if strings.Contains(out+said, "SECRET") || strings.Contains(said, "the password or the signature of an address was not kept: add it to the command") != want || !strings.Contains(out, "--data-path "+server.URL+"/a.tar") {
			t.Errorf("said %q and %q", out, said)
		}
	}
}
