package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/clipnh/clipnh/internal/demo"
	"github.com/clipnh/clipnh/internal/paper"
	"github.com/clipnh/clipnh/internal/pipeline/model"
)

// A paperResult is one of the paper's results: the steps that it needs, in order, and
// how the result is read from what they printed.
type paperResult struct {
	name   string // on the command line
	title  string
	family string // of the models that it is about
	steps  []string
	// rows returns the values, from the steps' records.
	rows func(p *paperPlan, records map[string]*paper.Record) ([]paper.Row, error)
	// figures returns those that the steps drew; nil if they draw none.
	figures func(records map[string]*paper.Record) ([]paper.Figure, error)
}

// paperPlan is the steps of all results for one model and its data.
type paperPlan struct {
	onDemo bool
	steps  map[string]paper.Step
	data   map[string]string // the folder below --data-path that a step reads, by step
}

// paperSources is the inputs of a plan.
type paperSources struct {
	model, vocab, words, data string
	stride, valStride         int
	neurons                   string // whose images are shown
}

// The numbers of words that accuracy is measured with, and the percentiles of ablation.
var (
	paperComponents  = []int{8, 16, 32, 64, 128}
	paperPercentiles = []float64{0, 50, 80, 90, 95, 98}
	paperPCs         = []int{1, 2, 4} // components of each neuron
)

// paperSegmentations are the methods of the paper, on the first word of each class, and
// two variants that the paper does not have.
var paperSegmentations = []struct{ step, flags, what string }{
	{"segment", "--method pairs,neurons,heads,self-self,values --synonyms=false", ""},
	{"segment by all words", "--method pairs", ", every word of a class"},
	{"segment along colours", "--method pairs --synonyms=false --pamr-steps 10", ", refined along colours (PAMR, 10 steps)"},
}

