package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// sharedFlags are the flags that may have a value for all commands, in the project file or
// in a variable of the environment: inputs, and how the machine is used, with one meaning
// in all commands. None says where to write.
var sharedFlags = []string{
	"model", "vit-heads", "activation", "image-mean", "image-std", "image-resize", "vocab", "templates", "use-templates", "classes",
	"data-path", "dataset", "label-key", "sample-stride", "scores", "shape", "exif", "preprocess", "max-pixels",
	"pcs-path", "neuron-pcs-path", "means-path", "codes", "text-descs-list-path", "text-descs-embeddings-path", "imagenet-zeroshot-path",
	"precision", "batch-size", "threads", "progress", "quiet", "verbose", "no-lock", "no-packed-cache",
}

// typedFlags take their value from the command line only: those that discard or accept
// what is refused otherwise, and those that ask for something else than the command. Some
// are so in one command only.
var typedFlags = []string{"force", "restart", "repair", "help", "version", "merge plot"}

// ownMeanings are flags by the commands in which a value for all commands would mean
// something else, or ask for long work that was not asked for; * is every flag but the
// global ones.
var ownMeanings = map[string][]string{
	"paper":       {"*"}, // without any of its inputs it is about the example
	"verify":      {"*"},
	"data subset": {"data-path", "sample-stride"},
	"data check":  {"data-path"},
	"segment":     {"data-path"},
	"edit":        {"data-path"},
	"export":      {"precision"},              // of what is stored
	"explain":     {"imagenet-zeroshot-path"}, // has other classes than those named
	"audit":       {"imagenet-zeroshot-path"},
	"classify":    {"imagenet-zeroshot-path"},
	"mislead":     {"imagenet-zeroshot-path", "classes", "scores", "data-path", "dataset", "label-key"}, // of images with labels, which it does not need
	"reconstruct": {"codes"},                                                                            // instead of components
	"textspan":    {"scores"},                                                                           // are heads
}

// isTyped reports whether a flag of a command is one of typedFlags.
func isTyped(command, flag string) bool {
	return slices.Contains(typedFlags, flag) || slices.Contains(typedFlags, command+" "+flag)
}

// companions are flags whose values belong to that of another: the layout of a folder is
// not that of another folder. If the other is set by someone else to another value, they
// stand aside.
var companions = map[string][]string{
	"vit-heads": {"model"}, "activation": {"model"}, "image-mean": {"model"}, "image-std": {"model"}, "image-resize": {"model"},
	"dataset": {"data-path"}, "label-key": {"data-path", "dataset"}, "sample-stride": {"data-path"},
	"scores": {"data-path", "model"}, "shape": {"scores"},
	"pcs-path": {"model"}, "neuron-pcs-path": {"model"}, "means-path": {"model"}, "codes": {"model", "pcs-path"},
	"text-descs-embeddings-path": {"model", "text-descs-list-path"}, "imagenet-zeroshot-path": {"model", "classes"},
	"lines": {"text-embeddings-path"}, "text-embeddings-path": {"model"},
	"labels-csv": {"data-path", "scores", "classes"}, "groups-csv": {"data-path", "scores"}, "colours-csv": {"data-path"}, "attributes": {"scores"},
	"label-column": {"concepts"}, "class": {"classes"}, "versus": {"classes"},
}

// collectedWith are the commands in which images are those that scores were collected of: they
// stand aside for scores that are given, unless their source has the same.
const collectedWith = "search classify retrieve reconstruct ablate report audit shift"

// A presetRule says when a value that was not given stands aside, so that it never
// contradicts one that was. Conditions are names of flags that are set, or
//
//	flag=value   the flag has this value, or it is one of its values
//	flag=*.npy   the flag's value ends so
//	flag>1       the flag has several values
//	a&b          both hold
//	args         there are arguments
type presetRule struct {
	commands string // separated by blanks; empty: all
	flags    string // separated by blanks
	not      string // stands aside if one of these conditions holds
	given    string // stands aside if one of these flags is on the command line
	needs    string // stands aside if none of these conditions holds
}

// towerOnly are flags that say how images are read and sent through a tower, which scores
// that were collected before do not need.
const towerOnly = "precision batch-size exif max-pixels strict preprocess sample-stride"

// notOfHeads are the flags of retrieve that are about pairs and neurons.
const notOfHeads = "neur-idxs pairs text-pairs weigh-by-norm scores shape pcs-path neuron-pcs-path neuron-layer heads copies copy-side codes " +
	"text-descs-list-path text-descs-embeddings-path num-components"

