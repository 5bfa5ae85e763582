package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/clipnh/clipnh/internal/demo"
	"github.com/clipnh/clipnh/internal/paper"
	"github.com/clipnh/clipnh/internal/pipeline/directions"
	"github.com/clipnh/clipnh/internal/pipeline/evaluate"
	"github.com/clipnh/clipnh/internal/pipeline/retrieve"
	"github.com/clipnh/clipnh/internal/pipeline/segment"
	"github.com/clipnh/clipnh/internal/pipeline/shift"
)

// paperResults returns the results in the order of the report. Published values are the
// paper's, for RN50x16 with ImageNet, PASCAL Context and Stanford Cars.
func paperResults() []paperResult {
	var neurons, sparse, segmentations []string
	for _, run := range paperSegmentations {
		segmentations = append(segmentations, run.step)
	}
	for _, n := range paperPCs {
		neurons = append(neurons, fmt.Sprintf("reconstruct neurons, %d", n))
	}
	for _, units := range []string{"pairs", "neurons"} {
		for _, m := range paperComponents {
			sparse = append(sparse, fmt.Sprintf("reconstruct %s, %d words", units, m))
		}
	}
	return []paperResult{
		{"baseline", "Zero-shot accuracy", resNets, []string{"reconstruct pairs"}, baselineRows, nil},
		{"reconstruction", "Features rebuilt from principal components", resNets, append([]string{"reconstruct pairs"}, neurons...), reconstructionRows, nil},
		{"ablation", "All but the strongest replaced by their means", resNets, []string{"ablate"}, ablationRows, drawing("ablate", "accuracy over percentiles")},
		{"sparse", "Features rebuilt from sparse sums of words", resNets, sparse, sparseRows, nil},
		{"polysemanticity", "How dissimilar a unit's strongest images are", resNets, []string{"polysemanticity"}, polysemanticityRows, drawing("polysemanticity", "histogram")},
		{"subconcept", "Images of neurons and of their pairs", resNets, []string{"retrieve"}, retrieveRows, retrieveSheets},
		{"segmentation", "Training-free segmentation", resNets, segmentations, segmentRows, segmentDrawings},
		{"shift", "Concepts over the years", resNets, []string{"shift"}, shiftRows, drawing("shift", "concepts over the years")},
		{textSpanResult, "Vision transformers by parts and texts (TextSpan)", viTs, textSpanSteps(), textSpanRows, nil},
		{secondOrderResult, "Effects of a layer's neurons through later heads", viTs, secondOrderSteps(), secondOrderRows, nil},
	}
}

// drawing returns the figure of a step whose only output is one.
func drawing(step, title string) func(map[string]*paper.Record) ([]paper.Figure, error) {
	return func(records map[string]*paper.Record) ([]paper.Figure, error) {
		var all []paper.Figure
		for path := range records[step].Outputs {
			all = append(all, paper.Figure{Title: title, Path: path})
		}
		return all, nil
	}
}

// published is a value from the paper.
func published(x float64) *float64 { return &x }

// expectedOn is the value expected for the example's data; nil for other data.
func (p *paperPlan) expectedOn(of func(e *demo.Expectation) (float64, bool)) (*float64, error) {
	if !p.onDemo {
		return nil, nil
	}
	e, err := demo.Expected()
	if err != nil {
		return nil, err
	}
	x, ok := of(e)
	if !ok {
		return nil, nil
	}
	return &x, nil
}

// decodeRecord reads what a step printed.
func decodeRecord[T any](records map[string]*paper.Record, step string) (T, error) {
	var result T
	if err := json.Unmarshal(records[step].Result, &result); err != nil {
		return result, fmt.Errorf("%s: %w", step, err)
	}
	return result, nil
}

func baselineRows(p *paperPlan, records map[string]*paper.Record) ([]paper.Row, error) {
	r, err := decodeRecord[evaluate.ReconstructResult](records, "reconstruct pairs")
	if err != nil {
		return nil, err
	}
	expected, err := p.expectedOn(func(e *demo.Expectation) (float64, bool) { return 100 * e.ZeroShotTop1, true })
	return []paper.Row{{
		Setting: "top-1", Value: 100 * r.Baseline.Top1, Unit: "%", Published: published(70.7), Expected: expected, Step: "reconstruct pairs",
	}}, err
}

