package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"github.com/clipnh/clipnh/internal/demo"
	"github.com/clipnh/clipnh/internal/pipeline/evaluate"
	"github.com/clipnh/clipnh/internal/pipeline/segment"
	"github.com/clipnh/clipnh/internal/ui"
)

// The steps that compare pairs with other units, on the harder images of the second model.
const (
	demoHarderAblate  = "ablate --percentile 90,95 --neuron-head-norms-path {}/caches/cue-norms.npy --neurons-norms-path {}/caches/cue-norms_n.npy --means-path {}/caches/cue-means.npy --scores {}/caches/cue-val --data-path {}/cue/imagenet --imagenet-zeroshot-path {}/caches/cue-classes.npy"
	demoHarderSegment = "segment --config demo --data-path {}/cue/VOC2010 --model {}/cue/clip.pt --vocab {}/bpe_demo_vocab.txt.gz --templates {}/templates.txt --pcs-path {}/caches/cue-pc0.npy --method pairs,values --synonyms=false --resize pillow"
)

// demoWorth is what pairs are worth against other units, on harder images.
type demoWorth struct {
	Images   int          `json:"images"`
	Top1     float64      `json:"top1"` // of the untouched model, 0 to 1
	Expected float64      `json:"expected_top1"`
	Ablation []demoPaired `json:"ablation"`

	Scenes       int          `json:"scenes"`
	Segmentation []demoFigure `json:"segmentation"` // mIoU of pairs and of values, 0 to 1
}

// demoPaired is the accuracy when only the strongest pairs, or as large a share of the
// neurons, keep their contributions, on the same images.
type demoPaired struct {
	Percentile      float64 `json:"percentile"`
	Pairs           float64 `json:"pairs_top1"`
	ExpectedPairs   float64 `json:"expected_pairs_top1"`
	Neurons         float64 `json:"neurons_top1"`
	ExpectedNeurons float64 `json:"expected_neurons_top1"`
	Interval        float64 `json:"interval"` // of the difference: 95 % lie within this of it
}

func printDemoAblation(raw []byte, p *ui.Printer) error {
	var e evaluate.Evaluation
	if err := json.Unmarshal(raw, &e); err != nil {
		return err
	}
	return printEvaluation(p, &e)
}

func printDemoSegmentation(raw []byte, p *ui.Printer) error {
	var r segment.Result
	if err := json.Unmarshal(raw, &r); err != nil {
		return err
	}
	return printScores(&r, p)
}

// addWorth fills in the comparisons, with what was expected.
func (r *demoResult) addWorth(printed map[string][]byte) error {
	expected, err := demo.ExpectedOfCue()
	if err != nil {
		return err
	}
	var e evaluate.Evaluation
	var segmented segment.Result
	if err := errors.Join(json.Unmarshal(printed[demoHarderAblate], &e), json.Unmarshal(printed[demoHarderSegment], &segmented)); err != nil {
		return err
	}
	w := demoWorth{Images: e.Images, Top1: e.Baseline.Top1, Expected: expected.ZeroShotTop1, Scenes: segmented.Images}
	half := len(e.Variants) / 2 // pairs, then neurons
	for i := range half {
		pairs, neurons := e.Variants[i], e.Variants[half+i]
		if pairs.Percentile == nil || neurons.Percentile == nil || *pairs.Percentile != *neurons.Percentile ||
			pairs.Variant != evaluate.AblatePairs || neurons.Variant != evaluate.AblateNeurons {
			return fmt.Errorf("ablate: variants %s and %s, want pairs and neurons at one percentile", pairs.Variant, neurons.Variant)
		}
		key := fmt.Sprintf("top %g%%", 100-*pairs.Percentile)
		w.Ablation = append(w.Ablation, demoPaired{
			*pairs.Percentile, pairs.Top1, expected.AblationPairs[key], neurons.Top1, expected.AblationNeurons[key],
			pairedInterval(e.Labels, pairs.Predictions, neurons.Predictions),
		})
	}
	for _, m := range segmented.Methods {
		if m.MIoU == nil {
			return fmt.Errorf("segment: no mIoU of %s", m.Method)
		}
		w.Segmentation = append(w.Segmentation, demoFigure{m.Method, *m.MIoU, expected.Segmentation[m.Method]})
	}
	if len(w.Ablation) == 0 || len(w.Segmentation) != 2 {
		return fmt.Errorf("%d ablations and %d segmentations, want some and 2", len(w.Ablation), len(w.Segmentation))
	}
	r.Worth = w
	return nil
}

// pairedInterval is half the 95 % interval of the difference of two accuracies on the same
// images, in the normal approximation: with b images that only the one classifies right, c
// that only the other does, of n,
//
//	1.96 sqrt(b + c - (b-c)²/n) / n
func pairedInterval(labels, one, other []int) float64 {
	b, c, n := 0.0, 0.0, float64(len(labels))
	for i, label := range labels {
		switch first, second := one[i] == label, other[i] == label; {
		case first && !second:
			b++
		case second && !first:
			c++
		}
	}
	return 1.96 * math.Sqrt(b+c-(b-c)*(b-c)/n) / n
}

// print prints the comparisons.
func (w *demoWorth) print(p *ui.Printer) error {
	percent := func(share float64) string { return fmt.Sprintf("%.1f %%", 100*share) }
	t := ui.NewTable(ui.Left("a second ResNet, harder images"), ui.Right("pairs"), ui.Right("others"), ui.Left(""))
	for _, a := range w.Ablation {
		t.Row(fmt.Sprintf("accuracy, strongest %g %% kept", 100-a.Percentile), percent(a.Pairs), percent(a.Neurons),
			fmt.Sprintf("neurons; difference %.1f ± %.1f points", 100*(a.Pairs-a.Neurons), 100*a.Interval))
	}
	s := w.Segmentation
	t.Row("segmentation, mIoU", percent(s[0].Value), percent(s[1].Value), fmt.Sprintf("values; difference %.1f points", 100*(s[0].Value-s[1].Value)))
	return p.Table(t)
}
