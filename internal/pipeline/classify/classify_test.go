package classify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/collecttest"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/testutil"
)

var classes = []string{"dog", "cat", "tree", "ice"}

// byModel are options that send the golden images through the tiny model.
func byModel() Options {
	return Options{
		Options: source.Options{
			Model: pipelinetest.TinyModel(), BatchSize: 5, Stride: 1,
			Data: dataset.Options{Kind: dataset.Images, Path: testutil.Golden("dataset")},
		},
		Classes: classes, Vocab: testutil.Golden("text/toy_merges.txt"), Top: 2, Threads: 2,
	}
}

// byScores are those that read scores of the same images.
func byScores(t *testing.T) Options {
	t.Helper()
	collected := collecttest.GoldenImages(t, "scores")
	collecttest.Collect(t, collected)
	o := byModel()
	o.ScoresPath, o.Data.Path = collected.SavePath, ""
	return o
}

func run(t *testing.T, o Options) ([]Image, *Result) {
	t.Helper()
	var images []Image
	sink := Sink{Begin: func(*Setup) error { return nil }, Image: func(x *Image) error { images = append(images, *x); return nil }}
	r, err := Run(context.Background(), o, sink, pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	if !r.Complete || r.Count != len(images) {
		t.Errorf("result %+v of %d images, want a complete one that counts them", r, len(images))
	}
	return images, r
}

// Scores give the labels that the model gives, and both give the same to the last bit
// whatever the batch and the number of threads.
func TestScoresAndModelAgree(t *testing.T) {
	o, seen := byScores(t), byModel()
	byScores, _ := run(t, o)
	byModel, _ := run(t, seen)
	for _, threads := range []int{1, 3} {
		o.Threads, seen.Threads, seen.BatchSize = threads, threads, 7*threads
		if got, _ := run(t, o); !reflect.DeepEqual(got, byScores) {
			t.Errorf("scores, %d threads: other labels", threads)
		}
		if got, _ := run(t, seen); !reflect.DeepEqual(got, byModel) {
			t.Errorf("model, %d threads, batches of %d: other labels", threads, seen.BatchSize)
		}
	}
	for i, x := range byModel {
		for j, label := range x.Labels {
			if other := byScores[i].Labels[j]; byScores[i].Name != x.Name || other.Label != label.Label || math.Abs(other.Logit-label.Logit) > rounding {
				t.Errorf("%s: %+v by the model, %+v from scores", x.Name, label, other)
			}
		}
	}
}

// rounding covers that sums here are in float64, and those of features in float32; and that
// the constant of the weights is rounded otherwise in a collection than in a model.
const rounding = 1e-4

// Labels are those of contributions written out and summed, by the cosine with texts.
func TestLabels(t *testing.T) {
	o := byScores(t)
	got, _ := run(t, o)
	s, err := artefact.Reader{}.Scores(o.ScoresPath, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	m, err := model.OpenWith(t.Context(), o.Model, model.Details{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	texts, err := model.TextOptions{Vocab: o.Vocab, Threads: 1}.Embeddings(t.Context(), m, classes, "class", pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	H, C, O := s.OV.Heads, s.OV.Neurons, s.OV.OutDim
	scores, directions := make([]float32, H*C), s.OV.AllDirections(par.NewTeam(1))
	for i, x := range got {
		if err := s.Read(scores, i); err != nil {
			t.Fatal(err)
		}
		feature, square := make([]float64, O), 0.0
		for u, score := range scores {
			for d := range feature {
				feature[d] += float64(score)*float64(directions[u*O+d]) + float64(s.OV.Bias[u/C*O+d])
			}
		}
		for _, v := range feature {
			square += v * v
		}
		logits, order, total := make([]float64, len(classes)), []int{}, 0.0
		for class := range classes {
			for d, v := range feature {
				logits[class] += 100 * v * float64(texts[class*O+d]) / math.Sqrt(square)
			}
			order = append(order, class)
		}
		slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(logits[b], logits[a]) })
		for _, l := range logits {
			total += math.Exp(l - logits[order[0]])
		}
		for rank, label := range x.Labels {
			class := order[rank]
			probability := math.Exp(logits[class]-logits[order[0]]) / total
			if label.Label != classes[class] || math.Abs(label.Logit-logits[class]) > rounding || math.Abs(label.Probability-probability) > rounding {
				t.Errorf("%s, rank %d: %+v, want %s of logit %g and probability %g", x.Name, rank, label, classes[class], logits[class], probability)
			}
		}
	}
}

// Of equal logits the first class comes first.
func TestTop(t *testing.T) {
	c := classifier{o: &Options{Classes: []string{"a", "b", "c", "d"}, Top: 3}}
	logits := []float64{1, 7, 1, 7}
	var names []string
	for _, l := range c.top(logits, logits) {
		names = append(names, l.Label)
	}
	if got := strings.Join(names, ""); got != "bda" {
		t.Errorf("classes %s, want bda", got)
	}
}

// Accuracy counts the images whose label is known, class by class, whatever the case of the
// labels.
func TestAccuracy(t *testing.T) {
	o := byScores(t)
	images, r := run(t, o)
	if r.Accuracy != nil {
		t.Fatalf("accuracy %+v without labels", r.Accuracy)
	}
	rows := []string{"image,label"}
	for i, x := range images[:6] {
		label := x.Labels[0].Label // right
		if i%3 == 0 {
			label = x.Labels[1].Label // wrong
		}
		rows = append(rows, fmt.Sprintf("%s,%s", x.Name, strings.ToUpper(label)))
	}
	table := filepath.Join(t.TempDir(), "labels.csv")
	write := func(rows []string) {
		if err := os.WriteFile(table, []byte(strings.Join(rows, "\n")+"\n"), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	write(rows)
	o.TablePath = table
	labelled, r := run(t, o)
	if a := r.Accuracy; a == nil || a.Images != 6 || a.Correct != 4 || a.Share != 4.0/6 {
		t.Fatalf("accuracy %+v, want 4 of 6", r.Accuracy)
	}
	sums := ClassAccuracy{}
	for _, c := range r.Accuracy.Classes {
		sums.Images, sums.Correct, sums.Predicted = sums.Images+c.Images, sums.Correct+c.Correct, sums.Predicted+c.Predicted
	}
	if sums.Images != 6 || sums.Correct != 4 || sums.Predicted != 6 {
		t.Errorf("classes %+v, want sums of 6, 4 and 6", r.Accuracy.Classes)
	}
	if labelled[1].Truth != images[1].Labels[0].Label || labelled[6].Truth != "" {
		t.Errorf("true labels %q and %q, want that of the table and none", labelled[1].Truth, labelled[6].Truth)
	}
	for what, bad := range map[string][]string{
		`label "zebra" of image`:  {"image,label", images[0].Name + ",zebra"},
		"none of its 1 row is of": {"image,label", "nowhere.png,dog"},
	} {
		write(bad)
		_, err := Run(context.Background(), o, Sink{Begin: func(*Setup) error { t.Error("begun"); return nil }}, pipelinetest.Silent())
		if mistake := testutil.Line(err, table, what); mistake != nil {
			t.Errorf("%q: %v", bad, mistake)
		}
	}
}

// A row of another folder is not an image's, though the file has the same name.
func TestLabelsOfOtherFolders(t *testing.T) {
	c := &classifier{o: &Options{Classes: classes, TablePath: filepath.Join(t.TempDir(), "labels.csv")}, src: &source.Source{Names: []string{"cars/1.jpg"}}}
	if err := os.WriteFile(c.o.TablePath, []byte("image,label\ntrain/boats/1.jpg,"+classes[0]+"\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := c.readTable(pipelinetest.Silent()); testutil.Line(err, "it has train/boats/1.jpg, they are such as cars/1.jpg") != nil {
		t.Errorf("labels %v, error %v", c.truth, err)
	}
}

// Embeddings of the classes stand in for the model.
func TestEmbeddedClasses(t *testing.T) {
	o := byScores(t)
	want, _ := run(t, o)
	m, err := model.OpenWith(t.Context(), o.Model, model.Details{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	rows, err := model.TextOptions{Vocab: o.Vocab, Threads: 1}.Embeddings(t.Context(), m, classes, "class", pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	o.TextsPath = filepath.Join(t.TempDir(), "classes.npy")
	of := m.Origin()
	of.Texts = cache.ListHash(classes)
	err = artefact.Writer{}.SaveEmbeddings(o.TextsPath, len(classes), m.Config.OutDim, of, func() ([]float32, error) { return rows, nil })
	if err != nil {
		t.Fatal(err)
	}
	o.Model, o.Vocab = "", ""
	got, _ := run(t, o)
	for i := range want {
		for j := range want[i].Labels {
			if a, b := got[i].Labels[j], want[i].Labels[j]; a.Label != b.Label || math.Abs(a.Logit-b.Logit) > rounding {
				t.Errorf("%s: %+v, want %+v", want[i].Name, a, b)
			}
		}
	}
	o.Classes = classes[:3]
	_, err = Run(context.Background(), o, Sink{}, pipelinetest.Silent())
	if !errors.Is(err, cache.ErrStale) {
		t.Errorf("other classes: %v, want ErrStale", err)
	}
}

// Classes with none of the names of the folders are taken for them by their places, with a
// word of what is taken for what; those that contain their names must be in their places.
func TestClassesByPlace(t *testing.T) {
	for _, test := range []struct {
		folders, given []string
		want, said     string // in the error; in what is said
	}{
		{[]string{"ant", "wild_cat"}, []string{"an ant", "a wild cat"}, "", ""},
		{[]string{"ant", "wild_cat"}, []string{"a wild cat", "an ant"}, `"ant" has label 0 and is in row 1, "an ant"`, ""},
		{[]string{"ant", "bee"}, []string{"dog", "fox"}, "", `warning: {classes}: no text is the name of a class in PATH: row 0, "dog", is taken for label 0, "ant"; row 1, "fox", is taken for label 1, "bee"`},
		{[]string{"n00000001", "n00000002"}, []string{"dog", "fox"}, "", `warning: PATH: its classes are 2 of ImageNet's 1000, and there is no classes.txt: label 0 is "n00000001", the first id, which need not be row 0 of {classes}`},
		{[]string{"n01", "n02"}, []string{"dog", "fox"}, "", `note: PATH: its classes, such as "n01", have other names than those of {classes}, such as "dog", and are taken to be them in their order`},
		{[]string{"ant", "bee"}, []string{"bee", "fox"}, `class "ant" is not among the 2 {classes}`, ""},
	} {
		dir := t.TempDir()
		for _, folder := range test.folders {
			if err := os.MkdirAll(filepath.Join(dir, "val", folder), 0o777); err != nil {
				t.Fatal(err)
			}
		}
		c := &classifier{o: &Options{Classes: test.given}}
		c.o.Data = dataset.Options{Kind: dataset.ImageNetVal, Path: dir}
		say, heard := pipelinetest.Heard()
		err := c.readClasses(t.Context(), say)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q for folders %q: error %v, want %q", test.given, test.folders, err, test.want)
		}
		said := strings.TrimSpace(strings.ReplaceAll(heard.String(), filepath.Join(dir, "val"), "PATH"))
		if said != test.said {
			t.Errorf("%q for folders %q: said %q, want %q", test.given, test.folders, said, test.said)
		}
	}
}
