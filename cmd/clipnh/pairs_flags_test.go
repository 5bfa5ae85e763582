package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// Why a flag that names a file is in no pairing.
const (
	names    = "names of units or labels of images, in a table of the user's"
	written  = "is only written"
	photos   = "images, which are compared by their names and sizes: see TestImagesThatChanged and the scripts"
	prompt   = "texts are embedded with it in the same run; embeddings keep its hash"
	labels   = "labels of images, matched by name"
	measured = "of words, and keeps how these were found: see report.txtar"
	alone    = "the command reads no other artefact"
	ofViTs   = "of vision transformers: see TestAblateFirstOrderRefuses and textspan.txtar"
	ofReport = "is compared with the hash that the report keeps: see explore.txtar"
)

// unpaired are the flags that name files and are in no pairing, by command.
var unpaired = map[string]map[string]string{
	"clipnh ablate":          {"units-file": names, "groups-csv": names, "data-path": photos, "features-save-path": written, "plot": written, "parts": ofViTs},
	"clipnh audit":           {"data-path": photos, "labels-csv": labels, "vocab": prompt, "templates": prompt, "parts": ofViTs, "out": written},
	"clipnh classify":        {"data-path": photos, "labels-csv": labels, "vocab": prompt, "templates": prompt},
	"clipnh collect":         {"data-path": photos},
	"clipnh data check":      {"data-path": photos},
	"clipnh data list":       {"data-path": photos, "save-path": written},
	"clipnh data subset":     {"data-path": photos, "save-path": written},
	"clipnh demo":            {"dir": written},
	"clipnh describe":        {"image": photos, "attributes": labels},
	"clipnh docs":            {"man-path": written, "markdown-path": written},
	"clipnh edit":            {"data-path": photos, "vocab": prompt, "templates": prompt, "save-path": written},
	"clipnh embed":           {"model": alone, "vocab": prompt, "lines": prompt, "templates": prompt, "embeddings-save-path": written},
	"clipnh explain":         {"data-path": photos, "vocab": prompt, "templates": prompt, "save-dir": written},
	"clipnh explore":         {"model": ofReport, "scores": ofReport, "pcs-path": ofReport, "imagenet-zeroshot-path": ofReport, "data-path": photos, "vocab": prompt, "templates": prompt},
	"clipnh export":          {"model": alone, "save-path": written},
	"clipnh info":            {"model": alone, "graph": written},
	"clipnh mask":            {"units-file": names, "mask-save-path": written},
	"clipnh merge":           {"save-path": written, "plot": written},
	"clipnh paper":           {"dir": "steps, which are compared by their commands", "model": alone, "vocab": prompt, "words": prompt, "data-path": photos},
	"clipnh mislead":         {"data-path": photos, "labels-csv": labels, "vocab": prompt, "templates": prompt},
	"clipnh polysemanticity": {"scores": alone, "scores-save-path": written, "plot": written},
	"clipnh reconstruct":     {"data-path": photos, "features-save-path": written},
	"clipnh registers":       {"data-path": photos},
	"clipnh report":          {"data-path": photos, "groups-csv": labels, "word-scores-path": measured, "parts": ofViTs, "out": written},
	"clipnh retrieve":        {"data-path": photos, "vocab": prompt, "templates": prompt, "save-dir": written},
	"clipnh search":          {"data-path": photos, "image": photos, "vocab": prompt, "templates": prompt, "save-dir": written},
	"clipnh score":           {"attributes": labels, "save-path": written},
	"clipnh show":            {"parts": ofViTs, "spans-path": ofViTs},
	"clipnh segment":         {"data-path": photos, "image": photos, "masks": photos, "vocab": prompt, "templates": prompt, "show-dir": written, "save-dir": written, "probabilities-dir": written},
	"clipnh shift":           {"data-path": photos, "vocab": prompt, "templates": prompt, "colours-csv": labels, "labels-csv": labels, "plot": written, "junit": written, "openmetrics": written},
	"clipnh sparse":          {"descriptions-save-path": written},
	"clipnh svd":             {"scores": alone, "out-save-path": written, "mean-save-path": written, "norm-save-path": written},
	"clipnh textspan":        {"data-path": photos, "parts": ofViTs, "features-save-path": written, "save-path": written},
	"clipnh watch":           {"vocab": prompt, "templates": prompt, "plot": written, "save-path": written, "junit": written, "openmetrics": written},
	"clipnh verify":          {"model": "of --repair: see TestRepairRefuses", "data-path": photos},
}

