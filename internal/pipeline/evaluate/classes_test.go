package evaluate

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/pipeline/source"
)

// TestTies holds that of classes with the same logit the first is chosen, as argmax
// does, so that one of two classes of the same name is always right.
func TestTies(t *testing.T) {
	classes := []float32{1, 0, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1} // [7,2]: one class, and six of the same
	for _, test := range []struct {
		name          string
		feature       []float32
		label         int
		correct, top5 int
	}{
		{"the first of equal classes", []float32{0, 1}, 1, 1, 1},
		{"the second of equal classes", []float32{0, 1}, 2, 0, 1},
		{"the fifth of equal classes", []float32{0, 1}, 5, 0, 1},
		{"the sixth of equal classes", []float32{0, 1}, 6, 0, 0},
		{"a class of its own", []float32{1, 0}, 0, 1, 1},
		{"behind all six", []float32{0, 1}, 0, 0, 0},
	} {
		c := &classifier{classes: classes, number: 7}
		var score VariantScore
		if err := c.count(&score, test.feature, []int{test.label}, par.NewTeam(1)); err != nil {
			t.Fatal(err)
		}
		if score.Correct != test.correct || score.CorrectTop5 != test.top5 {
			t.Errorf("%s: %d correct, %d in the top 5, want %d and %d", test.name, score.Correct, score.CorrectTop5, test.correct, test.top5)
		}
		if right := score.Predictions[0] == test.label; right != (score.Correct == 1) {
			t.Errorf("%s: predicted class %d of label %d, yet %d correct", test.name, score.Predictions[0], test.label, score.Correct)
		}
	}
}

// phrases are texts that contain names.
func phrases(names []string) []string {
	texts := make([]string, len(names))
	for i, name := range names {
		texts[i] = "a small " + name + "."
	}
	return texts
}

// TestUnlistedClasses warns of embeddings that do not say of which texts they are: rows are
// taken for labels by their places. Both files are named.
func TestUnlistedClasses(t *testing.T) {
	for name, from := range map[string]origin.Origin{"of another program": {}, "with a hash only": {Texts: cache.ListHash([]string{"a", "b", "c", "d"})}} {
		dir := t.TempDir()
		for _, folder := range strings.Fields("ant bee cat dog") {
			if err := os.MkdirAll(filepath.Join(dir, "val", folder), 0o777); err != nil {
				t.Fatal(err)
			}
		}
		path := filepath.Join(dir, "classes.npy")
		err := (artefact.Writer{}).SaveEmbeddings(path, 4, 1, from, func() ([]float32, error) { return []float32{1, 1, 1, 1}, nil })
		if err != nil {
			t.Fatal(err)
		}
		if from.Texts == "" {
			if err := os.Remove(path + ".json"); err != nil {
				t.Fatal(err)
			}
		}
		e, err := artefact.Reader{}.Embeddings(path, nil, 1)
		if err != nil {
			t.Fatal(err)
		}
		say, heard := pipelinetest.Heard()
		if err := source.CheckClasses(t.Context(), artefact.Reader{}, e, dataset.Options{Kind: dataset.ImageNetVal, Path: dir}, say); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, want := range []string{path, filepath.Join(dir, "val"), `row 0 is taken for label 0, "ant"; row 1 is taken for label 1, "bee"; row 2 is taken for label 2, "cat"; and so on`,
			path + ": row 0 and row 1 have equal embeddings: the model does not tell them apart, nor 2 texts more"} {
			if !strings.Contains(heard.String(), want) {
				t.Errorf("%s: said %q, want %q", name, heard.String(), want)
			}
		}
	}
}

