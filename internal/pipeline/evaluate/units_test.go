package evaluate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/testutil"
	"github.com/clipnh/clipnh/internal/unit"
)

// TestNamedUnits takes the units of a golden mask out by name, in both ways, and has Mask
// write the same mask from names.
func TestNamedUnits(t *testing.T) {
	a, err := npy.ReadFile(testutil.Golden("mask_nh.npy"))
	if err != nil {
		t.Fatal(err)
	}
	keep, shape := pipelinetest.GoldenBools(t, "mask_nh.npy"), unit.Shape(a.Shape)
	names := map[bool][]string{}
	for u, kept := range keep {
		names[kept] = append(names[kept], shape.Name(u))
	}
	for _, except := range []bool{false, true} {
		o := AblateOptions{
			Options: fromScores(t), Modes: []string{AblatePairs}, Threads: 2, FeaturesPath: filepath.Join(t.TempDir(), "f.npy"),
			Means: []string{testutil.Golden("means_nh.npy")}, Units: names[except], Except: except,
		}
		r, err := Ablate(context.Background(), o, pipelinetest.Silent())
		if err != nil {
			t.Fatal(err)
		}
		checkFeatures(t, o.FeaturesPath, "out/ablate_neur_head_reprs.npy")
		if r.Variants[0].Kept != countTrue(keep) {
			t.Errorf("except %v: kept %d, want %d", except, r.Variants[0].Kept, countTrue(keep))
		}
		path := filepath.Join(t.TempDir(), "mask.npy")
		if _, err := Mask(context.Background(), MaskOptions{
			Norms: testutil.Golden("norms_nh.npy"), Mode: AblatePairs, TopImages: 20, Percentile: 90, SavePath: path, Units: names[!except], Except: except,
		}); err != nil {
			t.Fatal(err)
		}
		made, err := npy.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := made.Bool(); err != nil || !slices.Equal(got, keep) {
			t.Errorf("except %v: %d units of the mask differ (%v)", except, differ(got, keep), err)
		}
	}
	o := MaskOptions{Norms: testutil.Golden("norms_nh.npy"), Mode: AblatePairs, TopImages: 1, SavePath: filepath.Join(t.TempDir(), "m.npy"), Units: []string{"h99n0"}}
	if _, err := Mask(context.Background(), o); err == nil || !strings.Contains(err.Error(), `unit "h99n0"`) {
		t.Errorf("a pair that is not there: %v", err)
	}
}