// apart are command lines that have two of a command's paired flags, which no pairing
// has together: they are refused before a file is opened.
var apart = []string{
	"ablate --scores x --model x --dataset images --data-path x --means-path x --replace-index-path x" + features,
	"ablate --scores x --means-path x --replace-index-path x --neuron-head-norms-path x" + features,
	"ablate --scores x --means-path x --replace-index-path x --neurons-norms-path x" + features,
	"ablate --scores x --means-path x --replace-index-path x --neuron-acts-norms-path x" + features,
	"ablate --scores x --mode zero_register_neurons --neurons-sink-diffs-path x" + features,
	"ablate --scores x --mode neur_acts --means-path x --percentile 50 --neuron-acts-norms-path x" + features,
	"describe h0n0 --codes x --svd-scores x --text-descs-list-path x",
	"edit --model x --remove n1 --means-path x --scores x --save-path x.pt",
	"describe h0n0 --codes x --text-descs-embeddings-path x --text-descs-list-path x",
	"explain x.jpg --model x --vocab x --classes x,y --scores x --means-path x",
	"explain x.jpg --model x --vocab x --classes x,y --codes x --text-descs-embeddings-path x --text-descs-list-path x",
	"explain x.jpg --model x --vocab x --classes x,y --codes x --pcs-path x --text-descs-list-path x",
	"explain x.jpg --model x --vocab x --classes x,y --codes x --neuron-pcs-path x --text-descs-list-path x",
	"audit --scores x --imagenet-zeroshot-path x --classes x,y --codes x --text-descs-embeddings-path x --text-descs-list-path x --out x",
	"audit --scores x --imagenet-zeroshot-path x --classes x,y --codes x --pcs-path x --text-descs-list-path x --out x",
	"audit --scores x --imagenet-zeroshot-path x --classes x,y --codes x --spans-path x.txt --text-descs-list-path x --out x",
	"audit --scores x --imagenet-zeroshot-path x --classes x,y --pcs-path x --text-descs-embeddings-path x --text-descs-list-path x --spans-path x.txt --out x",
	"mislead --from x --to y --pcs-path x --text-descs-list-path x --text-descs-embeddings-path x --classes x,y --imagenet-zeroshot-path x --model x",
	"mislead --from x --to y --pcs-path x --text-descs-list-path x --text-descs-embeddings-path x --model x --vocab x --classes x,y",
	"mislead --from x --to y --pcs-path x --text-descs-list-path x --text-descs-embeddings-path x --model x --vocab x --codes x --svd-scores x",
	"mask --neuron-acts-norms-path x --neuron-head-norms-path x --mask-save-path x.npy",
	"mask --neuron-acts-norms-path x --neurons-norms-path x --mask-save-path x.npy",
	"mask --neuron-head-norms-path x --neurons-norms-path x --mask-save-path x.npy",
	"reconstruct --scores x --model x --dataset images --data-path x --means-path x --pcs-paths x" + features,
	"reconstruct --scores x --means-path x --pcs-paths x --codes x --text-descs-embeddings-path x" + features,
	"sparse --pcs-path x --svd-scores x --text-descs-embeddings-path x --text-descs-list-path x --decomposition-save-path x.npz",
	"score --scores x --pcs-path x --codes x --svd-scores x --text-descs-embeddings-path x --text-descs-list-path x",
	"describe n1 --codes x --pcs-path x --svd-scores x --text-descs-list-path x",
	"edit --model x --remove h0n1 --means-path x --scores x --save-path x.pt",
	"explain x.png --model x --classes x,y --imagenet-zeroshot-path x --means-path x --scores x --unusual",
	"segment --model x --vocab x --pcs-path x --image x --classes x,y --save-path x.json",
	"report --scores x --codes x --text-descs-embeddings-path x --neuron-pcs-path x --text-descs-list-path x --out x",
	"report --scores x --spans-path x --codes x --out x",
	"report --scores x --spans-path x --pcs-path x --out x",
	"report --scores x --spans-path x --neuron-pcs-path x --out x",
	"report --scores x --spans-path x --imagenet-zeroshot-path x --out x",
	"show h0n0 --scores x --codes x --text-descs-embeddings-path x --text-descs-list-path x",
	"show h0n0 --scores x --codes x --pcs-path x --text-descs-list-path x",
	"show h0n0 --scores x --codes x --neuron-pcs-path x --text-descs-list-path x",
	"shift --scores x --shard 1/2 --save-path x.json --concepts x --pcs-path x --text-embeddings-path x",
	"watch --reference x --scores x --model x --concepts x --pcs-path x --text-embeddings-path x",
	"watch --reference x --scores x --model x --vocab x --concepts x --pcs-path x --lines x",
	"shift --watch x --scores x --shard 1/2 --save-path x.json --concepts x --pcs-path x --text-embeddings-path x",
}

