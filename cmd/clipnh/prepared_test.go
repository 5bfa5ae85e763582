package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/pipeline/explain"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/testutil"
)

// A preparation is a folder of images collected in two ways, by default and with flags that
// make a difference.
type preparation struct {
	images   string
	flags    []string
	opposite []string // what contradicts flags
	says     string   // of a collection with flags where opposite is asked for
}

// preparations are all ways in which images can be prepared.
func preparations(t *testing.T) []preparation {
	turned := t.TempDir()
	for i := range 3 {
		_, content := pngTurned(t, i)
		if err := os.WriteFile(filepath.Join(turned, fmt.Sprint(i, ".png")), content, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return []preparation{
		{turned, []string{"--exif"}, []string{"--exif=false"}, "made with exif true; this run uses false"},
		{pipelinetest.Palettes(t), []string{"--preprocess", "openai"}, []string{"--preprocess", "reference"}, "made with preprocess openai; this run uses reference"},
	}
}

// collectBoth collects with the flags and without them, and returns the paths in this order.
func (p preparation) collectBoth(t *testing.T, extension string, more ...string) [2]string {
	t.Helper()
	dir := t.TempDir()
	paths := [2]string{filepath.Join(dir, "flags"+extension), filepath.Join(dir, "default"+extension)}
	for i, flags := range [][]string{p.flags, nil} {
		must(t, exitDone, slices.Concat([]string{"collect", "--model", testutil.Golden("model/tiny_jit.pt"), "--data-path", p.images,
			"--dataset", "images", "--save-path", paths[i], "--quiet"}, flags, more)...)
	}
	return paths
}

// refuses holds that what contradicts a collection is refused, and used with --force.
func (p preparation) refuses(t *testing.T, collections [2]string, line ...string) {
	t.Helper()
	for i, asked := range [][]string{p.opposite, p.flags} {
		args := slices.Concat(line, []string{"--scores", collections[i]}, asked)
		_, said := must(t, exitStale, args...)
		flag, _, _ := strings.Cut(asked[0], "=")
		if i == 0 && !strings.Contains(said, p.says) || !strings.Contains(said, "leave out "+flag+": images are then prepared as those of "+collections[i]) || !strings.Contains(said, "--force uses it anyway, where its shape fits") {
			t.Errorf("%q said %q, want %q", args, said, p.says)
		}
		if _, said = must(t, exitDone, append(args, "--force")...); !strings.Contains(said, "used anyway") {
			t.Errorf("%q with --force said %q", args, said)
		}
	}
}

// TestExplainPreparedAsCollected explains images of collections, whose scores must be those of
// the collection, however its images were prepared.
func TestExplainPreparedAsCollected(t *testing.T) {
	for _, p := range preparations(t) {
		line := []string{"explain", filepath.Join(p.images, "1.png"), "--model", testutil.Golden("model/tiny_jit.pt"), "--classes", "dog,cat",
			"--imagenet-zeroshot-path", twoClasses(t), "--json"}
		collections, statistics, means := p.collectBoth(t, ""), p.collectBoth(t, "", "--stats-only"), p.collectBoth(t, ".npy", "--mean")
		var pairs [2][]*explain.Part
		for i, asked := range [][]string{p.flags, p.opposite} {
			for _, args := range [][]string{
				slices.Concat(line, []string{"--scores", collections[i]}),
				slices.Concat(line, []string{"--scores", collections[i]}, asked),
				slices.Concat(line, []string{"--scores", statistics[i]}),
				slices.Concat(line, []string{"--means-path", means[i]}),
			} {
				said, _ := must(t, exitDone, args...)
				var answer struct{ Images []*explain.Explanation }
				if err := json.Unmarshal([]byte(said), &answer); err != nil {
					t.Fatal(err)
				}
				of := &answer.Images[0].Pairs
				pairs[i] = nil
				for k := range of.For {
					pairs[i] = append(pairs[i], &of.For[k])
				}
				scores, shape, err := npy.ReadFloat32(filepath.Join(collections[i], "scores.npy"))
				if err != nil {
					t.Fatal(err)
				}
				if len(pairs[i]) == 0 {
					t.Fatal("no pairs are listed")
				}
				for _, part := range pairs[i] {
					if want := float64(scores[shape[1]*shape[2]+part.Index]); *part.Score != want {
						t.Errorf("%q: %s has the score %v, in the collection %v", args, part.Unit, *part.Score, want)
					}
				}
			}
		}
		if *pairs[0][0].Score == *pairs[1][0].Score {
			t.Errorf("%q make no difference", p.flags)
		}
		p.refuses(t, collections, line...)
	}
}

// TestEditPreparedAsCollected compares images before and after an edit by means of a
// collection: they are prepared as the collection's were.
func TestEditPreparedAsCollected(t *testing.T) {
	for _, p := range preparations(t) {
		line := []string{"edit", "--model", testutil.Golden("model/tiny_jit.pt"), "--remove", "h1n3", "--data-path", p.images,
			"--save-path", filepath.Join(t.TempDir(), "edited.pt"), "--restart", "--json"}
		collections, means := p.collectBoth(t, ""), p.collectBoth(t, ".npy", "--mean")
		seen := map[string]bool{}
		for i, asked := range [][]string{p.flags, p.opposite} {
			want, _ := must(t, exitDone, slices.Concat(line, []string{"--scores", collections[i]}, asked)...)
			seen[moved(t, want)] = true
			for _, by := range [][]string{{"--scores", collections[i]}, {"--means-path", means[i]}} {
				if got, _ := must(t, exitDone, slices.Concat(line, by)...); moved(t, got) != moved(t, want) {
					t.Errorf("%q: norm %s, want %s", by, moved(t, got), moved(t, want))
				}
			}
		}
		if len(seen) != 2 {
			t.Errorf("%q make no difference", p.flags)
		}
		p.refuses(t, collections, line...)
	}
}

// moved is what an edit's result says of the norm of features before.
func moved(t *testing.T, result string) string {
	t.Helper()
	var r struct {
		Moved struct {
			NormBefore json.Number `json:"norm_before"`
		}
	}
	if err := json.Unmarshal([]byte(result), &r); err != nil || r.Moved.NormBefore == "" {
		t.Fatalf("%v: %s", err, result)
	}
	return r.Moved.NormBefore.String()
}

// TestRetrievePreparedAsCollected refuses heat maps of images that are prepared in another way
// than those of the scores, and flags without effect.
func TestRetrievePreparedAsCollected(t *testing.T) {
	for _, p := range preparations(t) {
		collections := p.collectBoth(t, "")
		line := []string{"retrieve", "--neur-idxs", "1", "--top", "1", "--heads", "1"}
		drawn := slices.Concat(line, []string{"--data-path", p.images, "--dataset", "images", "--save-dir", t.TempDir()})
		for want, args := range map[string][]string{"--save-dir": line, "--model": drawn} {
			if _, said := must(t, exitUsage, slices.Concat(args, []string{"--scores", collections[0]}, p.flags)...); !strings.Contains(said, p.flags[0]+" has no effect with --scores and without "+want) {
				t.Errorf("%q said %q", args, said)
			}
		}
		search := []string{"search", "--units", "h0n1", "--scores", collections[0]}
		if _, said := must(t, exitUsage, append(search, p.opposite...)...); !strings.Contains(said, p.flags[0]+" has no effect with --scores") {
			t.Errorf("search said %q", said)
		}
		drawn = append(drawn, "--model", testutil.Golden("model/tiny_jit.pt"))
		must(t, exitDone, slices.Concat(drawn, []string{"--scores", collections[0]}, p.flags)...)
		p.refuses(t, collections, drawn...)
	}
}

// twoClasses is a file of embeddings of dog and cat.
func twoClasses(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "classes.npy")
	must(t, exitDone, "embed", "--model", testutil.Golden("model/tiny_jit.pt"), "--vocab", testutil.Golden("text/toy_merges.txt.gz"),
		"--lines", writeLines(t, filepath.Join(t.TempDir(), "names.txt"), "dog", "cat"), "--embeddings-save-path", path, "--quiet")
	return path
}