// imagesOnly are the flags of describe that are about images in place of units.
const imagesOnly = "scores model vit-heads activation image-mean image-std image-resize top-images list"

const tokenModes = "mode=neur_acts mode=zero_sink mode=zero_register_neurons"

// partModes are those of heads and MLPs, which --parts implies.
const partModes = "mode=mlps mode=cls_attn mode=mlps+cls_attn mode=layers mode=mlps+cls_attn+layers mode=heads parts"

var presetRules = []presetRule{
	{flags: "templates", not: "use-templates=false"},
	{flags: "use-templates", not: "templates", given: "templates"},
	{commands: "segment shift watch", flags: "templates", not: "text-embeddings-path"},
	{commands: "shift watch", flags: "use-templates", not: "text-embeddings-path"},
	{commands: "segment", flags: "text-embeddings-path", given: "vocab templates"},
	{commands: "shift watch", flags: "text-embeddings-path", given: "vocab templates use-templates model"},
	{commands: "explain classify", flags: "imagenet-zeroshot-path", given: "vocab templates use-templates classes"},
	{commands: "audit", flags: "imagenet-zeroshot-path", given: "classes"},

	{commands: "reconstruct ablate", flags: "model", not: "scores"},
	{commands: "reconstruct ablate", flags: "scores", not: "model", given: towerOnly},
	{commands: "reconstruct ablate audit shift classify search", flags: "preprocess", not: "scores"},
	{commands: "retrieve audit", flags: "scores", given: towerOnly},
	{commands: "classify search", flags: "scores", not: "args", given: towerOnly},
	{commands: "classify search", flags: "data-path dataset sample-stride", not: "args"},
	{flags: "label-key", needs: "dataset=imagenet_val"},
	{commands: "retrieve", flags: "save-dir", needs: "data-path"},
	{commands: "search", flags: "save-dir", needs: "data-path args"},
	{commands: "search", flags: "text image units", given: "text image units"},
	{commands: "shift", flags: "scores", not: "shard", given: towerOnly + " data-path dataset"},
	{commands: "reconstruct ablate", flags: "imagenet-zeroshot-path", needs: "data-path"},
	{commands: "edit explain", flags: "scores", not: "means-path"},
	{commands: "edit explain", flags: "means-path", not: "scores"},
	{commands: "edit", flags: "scores means-path", not: "by=zero"},
	{commands: "edit", flags: "by", given: "means-path scores"},
	{commands: "edit", flags: "neuron-layer", given: "remove scale"}, // whose names say it
	{commands: "edit", flags: "remove scale remove-mask remove-text", given: "remove scale remove-mask remove-text"},

	{commands: "ablate", flags: "scores", not: tokenModes + " neuron-acts-norms-path"},
	{commands: "ablate", flags: "neuron-acts-norms-path", not: "scores"},
	{commands: "ablate", flags: "parts", needs: "scores", given: "mode means-path percentile plot replace-index-path pairs units-file neuron-head-norms-path neurons-norms-path neuron-acts-norms-path model"},
	{commands: "ablate", flags: "means-path percentile plot replace-index-path neuron-head-norms-path neurons-norms-path neuron-acts-norms-path top-images shape neurons-sink-diffs-path top-k-sink-neurons", not: partModes},
	{commands: "ablate", flags: "pairs units-file", not: "mode=mlps mode=cls_attn mode=mlps+cls_attn mode=layers mode=mlps+cls_attn+layers"},
	{commands: "ablate", flags: "mode", given: "parts"},
	{commands: "ablate", flags: "neuron-head-norms-path neurons-norms-path neuron-acts-norms-path", not: "replace-index-path pairs units-file", given: "mode"},
	{commands: "ablate", flags: "replace-index-path", not: "percentile pairs units-file mode>1 mode=zero_sink mode=zero_register_neurons"},
	{commands: "ablate", flags: "percentile", not: "replace-index-path pairs units-file mode=zero_sink mode=zero_register_neurons"},
	{commands: "mask ablate", flags: "pairs units-file", given: "pairs units-file"},
	{commands: "ablate", flags: "pairs units-file", not: "replace-index-path percentile mode=zero_sink mode=zero_register_neurons"},
	{commands: "ablate", flags: "mode", given: "scores neuron-head-norms-path neurons-norms-path neuron-acts-norms-path replace-index-path percentile pairs units-file"},
	{commands: "ablate", flags: "parts percentile plot replace-index-path pairs units-file except top-images neuron-head-norms-path neuron-acts-norms-path", not: "mode=neur_effects"},
	{commands: "ablate", flags: "plot", needs: "percentile"},
	{commands: "ablate", flags: "groups-csv group-column per-class", needs: "imagenet-zeroshot-path"},
	{commands: "ablate report", flags: "group-column", needs: "groups-csv"},
	{commands: "mask ablate", flags: "except", needs: "pairs units-file"},
	{commands: "mask", flags: "pairs units-file", given: "percentile top-images"},
	{commands: "mask", flags: "mode", given: "neuron-head-norms-path neurons-norms-path neuron-acts-norms-path"},
	{commands: "mask", flags: "neuron-head-norms-path", not: "neurons-norms-path neuron-acts-norms-path", given: "mode"},
	{commands: "mask", flags: "neurons-norms-path", not: "neuron-head-norms-path neuron-acts-norms-path", given: "mode"},
	{commands: "mask", flags: "neuron-acts-norms-path", not: "neuron-head-norms-path neurons-norms-path", given: "mode"},

	{commands: "textspan", flags: "imagenet-zeroshot-path", needs: "data-path"},
	{commands: "textspan", flags: "data-path", needs: "imagenet-zeroshot-path"},
	{commands: "textspan", flags: "parts", needs: "imagenet-zeroshot-path features-save-path"},
	{commands: "textspan", flags: "sample-stride dataset", needs: "data-path"},

	{commands: "show retrieve explain audit", flags: "text-descs-embeddings-path", not: "codes"},
	{commands: "show retrieve explain audit", flags: "codes", not: "text-descs-embeddings-path"},
	{commands: "show explain audit", flags: "codes", given: "pcs-path"},
	{commands: "show explain", flags: "codes", given: "neuron-pcs-path"},
	{commands: "retrieve", flags: "neur-idxs pairs text head-idxs", given: "neur-idxs pairs text head-idxs"},
	{commands: "retrieve", flags: notOfHeads, not: "head-idxs"},
	{commands: "score", flags: "save-path", not: "codes&method codes>1 method>1"},
	{commands: "show retrieve explain audit report", flags: "text-descs-list-path", needs: "codes text-descs-embeddings-path"},
	{commands: "show retrieve explain audit report", flags: "text-descs-embeddings-path", needs: "text-descs-list-path"},
	{commands: "show retrieve explain", flags: "text-descs-embeddings-path", needs: "pcs-path neuron-pcs-path"},
	{commands: "report", flags: "text-descs-embeddings-path", needs: "pcs-path neuron-pcs-path codes spans-path"},
	{commands: "report", flags: "codes pcs-path neuron-pcs-path word-scores-path imagenet-zeroshot-path with", not: "spans-path"},
	{commands: "report", flags: "spans-path parts", given: "codes pcs-path neuron-pcs-path word-scores-path imagenet-zeroshot-path with"},
	{commands: "audit", flags: "text-descs-embeddings-path", needs: "pcs-path"},
	{commands: "show explain", flags: "pcs-path neuron-pcs-path", needs: "text-descs-embeddings-path"},
	{commands: "audit", flags: "pcs-path", needs: "text-descs-embeddings-path"},
	{commands: "show retrieve explain audit report", flags: "codes", needs: "text-descs-list-path"},
	{commands: "report", flags: "model", needs: "data-path"},
	{commands: "describe", flags: "codes", given: "method normalize svd-scores text-descs-embeddings-path"},
	{commands: "describe", flags: imagesOnly, needs: "image attributes"},
	{commands: "describe", flags: "image attributes", given: "image attributes", not: "args"},
	{commands: "sparse describe mislead", flags: "svd-scores", needs: "method=textspan"},
	{commands: "mislead", flags: "codes", given: "method normalize svd-scores"},
	{commands: "mislead", flags: "imagenet-zeroshot-path", given: "model vit-heads activation vocab templates use-templates classes", needs: "classes"},
	{commands: "mislead", flags: "classes", needs: "imagenet-zeroshot-path"},
	{commands: "mislead", flags: "model vit-heads activation vocab templates use-templates", not: "imagenet-zeroshot-path"},
	{commands: "mislead", flags: "scores", needs: "labels-csv data-path"},
	{commands: "mislead", flags: "labels-csv data-path", given: "labels-csv data-path", needs: "scores"},
	{commands: "mislead", flags: "labels-csv", not: "data-path"},
	{commands: "mislead", flags: "data-path", not: "labels-csv"},
	{commands: "mislead", flags: "seed", needs: "sentences"},
	{commands: "reconstruct", flags: "pcs-paths", not: "codes"},
	{commands: "reconstruct", flags: "codes", not: "pcs-paths", needs: "text-descs-embeddings-path"},
	{commands: "reconstruct", flags: "text-descs-embeddings-path", needs: "codes"},

	{commands: "explain", flags: "data-path dataset sample-stride", not: "args"},
	{commands: "explain", flags: "versus", needs: "class"},
	{commands: "explain", flags: "unusual", needs: "scores means-path"},
	{commands: "audit", flags: "text-embeddings-path", needs: "concepts"},
	{commands: "audit", flags: "text-embeddings-path", given: "concepts"},

	{commands: "segment", flags: "data-path", not: "image", needs: "config"},
	{commands: "segment", flags: "image", not: "data-path save-path shard limit"},
	{commands: "segment", flags: "classes", not: "config"},
	{commands: "segment", flags: "preprocess", needs: "resize=pillow"},
	{commands: "segment", flags: "text-embeddings-path text-for-topk", given: "classes config"},
	{commands: "segment", flags: "save-path limit", needs: "data-path"},
	{commands: "segment shift", flags: "shard", needs: "save-path"},
	{commands: "shift", flags: "watch", given: "dataset data-path shape " + towerOnly + " image-column colour-names"},
	{commands: "shift", flags: "labels-csv", not: "dataset=cars watch"},
	{commands: "shift", flags: "colours-csv group-column label-column", not: "watch"},
	{commands: "shift watch", flags: "concepts text concepts-path", given: "concepts text concepts-path"},
	{commands: "shift", flags: "fail-above", needs: "watch"},
	{commands: "shift", flags: "colours-csv", needs: "dataset=cars"},
	{commands: "shift", flags: "colour-names", needs: "colours-csv"},
	{commands: "shift", flags: "group-column", needs: "labels-csv"},
	{commands: "shift", flags: "label-column plot", needs: "labels-csv dataset=cars watch"},
	{commands: "shift watch", flags: "lines", needs: "text-embeddings-path"},

	{commands: "embed", flags: "classnames", not: "lines text"},
	{commands: "embed", flags: "lines", not: "classnames text"},
	{commands: "embed", flags: "text", not: "classnames lines"},
	{commands: "info", flags: "plan", not: "graph"},
	{commands: "info", flags: "graph", not: "plan"},
	{commands: "collect", flags: "mean", not: "stats-only shard"},
	{commands: "collect", flags: "stats-only", not: "mean save-path=*.dat save-path=*.npy"},
	{commands: "collect", flags: "shard", not: "mean"},
	{commands: "collect", flags: "precision", given: "device"},
	{commands: "collect", flags: "device", not: "precision=bf16", needs: "mode=neurons+heads mode=neurons mode=heads mode=features"},
	{commands: "collect", flags: "dtype expand", not: "save-path=*.dat save-path=*.npy stats-only"},
	{commands: "collect", flags: "expand", needs: "mode=neurons+heads mode=neurons mode=neurons+heads_lens"},
	{commands: "verify", flags: "model", needs: "repair"},
}

