package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

// TestVerifyImages compares artefacts with the images of a data path: scenes by names and
// sizes, those of another data set not at all, and says so.
func TestVerifyImages(t *testing.T) {
	assets := filepath.Join("..", "..", "internal", "demo", "assets")
	dir := t.TempDir()
	scenes, other := filepath.Join(dir, "voc"), filepath.Join(assets, "stanford_cars")
	if err := os.CopyFS(scenes, os.DirFS(filepath.Join(assets, "VOC2010"))); err != nil {
		t.Fatal(err)
	}
	counts, scores, mine := filepath.Join(dir, "counts.json"), filepath.Join(dir, "scores"), filepath.Join(dir, "mine.json")
	model := filepath.Join(assets, "tiny-clip.pt")
	must(t, exitDone, "collect", "--model", model, "--dataset", "imagenet_test", "--data-path", filepath.Join(assets, "imagenet"), "--sample-stride", "40", "--save-path", scores, "--quiet")
	yaml := filepath.Join(dir, "mine.yaml")
	cars := filepath.Join(dir, "cars")
	must(t, exitDone, "collect", "--model", model, "--dataset", "images", "--data-path", filepath.Join(other, "cars_train"), "--sample-stride", "4", "--save-path", cars, "--quiet")
	for to, from := range map[string]string{yaml: filepath.Join("..", "..", "configs", "demo.yaml"), filepath.Join(dir, "cls_demo.txt"): filepath.Join(assets, "cls_demo.txt")} {
		content, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, content, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for path, config := range map[string]string{counts: "demo", mine: yaml} {
		must(t, exitDone, "segment", "--model", model, "--vocab", filepath.Join(assets, "bpe_demo_vocab.txt.gz"), "--templates", filepath.Join(assets, "templates.txt"),
			"--method", "values", "--config", config, "--data-path", scenes, "--limit", "2", "--save-path", path, "--quiet")
	}
	verify := func(what string, status int, table, said string, args ...string) {
		t.Helper()
		code, out, errs := clipnh(append([]string{"verify"}, args...)...)
		if code != status || !strings.Contains(out, table) || !strings.Contains(errs, said) {
			t.Errorf("%s: status %d, want %d, %q and %q\n%s%s", what, code, status, table, said, out, errs)
		}
	}
	verify("scenes", exitDone, "  same\n", "", counts, "--data-path", scenes)
	verify("another layout", exitFailed, "not checked", "error: verify: the images of none of 1 artefact could be checked: "+other, counts, "--data-path", other)
	verify("a config of one's own", exitFailed, "not checked", `data set "mine" is not built in; give its config as --dataset`, mine, "--data-path", scenes)
	verify("that config", exitDone, "  same\n", "", mine, "--data-path", scenes, "--dataset", yaml)
	verify("another config", exitFailed, "not checked", "had another layout than those of voc20", mine, "--data-path", scenes, "--dataset", "voc20")
	verify("the images of a collection", exitDone, "same", "", scores, "--data-path", filepath.Join(assets, "imagenet"))
	verify("images of another data set", exitFailed, "not checked", "none of them is in "+filepath.Join(other, "cars_train"), scores, "--data-path", filepath.Join(other, "cars_train"))

	verify("of another data set beside one of this", exitDone, "not checked", "none of them is in", scores, cars, "--data-path", filepath.Join(other, "cars_train"))
	cut := filepath.Join(dir, "cut.tar")
	testutil.Pack(t, filepath.Join(assets, "imagenet", "test"), cut, "")
	if err := os.Truncate(cut, 100_000); err != nil {
		t.Fatal(err)
	}
	served := httptest.NewServer(http.FileServer(http.Dir(dir)))
	defer served.Close()
	for _, at := range []string{cut, served.URL + "/cut.tar"} {
		verify("an archive that is cut short", exitFailed, "not checked", "error: verify: the images of none of 1 artefact could be checked: "+at+": the archive is cut short\n", scores, "--data-path", at)
	}
	verify("an address without an archive", exitFailed, "", "error: verify: "+served.URL+"/none.tar: nothing is there", scores, "--data-path", served.URL+"/none.tar")

	label := filepath.Join(scenes, "SegmentationClassContext", "2010_000001.png")
	if err := os.Truncate(label, 100); err != nil {
		t.Fatal(err)
	}
	verify("a label map of another size", exitStale, "stale", "the scenes of "+scenes, counts, "--data-path", scenes)
}
