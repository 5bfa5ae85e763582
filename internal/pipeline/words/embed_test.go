package words

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/testutil"
	"github.com/clipnh/clipnh/internal/textlist"
)

func TestEmbed(t *testing.T) {
	var names struct {
		Classes, Templates []string
		SegClasses         []string `json:"seg_classes"`
	}
	pipelinetest.GoldenJSON(t, "text/classes.json", &names)
	templates, err := textlist.ParseTemplates(names.Templates)
	if err != nil {
		t.Fatal(err)
	}
	words, err := textlist.ReadFile(testutil.Golden("text/words.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var segmentation []string
	for _, line := range names.SegClasses {
		segmentation = append(segmentation, strings.Split(line, ", ")...)
	}
	for _, test := range []struct {
		golden    string
		texts     []string
		templates []textlist.Template
		file      string
	}{
		{"text/zeroshot.npy", names.Classes, templates, "out.npy"},
		{"text/zeroshot.npy", names.Classes, templates, "out.pt"},
		{"text/words.npy", words, nil, "out.npy"},
		{"text/seg_embeddings.npy", segmentation, templates, "out.pt"},
		{"text/concepts.npy", []string{"yellow", "convertible"}, templates, "out.npy"},
	} {
		t.Run(test.golden+" "+test.file, func(t *testing.T) {
			for _, vocab := range []string{"text/toy_merges.txt", "text/toy_merges.txt.gz"} {
				path := filepath.Join(t.TempDir(), test.file)
				result, err := Embed(context.Background(), EmbedOptions{
					Model: pipelinetest.TinyModel(), Vocab: testutil.Golden(vocab),
					Texts: test.texts, Templates: test.templates, SavePath: path, Threads: 2,
				}, pipelinetest.Silent())
				if err != nil {
					t.Fatal(err)
				}
				if result.Texts != len(test.texts) {
					t.Errorf("%d texts, want %d", result.Texts, len(test.texts))
				}
				e, err := (artefact.Reader{}).Embeddings(path, nil, 0)
				if err != nil {
					t.Fatal(err)
				}
				want, _ := pipelinetest.ReadGolden(t, test.golden)
				if err := testutil.Far(e.Rows, want, pipelinetest.Rounding); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// TestReadEmbeddings reads embeddings as torch saved them.
func TestReadEmbeddings(t *testing.T) {
	for file, golden := range map[string]string{"text/zeroshot_fp32.pt": "text/zeroshot.npy", "text/words_fp16.pt": "text/words.npy"} {
		want, shape := pipelinetest.ReadGolden(t, golden)
		e, err := (artefact.Reader{}).UnitEmbeddings(testutil.Golden(file), nil, shape[1])
		if err != nil {
			t.Fatal(err)
		}
		tolerance := 1e-6 // a unit vector made one again
		if strings.Contains(file, "fp16") {
			tolerance = 1e-3 // of the largest value: half an ulp of float16
		}
		if err := testutil.Far(e.Rows, want, tolerance); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if _, err := (artefact.Reader{}).UnitEmbeddings(testutil.Golden(file), nil, shape[1]+1); err == nil {
			t.Errorf("%s: read as of another width", file)
		}
	}
}

func TestEmbedRefuses(t *testing.T) {
	good := EmbedOptions{Model: pipelinetest.TinyModel(), Vocab: testutil.Golden("text/toy_merges.txt"), Texts: []string{"dog"}, Threads: 1}
	other := filepath.Join("..", "..", "demo", "assets", "bpe_demo_vocab.txt.gz")
	for name, test := range map[string]struct {
		spoil func(*EmbedOptions)
		want  string
	}{
		"other model's vocabulary": {func(o *EmbedOptions) { o.Vocab = other }, "a vocabulary of 836 tokens, want the model's of 812"},
		"no such model":            {func(o *EmbedOptions) { o.Model = "nowhere.pt" }, "nowhere.pt"},
	} {
		t.Run(name, func(t *testing.T) {
			o := good
			o.SavePath = filepath.Join(t.TempDir(), "out.npy")
			test.spoil(&o)
			_, err := Embed(context.Background(), o, pipelinetest.Silent())
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one that says %q", err, test.want)
			}
			if _, err := os.Stat(o.SavePath); err == nil {
				t.Error("something was written")
			}
		})
	}
}