// whyUnused returns why a value stands aside, empty if it does not.
func whyUnused(p *preset, all []*preset, flags *pflag.FlagSet, command string) string {
	if p.barred != "" {
		return p.barred
	}
	if why := standsAside(p, all, flags, command); why != "" {
		return why
	}
	return lacks(p, flags, command, func(cond string) bool { return comes(cond, all, flags, command, []*preset{p}) })
}

// lacks returns what a value needs that no flag set has, nor coming, empty if nothing.
func lacks(p *preset, flags *pflag.FlagSet, command string, coming func(cond string) bool) string {
	for _, r := range presetRules {
		if r.needs == "" || !r.is(command, p.flag) {
			continue
		}
		met := slices.ContainsFunc(strings.Fields(r.needs), func(cond string) bool { return holds(flags, cond) || coming(cond) })
		if !met {
			return "it needs " + spelledAll(r.needs, " or ")
		}
	}
	return ""
}

func (r presetRule) is(command, flag string) bool {
	return (r.commands == "" || slices.Contains(strings.Fields(r.commands), command)) && slices.Contains(strings.Fields(r.flags), flag)
}

// standsAside returns why a value stands aside for others that are set.
func standsAside(p *preset, all []*preset, flags *pflag.FlagSet, command string) string {
	if slices.ContainsFunc(flags.Lookup(p.flag).Annotations[exceptAnnotation], setFlags(flags)) {
		return "another flag takes its place"
	}
	for _, other := range companions[p.flag] {
		if by := differing(p, other, all, flags); by != "" {
			return fmt.Sprintf("it belongs to another --%s than that %s", other, by)
		}
	}
	if (p.flag == "data-path" || p.flag == "dataset") && slices.Contains(strings.Fields(collectedWith), command) && flags.Changed("scores") {
		if own := slices.IndexFunc(all, func(q *preset) bool { return q.flag == "scores" && q.file == p.file && !q.own }); own < 0 {
			return "--scores is given, which may be of other images"
		} else if by := differing(p, "scores", all, flags); by != "" {
			return fmt.Sprintf("it belongs to another --scores than that %s", by)
		}
	}
	for _, r := range presetRules {
		if !r.is(command, p.flag) {
			continue
		}
		for _, cond := range strings.Fields(r.not) {
			if holds(flags, cond) {
				return "there is " + spelledCondition(cond)
			}
		}
		for _, name := range strings.Fields(r.given) {
			if flags.Changed(name) {
				return "--" + name + " is given"
			}
		}
	}
	return ""
}