func reconstructionRows(p *paperPlan, records map[string]*paper.Record) ([]paper.Row, error) {
	rows := []paper.Row{{Setting: "pairs, 1 component each", Published: published(70.7), Step: "reconstruct pairs"}}
	figures := map[int]float64{1: 66.9, 2: 69.0, 4: 70.0}
	for _, n := range paperPCs {
		rows = append(rows, paper.Row{Setting: fmt.Sprintf("neurons, %d", n), Published: published(figures[n]), Step: fmt.Sprintf("reconstruct neurons, %d", n)})
	}
	for i := range rows {
		r, err := decodeRecord[evaluate.ReconstructResult](records, rows[i].Step)
		if err != nil {
			return nil, err
		}
		rows[i].Value, rows[i].Unit = 100*r.Variants[0].Top1, "%"
		rows[i].Expected, err = p.expectedOn(func(e *demo.Expectation) (float64, bool) {
			return 100 * []float64{e.Reconstruction.Pairs, e.Reconstruction.Neurons}[min(i, 1)], i < 2
		})
		if err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// ablationRows returns the accuracies with few units kept. The paper reports losses from
// its baseline: about 5 points with 20 % of the pairs kept, about 25 with 20 % of the
// neurons.
func ablationRows(p *paperPlan, records map[string]*paper.Record) ([]paper.Row, error) {
	r, err := decodeRecord[evaluate.AblateResult](records, "ablate")
	if err != nil {
		return nil, err
	}
	var rows []paper.Row
	for i, v := range r.Variants {
		neurons := i >= len(paperPercentiles)
		percentile := paperPercentiles[i%len(paperPercentiles)]
		row := paper.Row{Setting: fmt.Sprintf("%g %% of the pairs kept", 100-percentile), Value: 100 * v.Top1, Unit: "%", Step: "ablate"}
		if neurons {
			row.Setting = fmt.Sprintf("%g %% of the neurons kept", 100-percentile)
		}
		if percentile == 80 {
			row.Setting += " (published: about 5 points lost)"
			row.Published = published(65.7)
			if neurons {
				row.Setting = strings.Replace(row.Setting, "about 5", "about 25", 1)
				row.Published = published(45.7)
			}
		}
		row.Expected, err = p.expectedOn(func(e *demo.Expectation) (float64, bool) {
			ablation := e.AblationPairs
			if neurons {
				ablation = e.AblationNeurons
			}
			x, ok := ablation[fmt.Sprintf("top %g%%", 100-percentile)]
			return 100 * x, ok
		})
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func sparseRows(_ *paperPlan, records map[string]*paper.Record) ([]paper.Row, error) {
	var rows []paper.Row
	for _, units := range []string{"pairs", "neurons"} {
		for _, m := range paperComponents {
			step := fmt.Sprintf("reconstruct %s, %d words", units, m)
			r, err := decodeRecord[evaluate.ReconstructResult](records, step)
			if err != nil {
				return nil, err
			}
			rows = append(rows, paper.Row{Setting: fmt.Sprintf("%s, %d words each", units, m), Value: 100 * r.Variants[0].Top1, Unit: "%", Step: step})
		}
	}
	return rows, nil
}

func polysemanticityRows(_ *paperPlan, records map[string]*paper.Record) ([]paper.Row, error) {
	r, err := decodeRecord[directions.PolysemanticityResult](records, "polysemanticity")
	if err != nil {
		return nil, err
	}
	var rows []paper.Row
	for _, u := range r.Units {
		rows = append(rows, paper.Row{Setting: "median of " + u.Unit + "s", Value: u.Median, Step: "polysemanticity"})
	}
	return rows, nil
}

// retrieveRows returns how much a pair's images differ from its neuron's: how many of
// the neuron's strongest images are among those of each of its strongest pairs.
func retrieveRows(_ *paperPlan, records map[string]*paper.Record) ([]paper.Row, error) {
	const pairs = 3 // of a neuron
	r, err := decodeRecord[retrieve.Result](records, "retrieve")
	if err != nil {
		return nil, err
	}
	var rows []paper.Row
	for _, n := range r.Neurons {
		whole := map[string]bool{}
		for _, image := range n.Units[0].Top {
			whole[image.Name] = true
		}
		for _, pair := range n.Units[1:min(1+pairs, len(n.Units))] {
			row := paper.Row{Setting: fmt.Sprintf("%s: how many of its %d strongest images are %s's too", pair.Unit, len(pair.Top), n.Neuron), Unit: "images", Step: "retrieve"}
			for _, image := range pair.Top {
				if whole[image.Name] {
					row.Value++
				}
			}
			rows = append(rows, row)
		}
	}
	return rows, nil
}

func retrieveSheets(records map[string]*paper.Record) ([]paper.Figure, error) {
	r, err := decodeRecord[retrieve.Result](records, "retrieve")
	var all []paper.Figure
	for _, n := range r.Neurons {
		all = append(all, paper.Figure{Title: "images of " + n.Neuron + " and its pairs", Path: n.Sheet})
		if heat := n.Units[0].Heat; heat != "" {
			all = append(all, paper.Figure{Title: "where " + n.Neuron + " is active in its images", Path: heat})
		}
	}
	return all, err
}

// segmentRows returns the methods' mIoU, with the paper's on PASCAL Context with a
// shorter side of 512.
func segmentRows(p *paperPlan, records map[string]*paper.Record) ([]paper.Row, error) {
	figures := map[string]float64{"pairs": 26.2, "neurons": 16.5, "heads": 24.7, "self-self": 22.2, "values": 22.8}
	var rows []paper.Row
	for _, run := range paperSegmentations {
		r, err := decodeRecord[segment.Result](records, run.step)
		if err != nil {
			return nil, err
		}
		for _, m := range r.Methods {
			if m.MIoU == nil {
				return nil, fmt.Errorf("segment: no class occurs in %d images", r.Images)
			}
			row := paper.Row{Setting: "mIoU of " + m.Method + run.what, Value: 100 * *m.MIoU, Unit: "%", Step: run.step}
			if run.what == "" {
				row.Published = published(figures[m.Method])
				row.Expected, err = p.expectedOn(func(e *demo.Expectation) (float64, bool) {
					x, ok := e.SegmentedBy(m.Method)
					return 100 * x.MIoU, ok
				})
				if err != nil {
					return nil, err
				}
			}
			rows = append(rows, row)
		}
	}
	return rows, nil
}

// segmentDrawings returns the figures of the first images.
func segmentDrawings(records map[string]*paper.Record) ([]paper.Figure, error) {
	const shown = 3
	r, err := decodeRecord[segment.Result](records, "segment")
	var all []paper.Figure
	for _, path := range r.Files[:min(shown, len(r.Files))] {
		all = append(all, paper.Figure{Title: "classes over an image", Path: path})
	}
	return all, err
}

func shiftRows(p *paperPlan, records map[string]*paper.Record) ([]paper.Row, error) {
	r, err := decodeRecord[shift.Result](records, "shift")
	if err != nil {
		return nil, err
	}
	figures := map[string]float64{"yellow": 0.85, "convertible": 0.71}
	var rows []paper.Row
	for _, c := range r.Concepts {
		row := paper.Row{Setting: "point-biserial r of " + c.Concept, Published: published(figures[c.Concept]), Step: "shift"}
		if c.Measured == nil || c.Measured.R == nil {
			return nil, fmt.Errorf("shift: %s has no correlation", c.Concept)
		}
		row.Value = *c.Measured.R
		row.Expected, err = p.expectedOn(func(e *demo.Expectation) (float64, bool) {
			x, ok := e.ShiftOf(c.Concept, r.K)
			return x.R, ok
		})
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}