// TestCheckClasses compares embeddings of texts with the classes of folders.
func TestCheckClasses(t *testing.T) {
	ten := strings.Fields("ant bee cat dog elk fox gnu hen ibis jay")
	changed := func(at int, name string) []string {
		texts := append([]string{}, ten...)
		texts[at] = name
		return texts
	}
	swapped := changed(2, "dog")
	swapped[3] = "cat"
	other := strings.Fields("a b c d e f g h i j")
	wordNet := strings.Fields("n00000001 n00000002 n00000003 n00000004 n00000005 n00000006 n00000007 n00000008 n00000009 n00000010")
	ids := strings.Fields("n01 n02 n03 n04 n05 n06 n07 n08 n09 n10")
	for _, test := range []struct {
		name    string
		folders []string
		table   []string // names in classes.txt; nil: there is none
		texts   []string
		listed  bool   // the manifest has the texts
		stale   bool   // the error is ErrStale
		want    string // in the error; empty: none
		warned  string // in a warning; empty: none
	}{
		{"the same names", ids, ten, ten, true, false, "", ""},
		{"one of another name", ids, ten, changed(4, "moose"), true, false, "", `label 4: "moose" here, "elk" there`},
		{"a name twice, as in ImageNet", ids, ten, changed(4, "ant"), true, false, "", `label 4: "ant" here, "elk" there`},
		{"two in each other's place", ids, ten, swapped, true, true, `"cat" has label 2 and row 3`, ""},
		{"other texts", ids, ten, other, true, true, `label 0 is "ant" there, "a" here`, ""},
		{"other texts that only a hash stands for", ids, ten, other, false, true, "made with other texts", ""},
		{"the same texts that only a hash stands for", ids, ten, ten, false, false, "", ""},
		{"folders of ids", ids, nil, ten, true, false, "", `its classes, such as "n01", have other names than those of`},
		{"folders of some of ImageNet's ids", wordNet, nil, ten, true, false, "", `10 of ImageNet's 1000, and there is no classes.txt: label 0 is "n00000001"`},
		{"folders of names", ten, nil, ten, true, false, "", ""},
		{"folders of names, texts in another order", ten, nil, swapped, true, true, `"cat" has label 2 and row 3`, ""},
		{"folders of names, texts that contain them", ten, nil, phrases(ten), true, false, "", ""},
		{"folders of names, texts that contain them in another order", ten, nil, phrases(swapped), true, true, `"cat" has label 2 and is in row 3, "a small cat."`, ""},
		{"folders of names of two words", []string{"ant", "wild_cat"}, nil, []string{"a wild cat", "an ant"}, true, true, `"ant" has label 0 and is in row 1, "an ant"`, ""},
		{"folders of names, texts that have parts of them", ten, nil, strings.Fields("plant been cats dogs elks foxes gnus hens ibises jays"), true, false, "", `no text is the name of a class in`},
		{"folders of names, other texts", ten, nil, other, true, false, "", `row 0, "a", is taken for label 0, "ant"; row 1, "b", is taken for label 1, "bee"; row 2, "c", is taken for label 2, "cat"; and so on`},
		{"folders of names, one text without its own", ten, nil, phrases(changed(4, "moose")), true, false, "", `1 of 10 texts does not have the name of the class in`},
		{"folders of numbers", strings.Fields("0 1 2 3 4 5 6 7 8 9"), nil, ten, true, false, "", `such as "ant", and are taken to be them in their order`},
		{"fewer folders", ids[:3], nil, ten, true, false, "embeddings of 10 classes, but", ""},
		{"more folders", ids, nil, ten[:4], true, false, "embeddings of 4 classes, but", ""},
		{"fewer folders than classes.txt lists", ids[:3], ten, ten, true, false, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			for _, folder := range test.folders {
				if err := os.MkdirAll(filepath.Join(dir, "val", folder), 0o777); err != nil {
					t.Fatal(err)
				}
			}
			if test.table != nil {
				var lines string
				for i, name := range test.table {
					lines += ids[i] + "\t" + name + "\n"
				}
				if err := os.WriteFile(filepath.Join(dir, "classes.txt"), []byte(lines), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			path := filepath.Join(dir, "classes.npy")
			from := origin.Origin{Texts: cache.ListHash(test.texts)}
			if test.listed {
				from.TextList = test.texts
			}
			err := (artefact.Writer{}).SaveEmbeddings(path, len(test.texts), 2, from, func() ([]float32, error) {
				rows := make([]float32, 2*len(test.texts))
				for i := range test.texts {
					rows[2*i], rows[2*i+1] = float32(math.Cos(float64(i))), float32(math.Sin(float64(i)))
				}
				return rows, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			e, err := artefact.Reader{}.Embeddings(path, nil, 2)
			if err != nil {
				t.Fatal(err)
			}
			data := dataset.Options{Kind: dataset.ImageNetVal, Path: dir}
			say, heard := pipelinetest.Heard()
			err = source.CheckClasses(context.Background(), artefact.Reader{}, e, data, say)
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) || errors.Is(err, cache.ErrStale) != test.stale {
				t.Errorf("error %v, want %q, stale %t", err, test.want, test.stale)
			}
			if said := heard.String(); (said == "") != (test.warned == "") || !strings.Contains(said, test.warned) {
				t.Errorf("warned %q, want %q", said, test.warned)
			}
			force := artefact.Reader{OnMismatch: func(*cache.MismatchError) error { return nil }}
			if err := source.CheckClasses(context.Background(), force, e, data, say); (err != nil) != (test.want != "" && !test.stale) {
				t.Errorf("with mismatches used anyway: error %v", err)
			}
		})
	}
}