// comes reports whether one of the values not yet used can make a condition hold. Those
// that ask count as used: two values may need each other.
func comes(cond string, all []*preset, flags *pflag.FlagSet, command string, asking []*preset) bool {
	name, value, valued := strings.Cut(cond, "=")
	return slices.ContainsFunc(all, func(p *preset) bool {
		f := flags.Lookup(p.flag)
		switch {
		case p.flag != name || f == nil || isSet(f) || valued && !slices.Contains(p.values, value):
			return false
		case slices.Contains(asking, p):
			return true
		case p.barred != "" || standsAside(p, all, flags, command) != "":
			return false
		}
		return lacks(p, flags, command, func(cond string) bool { return comes(cond, all, flags, command, append(slices.Clone(asking), p)) }) == ""
	})
}

// holds reports whether a condition of a presetRule holds.
func holds(flags *pflag.FlagSet, cond string) bool {
	if cond == "args" {
		return flags.NArg() > 0
	}
	if one, other, both := strings.Cut(cond, "&"); both {
		return holds(flags, one) && holds(flags, other)
	}
	name, several := strings.CutSuffix(cond, ">1")
	name, want, valued := strings.Cut(name, "=")
	f := flags.Lookup(name)
	if f == nil {
		return false
	}
	values := []string{f.Value.String()}
	if slice, ok := f.Value.(pflag.SliceValue); ok {
		values = slice.GetSlice()
	}
	if len(values) == 0 {
		return false
	}
	switch ending, wild := strings.CutPrefix(want, "*"); {
	case several:
		return len(values) > 1 || strings.Contains(values[0], ",")
	case wild:
		return slices.ContainsFunc(values, func(v string) bool { return strings.HasSuffix(v, ending) })
	case valued:
		return slices.Contains(values, want)
	}
	return isSet(f)
}