// newPaperPlan returns the steps, which write below dir. onDemo: src is the example that
// the program carries.
func newPaperPlan(dir string, src paperSources, details model.Details, onDemo bool) *paperPlan {
	p := &paperPlan{onDemo: onDemo, steps: map[string]paper.Step{}, data: map[string]string{}}
	cached := func(name string) string { return filepath.Join(dir, "caches", name) }
	in := func(name string) string { return filepath.Join(src.data, filepath.FromSlash(name)) }
	imagenet := in(demo.ImageNet)

	add := func(name string, needs []string, after []string, outputs []string, line string, places ...string) {
		words := strings.Fields(strings.Replace(line, "--model {model}", "--model {model}"+detailArgs(details), 1))
		for i, w := range words {
			words[i] = strings.NewReplacer(places...).Replace(w)
		}
		p.steps[name] = paper.Step{Name: name, Args: words, Inputs: needs, After: after, Outputs: outputs}
	}
	texts := []string{"{model}", src.model, "{vocab}", src.vocab}
	templates, classes := "", "--classnames IN"
	needs := []string{src.model, src.vocab}
	config, neurons := "context59", src.neurons
	if onDemo {
		templates, classes = " --templates {templates}", "--lines {classes}"
		needs = append(needs, in(demo.Templates))
		config = "demo"
		texts = append(texts, "{templates}", in(demo.Templates), "{classes}", in(demo.ImageNetClasses))
	}
	add("classes", needs, nil, []string{cached("classes.npy")},
		"embed --restart --model {model} --vocab {vocab} "+classes+templates+" --embeddings-save-path {out}", append(texts, "{out}", cached("classes.npy"))...)
	add("words", append(slices.Clone(needs), src.words), nil, []string{cached("words.npy")},
		"embed --restart --model {model} --vocab {vocab} --lines {words}"+templates+" --embeddings-save-path {out}", append(texts, "{words}", src.words, "{out}", cached("words.npy"))...)

	for _, c := range []struct {
		name, kind, folder string
		stride             int
	}{{"test", "imagenet_test", "test", src.stride}, {"val", "imagenet_val", "val", src.valStride}} {
		p.data[c.name] = filepath.Join(imagenet, c.folder)
		add(c.name, []string{src.model, p.data[c.name]}, nil, []string{cached(c.name)},
			"collect --model {model} --dataset "+c.kind+" --data-path {data} --sample-stride {stride} --save-path {out}",
			"{model}", src.model, "{data}", imagenet, "{stride}", strconv.Itoa(c.stride), "{out}", cached(c.name))
	}
	add("directions", nil, []string{"test"}, []string{cached("pc0.npy"), cached("means.npy"), cached("norms.npy")},
		"svd --restart --scores {test} --out-save-path {pc0} --mean-save-path {means} --norm-save-path {norms}",
		"{test}", cached("test"), "{pc0}", cached("pc0.npy"), "{means}", cached("means.npy"), "{norms}", cached("norms.npy"))
	for pc := range paperPCs[len(paperPCs)-1] {
		name := fmt.Sprintf("directions of neurons, PC %d", pc)
		out := cached(fmt.Sprintf("pc%d_n.npy", pc))
		line, outputs := "svd --restart --mode n --pc-idx {pc} --scores {test} --out-save-path {out}", []string{out}
		if pc == 0 {
			line += " --mean-save-path {means} --norm-save-path {norms}"
			outputs = append(outputs, cached("means_n.npy"), cached("norms_n.npy"))
		}
		add(name, nil, []string{"test"}, outputs, line, "{pc}", strconv.Itoa(pc), "{test}", cached("test"), "{out}", out,
			"{means}", cached("means_n.npy"), "{norms}", cached("norms_n.npy"))
	}
	evaluated := " --scores {val} --data-path {data} --imagenet-zeroshot-path {classes}"
	evaluation := []string{"{val}", cached("val"), "{data}", imagenet, "{classes}", cached("classes.npy")}
	add("reconstruct pairs", nil, []string{"classes", "val", "directions"}, nil,
		"reconstruct --pcs-paths {pc0} --means-path {means}"+evaluated, append(evaluation, "{pc0}", cached("pc0.npy"), "{means}", cached("means.npy"))...)
	for _, n := range paperPCs {
		var paths []string
		after := []string{"classes", "val"}
		for pc := range n {
			paths = append(paths, cached(fmt.Sprintf("pc%d_n.npy", pc)))
			after = append(after, fmt.Sprintf("directions of neurons, PC %d", pc))
		}
		add(fmt.Sprintf("reconstruct neurons, %d", n), nil, after, nil,
			"reconstruct --pcs-paths {pcs} --means-path {means}"+evaluated, append(evaluation, "{pcs}", strings.Join(paths, ","), "{means}", cached("means_n.npy"))...)
	}
	curve := filepath.Join(dir, "ablation.png")
	add("ablate", nil, []string{"classes", "val", "directions", "directions of neurons, PC 0"}, []string{curve},
		"ablate --percentile {percentiles} --neuron-head-norms-path {norms} --neurons-norms-path {norms_n} --means-path {means} --plot {plot}"+evaluated,
		append(evaluation, "{percentiles}", joinNumbers(paperPercentiles), "{norms}", cached("norms.npy"), "{norms_n}", cached("norms_n.npy"), "{means}", cached("means.npy"), "{plot}", curve)...)
	for _, units := range []struct{ of, suffix, directions string }{{"pairs", "", "directions"}, {"neurons", "_n", "directions of neurons, PC 0"}} {
		for _, m := range paperComponents {
			codes := cached(fmt.Sprintf("codes%d%s.npz", m, units.suffix))
			sparse := fmt.Sprintf("code %s, %d words", units.of, m)
			add(sparse, []string{src.words}, []string{"words", units.directions}, []string{codes},
				"sparse --pcs-path {pcs} --text-descs-list-path {words} --text-descs-embeddings-path {embeddings} --num-components {m} --decomposition-save-path {codes}",
				"{pcs}", cached("pc0"+units.suffix+".npy"), "{words}", src.words, "{embeddings}", cached("words.npy"), "{m}", strconv.Itoa(m), "{codes}", codes)
			add(fmt.Sprintf("reconstruct %s, %d words", units.of, m), nil, []string{"classes", "val", "words", sparse, units.directions}, nil,
				"reconstruct --codes {codes} --text-descs-embeddings-path {embeddings} --means-path {means}"+evaluated,
				append(evaluation, "{codes}", codes, "{embeddings}", cached("words.npy"), "{means}", cached("means"+units.suffix+".npy"))...)
		}
	}
	histogram := filepath.Join(dir, "polysemanticity.png")
	add("polysemanticity", nil, []string{"test"}, []string{histogram},
		"polysemanticity --scores {test} --plot {plot}", "{test}", cached("test"), "{plot}", histogram)
	add("retrieve", []string{src.model, src.words}, []string{"test", "words", "code pairs, 8 words"}, []string{filepath.Join(dir, "retrieved")},
		"retrieve --neur-idxs {neurons} --scores {test} --model {model} --data-path {data} --codes {codes} --text-descs-list-path {words} --save-dir {out}",
		"{neurons}", neurons, "{test}", cached("test"), "{model}", src.model, "{data}", imagenet, "{codes}", cached("codes8.npz"), "{words}", src.words,
		"{out}", filepath.Join(dir, "retrieved"))

	for _, run := range paperSegmentations {
		p.data[run.step] = in(demo.PascalContext)
		out := filepath.Join(dir, "segmented", strings.ReplaceAll(run.step, " ", "-"))
		add(run.step, append(slices.Clone(needs), p.data[run.step]), []string{"directions"}, []string{out},
			"segment --config "+config+" --model {model} --vocab {vocab} --pcs-path {pc0} --data-path {data} --show-dir {out} "+run.flags+templates,
			append(texts, "{pc0}", cached("pc0.npy"), "{data}", p.data[run.step], "{out}", out)...)
	}
	p.data["shift"] = in(demo.Cars)
	figure := filepath.Join(dir, "shift.png")
	add("shift", append(slices.Clone(needs), p.data["shift"], in(demo.CarColours)), []string{"directions"}, []string{figure},
		"shift --dataset cars --concepts yellow,convertible --model {model} --vocab {vocab} --pcs-path {pc0} --data-path {data} --colours-csv {csv} --plot {plot}"+templates,
		append(texts, "{pc0}", cached("pc0.npy"), "{data}", p.data["shift"], "{csv}", in(demo.CarColours), "{plot}", figure)...)
	return p
}

