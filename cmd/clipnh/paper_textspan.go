package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/clipnh/clipnh/internal/demo"
	"github.com/clipnh/clipnh/internal/paper"
	"github.com/clipnh/clipnh/internal/pipeline/evaluate"
)

// This file is the result of TextSpan (arXiv:2310.05916), which is about vision
// transformers: accuracy with whole parts at their means, and with heads rebuilt from texts.

// textSpanResult is TextSpan's.
const textSpanResult = "textspan"

// textSpanTexts are the numbers of texts that each head is rebuilt from.
var textSpanTexts = []int{10, 20, 60}

// textSpanLayers is of how many last layers heads are rebuilt.
const textSpanLayers = 4

func textSpanSteps() []string {
	steps := []string{"ablate parts"}
	for _, k := range textSpanTexts {
		steps = append(steps, textSpanStep(k))
	}
	return steps
}

func textSpanStep(texts int) string { return fmt.Sprintf("textspan, %d texts", texts) }

// addTextSpan adds TextSpan's steps.
func (p *viTSteps) addTextSpan() {
	val := filepath.Join(p.src.data, demo.ImageNet, "val")
	embedded := []string{"classes of a ViT", "words of a ViT"}
	for _, mode := range []string{"heads", "mlps", "cls_attn"} {
		p.data[mode] = val
		p.add(mode, []string{p.src.model, val}, nil, []string{p.cached(mode)},
			"collect --model {model}"+p.details+" --dataset imagenet_val --data-path {data} --sample-stride {stride} --mode "+mode+" --form published --dtype float16 --save-path {out}",
			"{stride}", strconv.Itoa(p.src.valStride), "{out}", p.cached(mode))
	}
	p.add("ablate parts", nil, append([]string{"heads", "mlps", "cls_attn"}, embedded...), nil, "ablate --scores {heads} --parts {mlps},{cls}"+viTEvaluated)
	for _, k := range textSpanTexts {
		out := filepath.Join(p.dir, fmt.Sprintf("textspan%d.txt", k))
		p.add(textSpanStep(k), []string{p.src.words}, append([]string{"heads", "mlps"}, embedded...), []string{out},
			"textspan --restart --scores {heads} --parts {mlps} --text-descs-list-path {words} --text-descs-embeddings-path {texts} --texts-per-head {k} --num-of-last-layers {layers} --save-path {out}"+viTEvaluated,
			"{k}", strconv.Itoa(k), "{layers}", strconv.Itoa(textSpanLayers), "{out}", out)
	}
}

// textSpanRows returns accuracies with parts at their means, and with heads rebuilt.
func textSpanRows(p *paperPlan, records map[string]*paper.Record) ([]paper.Row, error) {
	r, err := decodeRecord[evaluate.AblateResult](records, "ablate parts")
	if err != nil {
		return nil, err
	}
	row := func(setting string, v evaluate.VariantScore, step string) paper.Row {
		return paper.Row{Setting: setting, Value: 100 * v.Top1, Unit: "%", Step: step}
	}
	rows := []paper.Row{row("nothing at its mean", r.Baseline, "ablate parts")}
	// cumulative are the variants of a mode with layers, from that of the first layer on.
	cumulative := func(mode string) []evaluate.VariantScore {
		return slices.DeleteFunc(slices.Clone(r.Variants), func(v evaluate.VariantScore) bool { return !strings.HasPrefix(v.Variant, mode) })
	}
	for _, v := range r.Variants {
		switch v.Variant {
		case evaluate.AblateMLPs:
			rows = append(rows, row("MLPs at their means", v, "ablate parts"))
		case evaluate.AblateClass:
			rows = append(rows, row("attention to the class token at its mean", v, "ablate parts"))
		case evaluate.AblateMLPsAndClass:
			rows = append(rows, row("both at their means", v, "ablate parts"))
		}
	}
	for _, of := range []struct{ mode, setting string }{
		{evaluate.AblateLayers, "attention of %s at its mean"},
		{evaluate.AblateTogether, "MLPs, attention to the class token and that of %s at their means"},
	} {
		layers := cumulative(of.mode)
		for i, v := range layers {
			if kept := len(layers) - 1 - i; kept <= textSpanLayers {
				rows = append(rows, row(fmt.Sprintf(of.setting, allBut(kept)), v, "ablate parts"))
			}
		}
	}
	for _, k := range textSpanTexts {
		step := textSpanStep(k)
		spans, err := decodeRecord[evaluate.TextSpanResult](records, step)
		if err != nil {
			return nil, err
		}
		if spans.Evaluation == nil {
			return nil, fmt.Errorf("%s: no accuracies", step)
		}
		for _, v := range spans.Evaluation.Variants {
			setting := fmt.Sprintf("heads of the last %d layers from %d texts each", textSpanLayers, k)
			if v.Variant != "rebuilt" {
				setting += ", those of earlier layers at their means"
			}
			rows = append(rows, row(setting, v, step))
		}
	}
	return rows, nil
}

// allBut names all layers but the last few.
func allBut(last int) string {
	switch last {
	case 0:
		return "all layers"
	case 1:
		return "all but the last layer"
	}
	return fmt.Sprintf("all but the last %d layers", last)
}