func spelledCondition(cond string) string {
	one, other, both := strings.Cut(cond, "&")
	switch {
	case both:
		return spelledCondition(one) + " and " + spelledCondition(other)
	case cond == "args":
		return "an argument"
	case strings.HasSuffix(cond, ">1"):
		return "more than one --" + strings.TrimSuffix(cond, ">1")
	}
	return "--" + cond
}

func spelledAll(conds, separator string) string {
	words := strings.Fields(conds)
	for i := range words {
		words[i] = spelledCondition(words[i])
	}
	return strings.Join(words, separator)
}

// differing returns who set another flag to another value than p's source has for it,
// empty if no one did.
func differing(p *preset, other string, all []*preset, flags *pflag.FlagSet) string {
	f := flags.Lookup(other)
	if f == nil || !isSet(f) {
		return ""
	}
	beside := slices.IndexFunc(all, func(q *preset) bool { return q.flag == other && q.file == p.file && !q.own })
	if beside < 0 {
		return ""
	}
	var values []string
	for _, value := range all[beside].values {
		values = append(values, all[beside].located(f, value))
	}
	if typedValue(f) == strings.Join(values, ",") {
		return ""
	}
	if f.Changed {
		return "which is given"
	}
	return "of " + annotation(f, fromAnnotation)
}