func joinNumbers(numbers []float64) string {
	var words []string
	for _, x := range numbers {
		words = append(words, strconv.FormatFloat(x, 'g', -1, 64))
	}
	return strings.Join(words, ",")
}

// needed returns the names of some steps and of all that must run before them, in order.
func (p *paperPlan) needed(names []string) []string {
	var order []string
	var visit func(name string)
	visit = func(name string) {
		if slices.Contains(order, name) {
			return
		}
		for _, before := range p.steps[name].After {
			visit(before)
		}
		order = append(order, name)
	}
	for _, name := range names {
		visit(name)
	}
	return order
}

// lacking returns the first path that the steps read and that does not exist, or "".
func (p *paperPlan) lacking(names []string) string {
	for _, name := range names {
		if path, needs := p.data[name]; needs {
			if _, err := os.Stat(path); err != nil {
				return path
			}
		}
	}
	return ""
}

// run runs the steps that a result needs.
func (p *paperPlan) run(ctx context.Context, r *paper.Runner, result paperResult, say func(step string, executed bool, rec *paper.Record)) (map[string]*paper.Record, error) {
	records := map[string]*paper.Record{}
	for _, name := range p.needed(result.steps) {
		rec, executed, err := r.Run(ctx, p.steps[name])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		records[name] = rec
		say(name, executed, rec)
	}
	return records, nil
}
