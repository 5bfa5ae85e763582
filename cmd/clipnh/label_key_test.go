package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

// TestLabelKey: labels by a name that is given are those of collections, of what resumes and
// compares them, of kept lists, and of commands that are given their scores.
func TestLabelKey(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	found, err := filepath.Glob(testutil.Golden("dataset/*.png"))
	if err != nil || len(found) < 40 {
		t.Fatalf("%d images: %v", len(found), err)
	}
	if err := os.Mkdir(at("samples"), 0o777); err != nil {
		t.Fatal(err)
	}
	for i, path := range found[:40] {
		data, err := os.ReadFile(path)
		if err == nil {
			err = os.WriteFile(at(fmt.Sprintf("samples/%02d.png", i)), data, 0o666)
		}
		if err != nil {
			t.Fatal(err)
		}
		writeLines(t, at(fmt.Sprintf("samples/%02d.json", i)), fmt.Sprintf(`{"caption": "a photo", "species": %q}`, []string{"dog", "cat"}[i%2]))
	}
	testutil.Pack(t, at("samples"), at("a.tar"), "")
	collect := func(out, path string, more ...string) []string {
		return append([]string{"collect", "--model", testutil.Golden("model/tiny_jit.pt"), "--dataset", "imagenet_val", "--data-path", path, "--save-path", at(out), "--quiet"}, more...)
	}
	_, said := must(t, exitFailed, collect("none", at("a.tar"))...)
	if want := "a.tar!00.json: no label, want one under label, cls, class\nhint: --label-key gives another name: there are \"caption\", \"species\"\n"; !strings.HasSuffix(said, want) {
		t.Errorf("said %q, want %q", said, want)
	}
	_, said = must(t, exitUsage, strings.Split(strings.ReplaceAll(strings.Join(collect("none", at("a.tar"), "--label-key", "species"), "\n"), "imagenet_val", "images"), "\n")...)
	if want := "--label-key species: --dataset images has no labels by such a name, want --dataset imagenet_val"; !strings.Contains(said, want) {
		t.Errorf("said %q, want %q", said, want)
	}
	must(t, exitDone, collect("a", at("a.tar"), "--label-key", "species")...)
	must(t, exitDone, collect("a", at("a.tar"), "--label-key", "species")...)
	must(t, exitStale, collect("a", at("a.tar"), "--label-key", "caption")...)
	must(t, exitDone, "verify", at("a"), "--data-path", at("a.tar"), "--quiet")
	want := artefactBytes(t, at("a"))
	var m struct {
		Origin struct {
			Images struct {
				LabelKey string `json:"label_key"`
			} `json:"images"`
		} `json:"origin"`
	}
	data, err := os.ReadFile(at("a/manifest.json"))
	if err == nil {
		err = json.Unmarshal(data, &m)
	}
	if err != nil || m.Origin.Images.LabelKey != "species" {
		t.Errorf("manifest: %q, %v", m.Origin.Images.LabelKey, err)
	}

	// A repair makes damaged parts from the images that the name chose.
	spoiled := []byte(want)
	copy(spoiled[len(spoiled)/2:], "spoiled")
	if err := os.WriteFile(at("a/scores.npy"), spoiled, 0o666); err != nil {
		t.Fatal(err)
	}
	repair := []string{"verify", at("a"), "--repair", "--model", testutil.Golden("model/tiny_jit.pt"), "--data-path", at("a.tar"), "--quiet"}
	must(t, exitStale, append(repair, "--dataset", "images")...)
	if must(t, exitDone, repair...); artefactBytes(t, at("a")) != want {
		t.Error("repaired: other bytes")
	}

	// A kept list has the name; shards with and without it belong together.
	kept := at("a.listing")
	list := []string{"data", "list", "--dataset", "imagenet_val", "--data-path", at("a.tar"), "--save-path", kept, "--quiet"}
	must(t, exitDone, append(list, "--label-key", "species")...)
	for _, test := range []struct {
		want string
		more []string
	}{
		{"its labels are of the name \"species\", not of the name \"caption\"", []string{"--label-key", "caption"}},
		{"its labels are of the name \"species\", not of no given name", nil},
	} {
		if _, said := must(t, exitStale, append(list, test.more...)...); !strings.Contains(said, kept+": stale: "+test.want+"\n") {
			t.Errorf("said %q, want %q", said, test.want)
		}
	}
	must(t, exitDone, "verify", kept, "--data-path", at("a.tar"), "--quiet")
	must(t, exitDone, collect("parts", kept, "--shard", "1/2")...)
	must(t, exitDone, collect("parts", at("a.tar"), "--shard", "2/2", "--label-key", "species")...)
	must(t, exitDone, "merge", "--save-path", at("parts"), "--quiet")
	if artefactBytes(t, at("parts")) != want {
		t.Error("shards: other bytes")
	}
	_, said = must(t, exitFailed, collect("other", kept, "--label-key", "caption")...)
	if want := "its labels are not of the name \"caption\"\nhint: give no --label-key: a list has its labels"; !strings.Contains(said, want) {
		t.Errorf("said %q, want %q", said, want)
	}
	out, _ := must(t, exitDone, "submit", "slurm", "--list", "--shards", "2", "--dry-run", "--", "collect", "--model", testutil.Golden("model/tiny_jit.pt"), "--dataset", "imagenet_val", "--data-path", at("a.tar"), "--label-key", "species", "--save-path", at("job"))
	if strings.Count(out, "--label-key=species") != 2 {
		t.Errorf("submit prints %s", out)
	}

	// Commands with --scores take the name from them, and the classes are the names.
	classify := []string{"classify", "--scores", at("a"), "--data-path", at("a.tar"), "--dataset", "imagenet_val", "--model", testutil.Golden("model/tiny_jit.pt"), "--vocab", testutil.Golden("text/toy_merges.txt"), "--classes", "cat,dog", "--json"}
	if out, _ := must(t, exitDone, classify...); !strings.Contains(out, `"accuracy"`) {
		t.Errorf("classify prints %.300s", out)
	}
	must(t, exitFailed, append(classify, "--label-key", "kind")...)

	// A kept list has its labels, whatever name those of the scores have.
	table := "path,species,label\n"
	for i := range found[:40] {
		table += fmt.Sprintf("samples/%02d.png,%s,%s\n", i, []string{"dog", "cat"}[i%2], []string{"cat", "dog"}[i%2])
	}
	writeLines(t, at("rows.csv"), strings.TrimSuffix(table, "\n"))
	must(t, exitDone, collect("rows", at("rows.csv"), "--label-key", "species")...)
	must(t, exitDone, "data", "list", "--dataset", "imagenet_val", "--data-path", at("rows.csv"), "--save-path", at("rows.listing"), "--quiet")
	classify[2], classify[4] = at("rows"), at("rows.listing")
	if out, _ := must(t, exitDone, classify...); !strings.Contains(out, `"accuracy"`) {
		t.Errorf("classify of a list prints %.300s", out)
	}
	must(t, exitDone, "verify", at("rows"), "--data-path", at("rows.listing"), "--quiet")
}