// TestParts holds that the accuracies of classes and groups, weighted by their images, are
// those of all, and that predictions come with names.
func TestParts(t *testing.T) {
	o := AblateOptions{
		Options: fromScores(t), Modes: []string{AblatePairs}, Threads: 2, ClassesPath: testutil.Golden("text/zeroshot.npy"),
		MaskPath: testutil.Golden("mask_nh.npy"), Means: []string{testutil.Golden("means_nh.npy")},
	}
	o.Data = pipelinetest.LabelledFolder(t)
	plain, err := Ablate(context.Background(), o, pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	table.WriteString("file,shelf\n")
	for i, name := range plain.ImageNames[1:] { // the first belongs to no group
		fmt.Fprintf(&table, "%s,%d\n", filepath.Base(name), 9+i%2)
	}
	o.Groups = dataset.TableOptions{Path: filepath.Join(t.TempDir(), "t.csv"), Image: "file", Group: "shelf"}
	if err := os.WriteFile(o.Groups.Path, []byte(table.String()), 0o666); err != nil {
		t.Fatal(err)
	}
	r, err := Ablate(context.Background(), o, pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	n := r.Images
	if len(r.ImageNames) != n || len(r.Labels) != n || len(r.Baseline.Predictions) != n || len(r.ClassNames) == 0 {
		t.Fatalf("%d names, %d labels, %d predictions, %d classes for %d images", len(r.ImageNames), len(r.Labels), len(r.Baseline.Predictions), len(r.ClassNames), n)
	}
	if names := []string{r.Groups[0].Name, r.Groups[1].Name}; len(r.Groups) != 2 || !slices.Equal(names, []string{"9", "10"}) {
		t.Errorf("groups %v, want 9 before 10", names)
	}
	correct := func(parts []PartScore) (images int, base, ablated float64) {
		for _, p := range parts {
			images += p.Images
			base += p.Baseline * float64(p.Images)
			ablated += p.Variants[0] * float64(p.Images)
		}
		return images, math.Round(base), math.Round(ablated)
	}
	if images, base, ablated := correct(r.Classes); images != n || int(base) != r.Baseline.Correct || int(ablated) != r.Variants[0].Correct {
		t.Errorf("classes: %d images, %g and %g correct, want %d, %d and %d", images, base, ablated, n, r.Baseline.Correct, r.Variants[0].Correct)
	}
	if images, _, _ := correct(r.Groups); images != n-1 {
		t.Errorf("groups have %d images, want %d", images, n-1)
	}
	elsewhere := strings.ReplaceAll(table.String(), "\n0", "\nelsewhere/0")
	if err := os.WriteFile(o.Groups.Path, []byte(elsewhere), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := Ablate(context.Background(), o, pipelinetest.Silent()); testutil.Line(err, "it has elsewhere/", "they are such as "+plain.ImageNames[1]) != nil {
		t.Errorf("groups of images in other folders: error %v", err)
	}
}

// TestAblateOfOthers holds that features are replaced only where the same is replaced in them.
func TestAblateOfOthers(t *testing.T) {
	o := AblateOptions{
		Options: fromScores(t), Modes: []string{AblatePairs}, Threads: 2, FeaturesPath: filepath.Join(t.TempDir(), "f.npy"),
		Means: []string{testutil.Golden("means_nh.npy")}, Units: []string{"h0n1"},
	}
	same := o
	norms := map[string]string{AblatePairs: testutil.Golden("norms_nh.npy"), AblateNeurons: testutil.Golden("norms_nh.npy")}
	if _, err := Ablate(context.Background(), o, pipelinetest.Silent()); err != nil {
		t.Fatal(err)
	}
	before := readBytes(t, o.FeaturesPath)
	for name, change := range map[string]func(*AblateOptions){
		"units":      func(o *AblateOptions) { o.Units = []string{"h0n2"} },
		"except":     func(o *AblateOptions) { o.Except = true },
		"mode":       func(o *AblateOptions) { o.Modes, o.Units = []string{AblateNeurons}, []string{"n1"} },
		"percentile": func(o *AblateOptions) { o.Units, o.Percentiles, o.TopImages, o.Norms = nil, []float64{90}, 20, norms },
	} {
		changed := o
		change(&changed)
		if _, err := Ablate(context.Background(), changed, pipelinetest.Silent()); !errors.Is(err, cache.ErrStale) {
			t.Errorf("other %s: error %v, want cache.ErrStale", name, err)
		}
		if !bytes.Equal(readBytes(t, o.FeaturesPath), before) {
			t.Errorf("other %s: the features were replaced", name)
		}
	}
	if _, err := Ablate(context.Background(), same, pipelinetest.Silent()); err != nil {
		t.Error(err)
	}
	at := func(percentiles []float64) error {
		o := same
		o.Units, o.Percentiles, o.TopImages, o.Norms, o.FeaturesPath = nil, percentiles, 20, norms, filepath.Join(filepath.Dir(o.FeaturesPath), "g.npy")
		_, err := Ablate(context.Background(), o, pipelinetest.Silent())
		return err
	}
	if err := errors.Join(at([]float64{90}), at([]float64{90})); err != nil {
		t.Error(err)
	}
	if err := at([]float64{50}); !errors.Is(err, cache.ErrStale) {
		t.Errorf("another percentile: error %v, want cache.ErrStale", err)
	}
}
