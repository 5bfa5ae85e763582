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

// The families of models that results are about.
const (
	resNets = "CLIP-ResNet"
	viTs    = "CLIP-ViT"
)

// textSpanResult is TextSpan's.
const textSpanResult = "textspan"

// textSpanTexts are the numbers of texts that each head is rebuilt from.
var textSpanTexts = []int{10, 20, 60}

// textSpanLayers is of how many last layers heads are rebuilt.
const textSpanLayers = 4

// What is said of published values.
const (
	textSpanNote     = "No published figures are beside these: table 1 of TextSpan (arXiv:2310.05916) has accuracies of models trained on LAION-2B, on ImageNet."
	textSpanDemoNote = "The model is a tiny vision transformer with random weights, its classes are 8 images themselves, and its texts are random: " +
		"the figures show that the steps run, and nothing else. Results of a real model need --model, --vocab, --words and --data-path."
)

func textSpanSteps() []string {
	steps := []string{"ablate parts"}
	for _, k := range textSpanTexts {
		steps = append(steps, textSpanStep(k))
	}
	return steps
}

func textSpanStep(texts int) string { return fmt.Sprintf("textspan, %d texts", texts) }

// newTextSpanPlan returns the steps for a vision transformer, which write below dir. onDemo:
// src is the tiny one that the program carries.
func newTextSpanPlan(dir string, src paperSources, onDemo bool) *paperPlan {
	p := &paperPlan{onDemo: onDemo, steps: map[string]paper.Step{}, data: map[string]string{}}
	cached := func(name string) string { return filepath.Join(dir, "caches", name) }
	imagenet := filepath.Join(src.data, demo.ImageNet)
	val := filepath.Join(imagenet, "val")
	places := []string{
		"{model}", src.model, "{vocab}", src.vocab, "{words}", src.words, "{data}", imagenet, "{stride}", strconv.Itoa(src.valStride),
		"{heads}", cached("vit_heads"), "{mlps}", cached("vit_mlps"), "{cls}", cached("vit_cls_attn"),
		"{classes}", cached("vit_classes.npy"), "{texts}", cached("vit_words.npy"),
	}
	details := ""
	if onDemo {
		places = append([]string{"{classes}", filepath.Join(src.data, demo.ViTClasses), "{texts}", filepath.Join(src.data, demo.ViTTextsEmbeddings)}, places...)
		details = fmt.Sprintf(" --vit-heads %d --activation %s", demo.ViTHeads, demo.ViTActivation)
	}
	add := func(name string, needs, after, outputs []string, line string, more ...string) {
		words := strings.Fields(line)
		for i, w := range words {
			words[i] = strings.NewReplacer(append(more, places...)...).Replace(w)
		}
		p.steps[name] = paper.Step{Name: name, Args: words, Inputs: needs, After: after, Outputs: outputs}
	}
	var embedded []string // steps
	if !onDemo {
		embedded = []string{"classes of a ViT", "words of a ViT"}
		add("classes of a ViT", []string{src.model, src.vocab}, nil, []string{cached("vit_classes.npy")},
			"embed --restart --model {model} --vocab {vocab} --classnames IN --embeddings-save-path {classes}")
		add("words of a ViT", []string{src.model, src.vocab, src.words}, nil, []string{cached("vit_words.npy")},
			"embed --restart --model {model} --vocab {vocab} --lines {words} --use-templates=false --embeddings-save-path {texts}")
	}
	for mode, name := range map[string]string{"heads": "vit_heads", "mlps": "vit_mlps", "cls_attn": "vit_cls_attn"} {
		p.data[mode] = val
		add(mode, []string{src.model, val}, nil, []string{cached(name)},
			"collect --model {model}"+details+" --dataset imagenet_val --data-path {data} --sample-stride {stride} --mode "+mode+" --form published --dtype float16 --save-path {out}",
			"{out}", cached(name))
	}
	evaluated := " --data-path {data} --imagenet-zeroshot-path {classes}"
	add("ablate parts", nil, append([]string{"heads", "mlps", "cls_attn"}, embedded...), nil, "ablate --scores {heads} --parts {mlps},{cls}"+evaluated)
	for _, k := range textSpanTexts {
		out := filepath.Join(dir, fmt.Sprintf("textspan%d.txt", k))
		add(textSpanStep(k), []string{src.words}, append([]string{"heads", "mlps"}, embedded...), []string{out},
			"textspan --restart --scores {heads} --parts {mlps} --text-descs-list-path {words} --text-descs-embeddings-path {texts} --texts-per-head {k} --num-of-last-layers {layers} --save-path {out}"+evaluated,
			"{k}", strconv.Itoa(k), "{layers}", strconv.Itoa(textSpanLayers), "{out}", out)
	}
	return p
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
	layers := slices.DeleteFunc(slices.Clone(r.Variants), func(v evaluate.VariantScore) bool { return !strings.HasPrefix(v.Variant, evaluate.AblateLayers) })
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
	for i, v := range layers {
		if kept := len(layers) - 1 - i; kept <= textSpanLayers {
			rows = append(rows, row("attention of "+allBut(kept)+" at its mean", v, "ablate parts"))
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
