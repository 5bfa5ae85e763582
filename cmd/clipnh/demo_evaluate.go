package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/demo"
	"github.com/clipnh/clipnh/internal/pipeline/evaluate"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/ui"
)

// demoVariant is the accuracy of a changed model.
type demoVariant struct {
	Variant  string  `json:"variant"`
	Top1     float64 `json:"top1"` // share of the images, 0 to 1
	Expected float64 `json:"expected_top1"`
}

// demoAblation is the accuracy when only the strongest units keep their contributions.
type demoAblation struct {
	Percentile      float64 `json:"percentile"`
	Pairs           float64 `json:"pairs_top1"`
	ExpectedPairs   float64 `json:"expected_pairs_top1"`
	Neurons         float64 `json:"neurons_top1"`
	ExpectedNeurons float64 `json:"expected_neurons_top1"`
}

// demoPercentiles are those that expected.json has ablations of.
var demoPercentiles = []float64{80, 90, 95, 98, 99}

// evaluate adds the accuracies of reconstruct and ablate.
func (r *demoResult) evaluate(ctx context.Context, in func(string) string, expected *demo.Expectation, threads int) error {
	say := ui.NewPrinter(io.Discard, io.Discard, time.Now) // the steps have printed it
	images := source.Options{
		ScoresPath: in("caches/val"), Data: dataset.Options{Kind: dataset.ImageNetVal, Path: in(demo.ImageNet)},
	}
	for _, units := range []struct {
		suffix   string
		expected float64
	}{{"", expected.Reconstruction.Pairs}, {"_n", expected.Reconstruction.Neurons}} {
		rebuilt, err := evaluate.Reconstruct(ctx, evaluate.ReconstructOptions{
			Options: images, PCs: []string{in("caches/pc0" + units.suffix + ".npy")}, Means: in("caches/means" + units.suffix + ".npy"),
			ClassesPath: in("caches/classes.npy"), Threads: threads,
		}, say)
		if err != nil {
			return err
		}
		v := rebuilt.Variants[0]
		r.ZeroShot = demoAccuracy{rebuilt.Images, rebuilt.Baseline.Top1, rebuilt.Baseline.Top5}
		r.Reconstruction = append(r.Reconstruction, demoVariant{v.Variant, v.Top1, units.expected})
	}
	ablated, err := evaluate.Ablate(ctx, evaluate.AblateOptions{
		Options: images, Modes: []string{evaluate.AblatePairs, evaluate.AblateNeurons}, Percentiles: demoPercentiles,
		Norms:     map[string]string{evaluate.AblatePairs: in("caches/norms.npy"), evaluate.AblateNeurons: in("caches/norms_n.npy")},
		TopImages: 50, FitTop: true, Means: []string{in("caches/means.npy")}, ClassesPath: in("caches/classes.npy"), Threads: threads,
	}, say)
	if err != nil {
		return err
	}
	for i, p := range demoPercentiles {
		key := fmt.Sprintf("top %g%%", 100-p)
		r.Ablation = append(r.Ablation, demoAblation{
			p, ablated.Variants[i].Top1, expected.AblationPairs[key],
			ablated.Variants[len(demoPercentiles)+i].Top1, expected.AblationNeurons[key],
		})
	}
	return nil
}

// printEvaluations prints what evaluate added.
func (r *demoResult) printEvaluations(p *ui.Printer) error {
	percent := func(share float64) string { return fmt.Sprintf("%.2f", 100*share) }
	if err := p.Text("With features rebuilt from the mean and one component of each pair, or of each neuron:\n\n"); err != nil {
		return err
	}
	t := ui.NewTable(ui.Left("features from"), ui.Right("top-1 %"), ui.Right("expected %"))
	for _, v := range r.Reconstruction {
		t.Row(v.Variant, percent(v.Top1), percent(v.Expected))
	}
	if err := p.Table(t); err != nil {
		return err
	}
	if err := p.Text("\nWith all but the strongest pairs, or neurons, replaced by their means:\n\n"); err != nil {
		return err
	}
	t = ui.NewTable(ui.Right("kept %"), ui.Right("pairs: top-1 %"), ui.Right("expected %"), ui.Right("neurons: top-1 %"), ui.Right("expected %"))
	for _, a := range r.Ablation {
		t.Row(fmt.Sprint(100-a.Percentile), percent(a.Pairs), percent(a.ExpectedPairs), percent(a.Neurons), percent(a.ExpectedNeurons))
	}
	if err := p.Table(t); err != nil {
		return err
	}
	if err := p.Text("\n"); err != nil {
		return err
	}
	return r.printImages(p)
}
