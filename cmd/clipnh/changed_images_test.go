package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	files "github.com/clipnh/clipnh/internal/report"
	"github.com/clipnh/clipnh/internal/testutil"
)

// showing are the commands that show images of a collection beside its numbers, and why
// others that take a collection and images do not.
var (
	showing = map[string]string{
		"retrieve with maps":    "retrieve --neur-idxs 3 --heads 1 --scores SCORES --model MODEL --top 60 --save-dir OUT/retrieved",
		"retrieve":              "retrieve --neur-idxs 3 --heads 1 --scores SCORES --top 60 --save-dir OUT/retrieved",
		"retrieve a dense file": "retrieve --neur-idxs 3 --heads 1 --scores DENSE --top 60 --save-dir OUT/retrieved",
		"search":                "search --units h3n3 --scores SCORES --top 60 --save-dir OUT/found",
		"audit":                 "audit --scores SCORES --imagenet-zeroshot-path CLASSES --classes dog,cat --labels-csv LABELS --permutations 19 --level 0.9 --top-images 60 --out OUT/audit",
		"report":                "report --scores SCORES --out OUT/report",
		"report with maps":      "report --scores SCORES --model MODEL --out OUT/report",
	}
	showingNone = map[string]string{
		"clipnh ablate": "takes labels from the folders", "clipnh reconstruct": "takes labels from the folders",
		"clipnh shift": "see TestResultsOfChangedImages", "clipnh classify": "takes labels from the folders",
		"clipnh edit": "measures images by both models", "clipnh explain": "explains files, by what the model makes of them now",
		"clipnh textspan": "takes labels from the folders", "clipnh mislead": "takes labels from the folders",
		"clipnh explore": "refuses them: see TestChangedImage of package live",
	}
)

// TestShownImagesThatChanged changes an image without changing its size. Every command
// that shows it beside what a collection says of it warns, says which, and is told to fail
// by --strict.
func TestShownImagesThatChanged(t *testing.T) {
	data, dir := labelled(t), t.TempDir()
	images := map[string]string{}
	for name, content := range filesBelow(t, data) {
		images[name] = content + "a" // decoders end before it
	}
	write := func(name, content string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(data, name), []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for name, content := range images {
		write(name, content)
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	of := []string{"--model", testutil.Golden("model/tiny_jit.pt"), "--dataset", "imagenet_val", "--data-path", data, "--quiet"}
	must(t, exitDone, slices.Concat([]string{"collect", "--save-path", at("scores")}, of)...)
	must(t, exitDone, slices.Concat([]string{"collect", "--save-path", at("dense.npy"), "--mode", "neurons+heads"}, of)...)
	classes := writeLines(t, at("classes.txt"), "dog", "cat")
	must(t, exitDone, "embed", "--model", testutil.Golden("model/tiny_jit.pt"), "--vocab", testutil.Golden("text/toy_merges.txt.gz"), "--use-templates=false",
		"--lines", classes, "--embeddings-save-path", at("classes.npy"), "--quiet")
	labelsFile := groupedLabels(t, data)

	changed := slices.Sorted(func(yield func(string) bool) {
		for name := range images {
			if strings.HasPrefix(name, "val/class0/") && !yield(name) {
				return
			}
		}
	})
	changed = []string{changed[0], changed[2]} // which have labels
	named := []string{strings.TrimPrefix(changed[0], "val/"), strings.TrimPrefix(changed[1], "val/")}
	for name, line := range showing {
		t.Run(name, func(t *testing.T) {
			for _, of := range changed {
				write(of, images[of])
			}
			args := func() []string {
				places := strings.NewReplacer("OUT", t.TempDir(), "SCORES", at("scores"), "DENSE", at("dense.npy"), "CLASSES", at("classes.npy"),
					"LABELS", labelsFile, "MODEL", testutil.Golden("model/tiny_jit.pt"))
				return append(strings.Fields(places.Replace(line)), "--dataset", "imagenet_val", "--data-path", data, "--json")
			}
			const warning = "changed since it was made; its numbers are those of the earlier files"
			stdout, said := must(t, exitDone, args()...)
			if strings.Contains(said, warning) || strings.Contains(stdout, `"changed"`) {
				t.Errorf("images as they were: %s", said)
			}
			for _, of := range changed {
				write(of, strings.TrimSuffix(images[of], "a")+"b")
			}
			again := args()
			stdout, said = must(t, exitDone, again...)
			if want := ": 2 images " + warning + ": " + strings.Join(named, ", ") + "\n"; strings.Count(said, want) != 1 {
				t.Errorf("said %q, want %q once", said, want)
			}
			var result struct{ Changed []string }
			if err := json.Unmarshal([]byte(stdout), &result); err != nil || !slices.Equal(result.Changed, named) {
				t.Errorf("changed %q (%v), want %q", result.Changed, err, named)
			}
			if at := slices.Index(again, "--out"); strings.HasPrefix(line, "report") {
				f, err := os.Open(filepath.Join(again[at+1], files.FileOf(files.OverviewName)))
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				var first files.Overview
				if err := files.Read(f, files.OverviewName, &first); err != nil || first.Data.Changed != 2 || !slices.Equal(first.Data.ChangedImages, []int{0, 2}) {
					t.Errorf("pages: %d images changed, %d (%v); want 2, the first and the third", first.Data.Changed, first.Data.ChangedImages, err)
				}
				var mark files.Mark
				readJSONFile(t, filepath.Join(again[at+1], files.MarkFile), &mark)
				if !slices.Equal(mark.Changed, named) {
					t.Errorf("%s: changed %q, want %q", files.MarkFile, mark.Changed, named)
				}
				return // has no --strict
			}
			_, said = must(t, exitStale, append(args(), "--strict")...)
			if !strings.Contains(said, "its bytes have changed since") || !strings.Contains(said, filepath.FromSlash(named[0])) && !strings.Contains(said, filepath.FromSlash(named[1])) {
				t.Errorf("strict: %s", said)
			}
		})
	}
	for _, cmd := range everyCommand() {
		takes := 0
		cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
			if f.Name == "scores" || f.Name == "data-path" {
				takes++
			}
		})
		if _, shows := showing[cmd.Name()]; takes == 2 && !shows && showingNone[cmd.CommandPath()] == "" {
			t.Errorf("%s takes a collection and images, and is in no list", cmd.CommandPath())
		}
	}
}
