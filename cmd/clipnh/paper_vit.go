package main

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/clipnh/clipnh/internal/demo"
	"github.com/clipnh/clipnh/internal/paper"
	"github.com/clipnh/clipnh/internal/pipeline/model"
)

// The families of models that results are about.
const (
	resNets = "CLIP-ResNet"
	viTs    = "CLIP-ViT"
)

// What is said of published values.
const (
	viTNote = "No published figures are beside these: those of TextSpan (arXiv:2310.05916) and of the second-order work (arXiv:2406.04341) " +
		"are of models of OpenAI and LAION on ImageNet, and could not be looked up."
	viTDemoNote = "The model is the example's vision transformer, of 4 layers and trained on drawings: " +
		"the figures show that the steps run, and what they measure. Results of a real model need --model, --vocab, --words and --data-path."
)

// viTSteps makes steps that share their inputs.
type viTSteps struct {
	*paperPlan
	dir     string
	src     paperSources
	details string   // options of the model, for its commands
	places  []string // for strings.NewReplacer
}

// newViTPlan returns the steps for a vision transformer, which write below dir. onDemo: src is
// the example that the program carries. layer is that of the neurons of the second order.
func newViTPlan(dir string, src paperSources, details model.Details, layer int, onDemo bool) *paperPlan {
	p := &viTSteps{paperPlan: &paperPlan{onDemo: onDemo, steps: map[string]paper.Step{}, data: map[string]string{}}, dir: dir, src: src}
	p.details = detailArgs(details)
	imagenet := filepath.Join(src.data, demo.ImageNet)
	p.places = []string{
		"{model}", src.model, "{vocab}", src.vocab, "{words}", src.words, "{data}", imagenet, "{layer}", strconv.Itoa(layer),
		"{heads}", p.cached("heads"), "{mlps}", p.cached("mlps"), "{cls}", p.cached("cls_attn"),
		"{classes}", p.cached("classes.npy"), "{texts}", p.cached("words.npy"),
	}
	classes, needs := "--classnames IN", []string{src.model, src.vocab}
	if onDemo {
		templates, names := filepath.Join(src.data, demo.Templates), filepath.Join(src.data, filepath.FromSlash(demo.ImageNetClasses))
		classes, needs = "--lines {names} --templates {templates}", append(needs, templates, names)
		p.places = append(p.places, "{templates}", templates, "{names}", names)
	}
	p.add("classes of a ViT", needs, nil, []string{p.cached("classes.npy")},
		"embed --restart --model {model}"+p.details+" --vocab {vocab} "+classes+" --embeddings-save-path {classes}")
	p.add("words of a ViT", []string{src.model, src.vocab, src.words}, nil, []string{p.cached("words.npy")},
		"embed --restart --model {model}"+p.details+" --vocab {vocab} --lines {words} --use-templates=false --embeddings-save-path {texts}")
	p.addTextSpan()
	p.addSecondOrder()
	return p.paperPlan
}

// detailArgs are the options that say of a model what its weights do not, for a command line.
func detailArgs(d model.Details) string {
	args := ""
	if d.Heads != 0 {
		args = fmt.Sprintf(" --vit-heads %d", d.Heads)
	}
	if d.Activation != "" {
		args += " --activation " + d.Activation
	}
	return args
}

func (p *viTSteps) cached(name string) string { return filepath.Join(p.dir, "caches", "vit_"+name) }

func (p *viTSteps) add(name string, needs, after, outputs []string, line string, more ...string) {
	words := strings.Fields(line)
	for i, w := range words {
		words[i] = strings.NewReplacer(append(more, p.places...)...).Replace(w)
	}
	p.steps[name] = paper.Step{Name: name, Args: words, Inputs: needs, After: after, Outputs: outputs}
}

// viTEvaluated are the options of steps that measure accuracy.
const viTEvaluated = " --data-path {data} --imagenet-zeroshot-path {classes}"