// namesFile reports whether a flag's value is a path.
func namesFile(f *pflag.Flag) bool {
	placeholder, _ := pflag.UnquoteUsage(f)
	name, _, _ := strings.Cut(placeholder, ",")
	return slices.Contains([]string{"FILE", "PATH", "DIR", "REF"}, name) || f.Name == "classes" || f.Name == "config" // names, or a file of them
}

// pairedFlags returns the flags of a command that a pairing gives inputs to.
func pairedFlags(p pairing) []string {
	var flags []string
	words := strings.Fields(p.line)
	for i, word := range words[1:] {
		if strings.HasPrefix(word, "{") && strings.HasPrefix(words[i], "--") {
			flags = append(flags, strings.TrimPrefix(words[i], "--"))
		}
	}
	return flags
}

// TestEveryInputIsPaired holds that every flag of every command that names a file is in
// a pairing, each two of them in the same one where they can be given together, so that
// TestInputsBelongTogether also tries flags that are added later.
func TestEveryInputIsPaired(t *testing.T) {
	count := 0
	for _, cmd := range everyCommand() {
		path := cmd.CommandPath()
		together := apartFlags(t, path)
		paired := map[string]bool{}
		for _, p := range pairings {
			if commandOf(t, p.line) != path {
				continue
			}
			flags := pairedFlags(p)
			for _, a := range flags {
				paired[a] = true
				for _, b := range flags {
					together[[2]string{a, b}] = true
				}
			}
		}
		known := map[string]bool{}
		cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
			known[f.Name] = true
			why := unpaired[path][f.Name]
			if namesFile(f) && !paired[f.Name] && why == "" {
				t.Errorf("%s: --%s names a file and is in no pairing", path, f.Name)
			}
			if paired[f.Name] && why != "" {
				t.Errorf("%s: --%s is in a pairing, and is said to be in none", path, f.Name)
			}
		})
		for name := range unpaired[path] {
			if !known[name] {
				t.Errorf("%s: no flag --%s", path, name)
			}
		}
		for a := range paired {
			for b := range paired {
				if a < b && !together[[2]string{a, b}] {
					t.Errorf("%s: --%s and --%s are in no pairing together", path, a, b)
				} else if a < b {
					count++
				}
			}
		}
	}
	t.Logf("%d pairs of flags", count)
}

// apartFlags runs the lines of a command in apart, and returns their pairs of flags.
func apartFlags(t *testing.T, path string) map[[2]string]bool {
	t.Helper()
	pairs := map[[2]string]bool{}
	for _, line := range apart {
		if commandOf(t, line) != path {
			continue
		}
		must(t, exitUsage, strings.Fields(line)...)
		var flags []string
		for word := range strings.FieldsSeq(line) {
			if name, found := strings.CutPrefix(word, "--"); found {
				flags = append(flags, name)
			}
		}
		for _, a := range flags {
			for _, b := range flags {
				pairs[[2]string{a, b}] = true
			}
		}
	}
	return pairs
}

// commandOf is the path of a line's command.
func commandOf(t *testing.T, line string) string {
	t.Helper()
	found, _, err := newRootCommand(new(globalOptions)).Find(strings.Fields(line))
	if err != nil {
		t.Fatal(err)
	}
	return found.CommandPath()
}
