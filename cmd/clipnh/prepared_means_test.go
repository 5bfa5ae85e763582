package main

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/testutil"
)

// TestMeansPreparedAlike holds that means take the place of contributions only where their
// images were prepared alike, whether collect wrote them or svd, and of a model's images as
// of collected ones.
func TestMeansPreparedAlike(t *testing.T) {
	model := testutil.Golden("model/tiny_jit.pt")
	for _, p := range preparations(t) {
		collections, collected := p.collectBoth(t, ""), p.collectBoth(t, ".npy", "--mean")
		var computed, components [2]string
		for i, path := range collections {
			computed[i], components[i] = path+".means.npy", path+".pcs.npy"
			must(t, exitDone, "svd", "--scores", path, "--out-save-path", components[i], "--mean-save-path", computed[i], "--quiet")
		}
		images := []string{"--model", model, "--data-path", p.images, "--dataset", "images"}
		features := []string{"--features-save-path", filepath.Join(t.TempDir(), "features.npy"), "--restart"}
		for i, flags := range [][]string{p.flags, p.opposite} {
			ablate := slices.Concat([]string{"ablate", "--pairs", "h1n3"}, features)
			reconstruct := slices.Concat([]string{"reconstruct", "--pcs-paths", components[i]}, features)
			for _, means := range [][2]string{collected, computed} {
				for _, line := range [][]string{ablate, reconstruct} {
					for _, of := range [][]string{{"--scores", collections[i]}, append(slices.Clone(images), flags...)} {
						args := slices.Concat(line, of, []string{"--means-path", means[i]})
						must(t, exitDone, args...)
						args[len(args)-1] = means[1-i]
						_, said := must(t, exitStale, args...)
						name, _, _ := strings.Cut(strings.TrimLeft(p.flags[0], "-"), "=")
						if !strings.Contains(said, "made with "+name+" ") || !strings.Contains(said, "--force uses it anyway") {
							t.Errorf("%q said %q", args, said)
						}
						if of[0] == "--model" && !strings.Contains(said, "give --"+name) {
							t.Errorf("%q said %q, without advice", args, said)
						}
						if _, said := must(t, exitDone, append(args, "--force")...); !strings.Contains(said, "used anyway") {
							t.Errorf("%q with --force said %q", args, said)
						}
					}
				}
			}
			// Of explain and edit the images give way to the means.
			refused := [][]string{
				{"explain", filepath.Join(p.images, "1.png"), "--model", model, "--classes", "dog,cat", "--imagenet-zeroshot-path", twoClasses(t)},
				{"edit", "--model", model, "--remove", "h1n3", "--data-path", p.images, "--save-path", filepath.Join(t.TempDir(), "edited.pt")},
			}
			for _, line := range refused {
				line = append(line, "--means-path", computed[1-i])
				must(t, exitStale, append(slices.Clone(line), flags...)...)
				must(t, exitDone, line...)
			}
		}
	}
}

// TestMeansOfOlderBuilds takes means whose manifest does not say how images were prepared, and
// svd replaces them.
func TestMeansOfOlderBuilds(t *testing.T) {
	p := preparations(t)[0]
	collections := p.collectBoth(t, "")
	means := filepath.Join(t.TempDir(), "means.npy")
	svd := []string{"svd", "--scores", collections[0], "--out-save-path", means + ".pcs.npy", "--mean-save-path", means}
	must(t, exitDone, svd...)
	a, err := cache.Open(means)
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(means)
	if err != nil {
		t.Fatal(err)
	}
	older := a.Manifest
	if older.Origin.Prepared == nil {
		t.Fatal("svd does not write how images were prepared")
	}
	older.Origin.Prepared = nil
	_, err = new(cache.Store).Save(means, older, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	must(t, exitDone, "ablate", "--pairs", "h1n3", "--scores", collections[1], "--means-path", means, "--features-save-path", filepath.Join(t.TempDir(), "f.npy"))
	must(t, exitDone, svd...) // which does not take them for those of others
}
