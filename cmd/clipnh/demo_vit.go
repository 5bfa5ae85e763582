package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/demo"
	"github.com/clipnh/clipnh/internal/pipeline/agreement"
	"github.com/clipnh/clipnh/internal/pipeline/evaluate"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/textlist"
	"github.com/clipnh/clipnh/internal/ui"
)

// The words on which the pairs of the ResNet and of the vision transformer are compared:
// colours, things and backgrounds of the drawings. The short form shows the first ones.
var (
	demoAgreedShown = []string{"yellow", "convertible", "water"}
	demoAgreedWords = append(strings.Fields("black blue brown green orange pink purple red white circle square triangle star heart "+
		"car truck boat house tree flower fish butterfly grass sky road sand snow night"), demoAgreedShown...)
)

// How the pairs are compared; evaluate_vit.py does the same.
const (
	demoAgreedClosest = 10
	demoPermutations  = 200
)

// demoViT is what the demo found of the vision transformer.
type demoViT struct {
	Layer         int           `json:"layer"` // of the neurons
	ZeroShot      demoAccuracy  `json:"zero_shot"`
	Expected      float64       `json:"expected_top1"`
	Rebuilt       demoVariant   `json:"rebuilt"` // from one component of each neuron of the layer
	Agreement     *demoAgreeing `json:"agreement"`
	ExpectedWords []demo.Agreed `json:"expected_words"` // in the order of the words
}

// demoAgreeing is where the ResNet and the vision transformer agree.
type demoAgreeing struct {
	agreement.Result
	Expected float64 `json:"expected_by_chance"`
}

// addViT fills in what was found of the vision transformer.
func (r *demoResult) addViT(ctx context.Context, in func(string) string, threads int) error {
	expected, err := demo.ExpectedOfViT()
	if err != nil {
		return err
	}
	say := ui.NewPrinter(io.Discard, io.Discard, time.Now) // the steps have printed it
	rebuilt, err := evaluate.Reconstruct(ctx, evaluate.ReconstructOptions{
		Options: source.Options{ScoresPath: in("caches/vit-val"), Data: dataset.Options{Kind: dataset.ImageNetVal, Path: in(demo.ImageNet)}},
		PCs:     []string{in("caches/vit-pc0_n.npy")}, Means: in("caches/vit-means_n.npy"), ClassesPath: in("caches/vit-classes.npy"), Threads: threads,
	}, say)
	if err != nil {
		return err
	}
	list, err := textlist.ReadFile(in(demo.Words))
	if err != nil {
		return err
	}
	agreed, err := agreement.Run(ctx, agreement.Options{
		Here:  agreement.Model{ScoresPath: in("caches/val"), PCsPath: in("caches/pc0.npy"), EmbeddingsPath: in("caches/words.npy")},
		There: agreement.Model{ScoresPath: in("caches/vit-val"), PCsPath: in("caches/vit-pc0.npy"), EmbeddingsPath: in("caches/vit-words.npy")},
		Texts: list, Words: demoAgreedWords, Closest: demoAgreedClosest, Permutations: demoPermutations, Threads: threads,
	})
	if err != nil {
		return err
	}
	v := rebuilt.Variants[0]
	r.Transformer = demoViT{
		Layer: demo.ViTLayer, ZeroShot: demoAccuracy{rebuilt.Images, rebuilt.Baseline.Top1, rebuilt.Baseline.Top5}, Expected: expected.ZeroShotTop1,
		Rebuilt:   demoVariant{v.Variant, v.Top1, expected.Reconstruction["pc0"]},
		Agreement: &demoAgreeing{*agreed, expected.Agreement.ByChance},
	}
	for _, word := range demoAgreedWords {
		want, ok := expected.Agreement.Words[word]
		if !ok {
			return fmt.Errorf("expected-vit.json: no agreement on %q", word)
		}
		r.Transformer.ExpectedWords = append(r.Transformer.ExpectedWords, want)
	}
	return nil
}

// print prints where the two models agree, on some of the words or on all.
func (v *demoViT) print(p *ui.Printer, all bool) error {
	a := v.Agreement
	text := fmt.Sprintf("\nA vision transformer learned from the same drawings. For each word, the %d closest pairs\nof each model are compared; these two follow the same images most, of %d:\n\n", demoAgreedClosest, a.Images)
	t := ui.NewTable(ui.Left("word"), ui.Left("ResNet's pair"), ui.Left("transformer's"), ui.Right("correlation"), ui.Right("expected"))
	for i, w := range a.Words {
		if all || i >= len(a.Words)-len(demoAgreedShown) {
			t.Row(w.Word, w.Here.Name(), w.There.Name(), fmt.Sprintf("%.4f", w.Correlation), fmt.Sprintf("%.4f", v.ExpectedWords[i].Correlation))
		}
	}
	return errors.Join(p.Text(text), p.Table(t),
		p.Text(fmt.Sprintf("For %d of %d words, the two correlate by more than %.2f, the most that chance gives.\n", a.Above(), len(a.Words), a.ByChance)))
}
