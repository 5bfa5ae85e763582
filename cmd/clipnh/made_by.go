package main

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/report"
)

// madeBy returns a command that makes an artefact, with the flags that its manifest tells. A
// file that it reads has its path where files has one of the same hash; otherwise a word
// in capitals stands for it. It returns "" for files that no command makes.
func madeBy(f report.Input, from origin.Origin, files []report.Input) string {
	r, known := recipes[f.Kind]
	if !known {
		return ""
	}
	if f.Kind == artefact.KindImageFeatures {
		for _, of := range files { // the features of a collection that are stored within it
			if of.Kind == artefact.KindScores && path.Dir(f.Path) == of.Path {
				return of.Command
			}
		}
	}
	words := strings.Fields(r.command)
	l := commandLine{files: files, from: from, words: append([]string{"clipnh"}, words[:len(words)-1]...)}
	switch words[0] {
	case "collect":
		l.collect()
	case "embed":
		l.file("--model", from.Weights, "MODEL")
		l.add(ranAs(from)...)
		l.add("--vocab", "VOCAB", "--lines", "TEXTS")
		switch {
		case from.Prompts == nil:
		case from.Prompts.Templates == "":
			l.add("--use-templates=false")
		default:
			l.add("--templates", "TEMPLATES")
		}
	case "svd":
		l.parent("--scores", "contributions", "SCORES")
		if from.Mode != "" {
			l.add("--mode", from.Mode)
		}
		if s := from.SVD; s != nil {
			l.add("--top-k-pca", strconv.Itoa(s.TopK))
			if s.PC != 0 {
				l.add("--pc-idx", strconv.Itoa(s.PC))
			}
		}
	case "textspan":
		l.parent("--scores", "contributions", "HEADS")
		l.add("--text-descs-list-path", "WORDS")
		l.parent("--text-descs-embeddings-path", "embeddings", "EMBEDDINGS")
		if t := from.TextSpan; t != nil {
			l.add("--texts-per-head", strconv.Itoa(t.Texts), "--num-of-last-layers", strconv.Itoa(t.Layers), "--w-ov-rank", strconv.Itoa(t.Rank))
		}
	case "score", "sparse":
		l.words = slices.Concat(l.words, l.code(words[0]))
	}
	l.add(words[len(words)-1], f.Path)
	return strings.Join(l.words, " ")
}

// A commandLine is a command, as far as it is known.
type commandLine struct {
	files []report.Input
	from  origin.Origin
	words []string
}

// add adds words; what a shell would split is quoted.
func (l *commandLine) add(words ...string) {
	for _, w := range words {
		l.words = append(l.words, quoted(w))
	}
}

// file adds a flag for the file of a hash.
func (l *commandLine) file(flag, hash, other string) {
	i := slices.IndexFunc(l.files, func(f report.Input) bool { return hash != "" && f.SHA256 == hash })
	if i >= 0 {
		other = l.files[i].Path
	}
	l.add(flag, other)
}

// parent adds a flag for an artefact that was read, by its role.
func (l *commandLine) parent(flag, role, other string) {
	if hash := l.from.Parents[role]; hash != "" {
		l.file(flag, hash, other)
	}
}

// ranAs are flags that say what a model was run as, which its weights do not say, and which of
// its pairs were looked at.
func ranAs(o origin.Origin) (flags []string) {
	if t := o.Transformer; t != nil {
		flags = append(flags, "--vit-heads", strconv.Itoa(t.Heads), "--activation", t.Activation)
	} else if p := o.Prompts; p != nil && p.Activation != "" {
		flags = append(flags, "--activation", p.Activation)
	}
	if layer := o.PairsLayer(); layer != nil {
		flags = append(flags, "--neuron-layer", strconv.Itoa(*layer))
	}
	return flags
}

// readAs are flags that say which images of a data set were taken, and how they were read.
func readAs(i *origin.Images) (flags []string) {
	if i.Stride > 1 {
		flags = append(flags, "--sample-stride", strconv.Itoa(i.Stride))
	}
	if i.Preprocess != "" && i.Preprocess != origin.ConvertFirst {
		flags = append(flags, "--preprocess", i.Preprocess)
	}
	if i.EXIF {
		flags = append(flags, "--exif")
	}
	if i.MaxPixels != 0 && i.MaxPixels != imageprep.DefaultMaxPixels {
		flags = append(flags, "--max-pixels", strconv.Itoa(i.MaxPixels))
	}
	return flags
}

func (l *commandLine) collect() {
	o := l.from
	l.file("--model", o.Weights, "MODEL")
	l.add(ranAs(o)...)
	if o.Block != "" && o.Block != origin.LastBlock {
		l.add("--mode", "neurons+heads_lens", "--lens-idx", o.Block)
	}
	if o.Precision == origin.BFloat16 {
		l.add("--precision", o.Precision)
	}
	if i := o.Images; i != nil {
		if i.Mean != "" {
			l.add("--image-mean", i.Mean, "--image-std", i.Std)
		}
		if i.Fit != "" {
			l.add("--image-resize", i.Fit)
		}
		l.add("--dataset", i.Dataset)
		l.file("--data-path", i.SHA256, "IMAGES")
		l.add(readAs(i)...)
	}
	if c := o.Collect; c != nil && c.Form == origin.Published {
		l.add("--form", "published")
	}
	if c := o.Collect; c != nil && c.Batch == "1" {
		l.add("--batch-size", "1")
	}
}

// code returns the flags of a command that describes components by words.
func (l *commandLine) code(command string) []string {
	c := commandLine{files: l.files, from: l.from}
	if command == "score" {
		c.parent("--scores", "contributions", "SCORES")
	}
	c.parent("--pcs-path", "components", "COMPONENTS")
	c.add("--text-descs-list-path", "WORDS")
	c.parent("--text-descs-embeddings-path", "embeddings", "EMBEDDINGS")
	c.parent("--codes", "codes", "CODES")
	if k := l.from.Code; k != nil && l.from.Parents["codes"] == "" {
		method := k.Method
		if method == "" {
			method = "omp"
		}
		if command == "score" {
			if method == "omp" {
				method += ":" + k.Normalize
			}
			c.add("--method", method)
		} else {
			c.add("--method", method, "--normalize", k.Normalize)
			if k.Units != "all" {
				c.add("--units", k.Units)
			}
		}
		c.add("--num-components", strconv.Itoa(k.Components))
	}
	return c.words
}
