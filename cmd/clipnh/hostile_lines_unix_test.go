//go:build unix

package main

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// hostileLines are command lines whose every input is made a hostile one. A place in
// braces is where an input is: {in} has what makeInputs makes.
var hostileLines = []string{
	"info --model {model}",
	"export --model {model} --save-path {out}.onnx",
	"embed --model {model} --vocab {vocab} --lines {words} --templates {templates} --embeddings-save-path {out}.npy",
	"collect --model {model} --dataset imagenet_val --data-path {data} --save-path {out}",
	"collect --model {model} --dataset images --data-path {in}/photos.tar --save-path {out}",
	"collect --model {model} --dataset images --data-path {in}/photos.tar.gz --save-path {out}",
	"collect --model {model} --dataset images --data-path {in}/photos.zip --save-path {out}",
	"collect --model {model} --dataset images --data-path {in}/photos.parquet --save-path {out}",
	"registers --model {model} --dataset imagenet_val --data-path {data} --diff-save-path {out}.npy",
	"svd --scores {in}/scores --out-save-path {out}.npy",
	"svd --mode n --scores {in}/dense.npy --out-save-path {out}.npy",
	"sparse --pcs-path {in}/pc0.npy --text-descs-embeddings-path {in}/words.npy --text-descs-list-path {words} --decomposition-save-path {out}.npz",
	"describe h0n0 --pcs-path {in}/pc0.npy --text-descs-embeddings-path {in}/words.npy --text-descs-list-path {words}",
	"describe h0n0 --codes {in}/codes.npz --text-descs-list-path {words}",
	"polysemanticity --scores {in}/scores",
	"retrieve --neur-idxs 1 --scores {in}/scores",
	"show h0n1 --scores {in}/scores --pcs-path {in}/pc0.npy --text-descs-embeddings-path {in}/words.npy --text-descs-list-path {words}",
	"show n1 --scores {in}/scores --codes {in}/codes.npz --text-descs-list-path {words}",
	"show l0h0 --scores {in}/vit_heads --parts {in}/vit_mlps --spans-path {in}/vit_spans.txt",
	"mask --neuron-head-norms-path {in}/norms.npy --mask-save-path {out}.npy",
	"reconstruct --scores {in}/scores --means-path {in}/means.npy --pcs-paths {in}/pc0.npy --dataset imagenet_val --data-path {data} --imagenet-zeroshot-path {in}/classes.npy",
	"reconstruct --scores {in}/scores --means-path {in}/means.npy --codes {in}/codes.npz --text-descs-embeddings-path {in}/words.npy --features-save-path {out}.npy",
	"ablate --scores {in}/scores --means-path {in}/means.npy --replace-index-path {in}/mask.npy --features-save-path {out}.npy",
	"ablate --scores {in}/scores --means-path {in}/means.npy --percentile 50 --neuron-head-norms-path {in}/norms.npy --features-save-path {out}.npy",
	"ablate --model {model} --dataset imagenet_val --data-path {data} --mode zero_register_neurons --top-k-sink-neurons 3 --neurons-sink-diffs-path {in}/sink.npy --features-save-path {out}.npy",
	"ablate --scores {in}/vit_heads --parts {in}/vit_mlps --features-save-path {out}.npy",
	"textspan --scores {in}/vit_heads --parts {in}/vit_mlps --text-descs-embeddings-path {in}/vit_texts.npy --text-descs-list-path {in}/vit_texts.txt --features-save-path {out}.npy --save-path {out}.txt",
	"textspan --scores {in}/heads --num-of-last-layers 1 --texts-per-head 2 --text-descs-embeddings-path {in}/words.npy --text-descs-list-path {words} --dataset imagenet_val --data-path {data} --imagenet-zeroshot-path {in}/classes.npy",
	"shift --scores {in}/scores --concepts dog --text-embeddings-path {in}/dog.npy --pcs-path {in}/pc0.npy",
	"watch --reference {in}/half --scores {in}/scores --concepts dog --text-embeddings-path {in}/dog.npy --pcs-path {in}/pc0.npy",
	"watch --reference {in}/half --scores {in}/scores",
	"shift --watch {in}/half --scores {in}/scores --concepts dog --text-embeddings-path {in}/dog.npy --pcs-path {in}/pc0.npy",
	"shift --model {demo} --vocab {demo_vocab} --templates {templates} --pcs-path {in}/demo_pc0.npy --concepts yellow --dataset cars --sample-stride 100 --data-path {cars} --colours-csv {colours}",
	"segment --method values --model {demo} --vocab {demo_vocab} --templates {templates} --config demo --data-path {voc} --limit 1",
	"report --scores {in}/scores --pcs-path {in}/pc0.npy --codes {in}/codes.npz --text-descs-list-path {words} --word-scores-path {in}/true.npy --dataset imagenet_val --data-path {data} --imagenet-zeroshot-path {in}/classes.npy --out {out}",
	"report --scores {in}/scores --neuron-pcs-path {in}/pc0_n.npy --text-descs-embeddings-path {in}/words.npy --text-descs-list-path {words} --dataset imagenet_val --data-path {data} --model {model} --groups-csv {labels} --group-column group --with {in}/half --out {out}",
	"compare {in}/scores {in}/half",
	"report --scores {in}/heads --spans-path {in}/spans.json --dataset imagenet_val --data-path {data} --out {out}",
	"report --scores {in}/vit_heads --parts {in}/vit_mlps --spans-path {in}/vit_spans.txt --text-descs-list-path {in}/vit_texts.txt --text-descs-embeddings-path {in}/vit_texts.npy --out {out}",
	"explore {in}/report --check --scores {in}/scores --pcs-path {in}/pc0.npy --imagenet-zeroshot-path {in}/classes.npy --model {model} --vocab {vocab} --templates {templates} --dataset imagenet_val --data-path {data}",
	"merge --save-path {out} {in}/parts.1-of-1",
	"verify {in}/scores --data-path {data}",
	"data check cars {cars}",
	"data check cars --data-path {cars}",
	"sparse --pcs-path {in}/pc0_n.npy --svd-scores {in}/scores --method textspan --num-components 2 --text-descs-embeddings-path {in}/words.npy --text-descs-list-path {words} --decomposition-save-path {out}.npz",
	"describe n1 --pcs-path {in}/pc0_n.npy --svd-scores {in}/scores --method textspan --num-components 2 --text-descs-embeddings-path {in}/words.npy --text-descs-list-path {words}",
	"show n1 --scores {in}/scores --neuron-pcs-path {in}/pc0_n.npy --text-descs-embeddings-path {in}/words.npy --text-descs-list-path {words}",
	"score --scores {in}/scores --pcs-path {in}/pc0.npy --method nearest --text-descs-embeddings-path {in}/words.npy --text-descs-list-path {words} --attributes {attributes}",
	"score --scores {in}/scores --pcs-path {in}/pc0.npy --codes {in}/codes.npz --text-descs-embeddings-path {in}/words.npy --text-descs-list-path {words}",
	"score --scores {in}/half --pcs-path {in}/pc0_n.npy --svd-scores {in}/scores --method textspan --num-components 2 --text-descs-embeddings-path {in}/words.npy --text-descs-list-path {words}",
	"retrieve --text dog --model {model} --vocab {vocab} --templates {templates} --pcs-path {in}/pc0.npy --dataset imagenet_val --data-path {data}",
	"retrieve --neur-idxs 1 --scores {in}/scores --dataset imagenet_val --data-path {data} --codes {in}/codes.npz --text-descs-list-path {words} --save-dir {out}",
	"retrieve --neur-idxs 1 --scores {in}/scores --pcs-path {in}/pc0.npy --neuron-pcs-path {in}/pc0_n.npy --text-descs-embeddings-path {in}/words.npy --text-descs-list-path {words} --dataset imagenet_val --data-path {data} --save-dir {out}",
	"mask --neurons-norms-path {in}/norms_n.npy --mask-save-path {out}.npy",
	"mask --neuron-acts-norms-path {in}/norms_acts.npy --mask-save-path {out}.npy",
	"mask --units-file {units} --neuron-head-norms-path {in}/norms.npy --mask-save-path {out}.npy",
	"reconstruct --model {model} --means-path {in}/means.npy --pcs-paths {in}/pc0.npy --dataset imagenet_val --data-path {data} --features-save-path {out}.npy",
	"ablate --scores {in}/scores --means-path {in}/means_n.npy --percentile 50 --neurons-norms-path {in}/norms_n.npy --features-save-path {out}.npy",
	"ablate --model {model} --dataset imagenet_val --data-path {data} --means-path {in}/mean_acts.npy --percentile 50 --neuron-acts-norms-path {in}/norms_acts.npy --features-save-path {out}.npy",
	"ablate --scores {in}/scores --means-path {in}/means.npy --units-file {units} --groups-csv {labels} --group-column group --dataset imagenet_val --data-path {data} --imagenet-zeroshot-path {in}/classes.npy",
	"edit --model {model} --remove-mask {in}/mask.npy --means-path {in}/means.npy --save-path {out}.pt",
	"edit --model {model} --remove h0n1 --scores {in}/scores --data-path {data} --save-path {out}.pt",
	"edit --model {model} --remove-text dog --pcs-path {in}/pc0.npy --vocab {vocab} --templates {templates} --by zero --save-path {out}.pt",
	"explain {image} --model {model} --classes {names} --vocab {vocab} --templates {templates} --scores {in}/scores --unusual",
	"explain --data-path {data} --model {model} --classes {names} --imagenet-zeroshot-path {in}/classes.npy --means-path {in}/means.npy --codes {in}/codes.npz --text-descs-list-path {words}",
	"explain --data-path {data} --model {model} --classes {names} --imagenet-zeroshot-path {in}/classes.npy --pcs-path {in}/pc0.npy --neuron-pcs-path {in}/pc0_n.npy --text-descs-embeddings-path {in}/words.npy --text-descs-list-path {words}",
	"audit --scores {in}/scores --model {model} --labels-csv {labels} --classes {names} --imagenet-zeroshot-path {in}/classes.npy --concepts {names} --text-embeddings-path {in}/classes.npy --permutations 19 --level 0.1 --out {out}",
	"audit --scores {in}/heads --model {model} --labels-csv {labels} --classes {names} --imagenet-zeroshot-path {in}/classes.npy --spans-path {in}/spans.json --permutations 19 --level 0.1 --out {out}",
	"audit --scores {in}/vit_heads --parts {in}/vit_mlps --labels-csv {in}/vit_labels.csv --classes @{in}/vit_texts.txt --imagenet-zeroshot-path {in}/vit_texts.npy --spans-path {in}/vit_spans.txt --permutations 19 --level 0.1 --out {out}",
	"audit --model {model} --dataset imagenet_val --data-path {data} --labels-csv {labels} --classes {names} --vocab {vocab} --templates {templates} --codes {in}/codes.npz --text-descs-list-path {words} --permutations 19 --level 0.1 --out {out}",
	"audit --scores {in}/scores --labels-csv {labels} --classes {names} --imagenet-zeroshot-path {in}/classes.npy --pcs-path {in}/pc0.npy --text-descs-embeddings-path {in}/words.npy --text-descs-list-path {words} --permutations 19 --level 0.1 --out {out}",
	"segment --model {model} --pcs-path {in}/pc0.npy --text-embeddings-path {in}/classes.npy --text-for-topk {in}/classes.npy --classes {names} --image {image}",
	"shift --model {model} --dataset imagenet_val --data-path {data} --concepts-path {names} --text-embeddings-path {in}/classes.npy --pcs-path {in}/pc0.npy --labels-csv {labels}",
	"shift --scores {in}/scores --concepts dog --lines {names} --text-embeddings-path {in}/classes.npy --pcs-path {in}/pc0.npy",
	"watch --reference {in}/half --scores {in}/scores --concepts-path {names} --model {model} --vocab {vocab} --templates {templates} --pcs-path {in}/pc0.npy",
	"watch --reference {in}/half --scores {in}/scores --concepts dog --lines {names} --text-embeddings-path {in}/classes.npy --pcs-path {in}/pc0.npy",
	"classify --scores {in}/scores --classes {names} --imagenet-zeroshot-path {in}/classes.npy --labels-csv {labels}",
	"classify --model {model} --data-path {data} --classes {names} --vocab {vocab} --templates {templates}",
	"search --model {model} --data-path {data} --text dog --image {image} --vocab {vocab} --templates {templates}",
	"search --scores {in}/scores --units h0n1,h0",
	"describe --image {image} --model {model} --scores {in}/scores --pcs-path {in}/pc0.npy --codes {in}/codes.npz --text-descs-list-path {words}",
	"describe --attributes {attributes} --scores {in}/scores --pcs-path {in}/pc0_n.npy --text-descs-embeddings-path {in}/words.npy --text-descs-list-path {words}",
	"mislead --from dog --to cat --max-cosine 1 --scores {in}/scores --labels-csv {labels} --classes {names} --imagenet-zeroshot-path {in}/classes.npy --pcs-path {in}/pc0.npy --codes {in}/codes.npz --text-descs-embeddings-path {in}/words.npy --text-descs-list-path {words} --leave-out @{names}",
	"mislead --from class0 --to class1 --max-cosine 1 --model {model} --vocab {vocab} --templates {templates} --scores {in}/scores --dataset imagenet_val --data-path {data} --pcs-path {in}/pc0_n.npy --svd-scores {in}/scores --method textspan --num-components 2 --text-descs-embeddings-path {in}/words.npy --text-descs-list-path {words}",
	"verify {in}/spoiled --model {model} --data-path {data} --repair",
	"data list --dataset images --data-path {data} --save-path {out}.listing",
	"data subset --dataset images --data-path {data} --number 2 --save-path {out}",
}

// spared are the flags that name files and are in no hostile line, by command, with the
// reason.
var spared = map[string]map[string]string{
	"clipnh demo":    {"dir": written},
	"clipnh segment": {"masks": "is a folder, whose files are read as those of label maps are"},
	"clipnh paper":   {"dir": written, "model": steps, "vocab": steps, "words": steps, "data-path": steps},
	"clipnh docs":    {"man-path": written, "markdown-path": written},
}

const steps = "is handed to the commands that are its steps"

// TestEveryInputIsHostile holds that every flag that names a file is in a line of its
// command, or is only written.
func TestEveryInputIsHostile(t *testing.T) {
	count := 0
	for _, cmd := range everyCommand() {
		path := cmd.CommandPath()
		given := map[string]bool{}
		for _, line := range hostileLines {
			if commandOf(t, line) == path {
				for _, word := range strings.Fields(line) {
					given[strings.TrimPrefix(word, "--")] = true
				}
			}
		}
		cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
			if !namesFile(f) {
				return
			}
			reason := spared[path][f.Name]
			if unpaired[path][f.Name] == written || slices.Contains(writtenFlags, f.Name) {
				reason = written
			}
			if given[f.Name] {
				count++
			} else if reason == "" {
				t.Errorf("%s: --%s names a file and is in no hostile line", path, f.Name)
			}
		})
	}
	t.Logf("%d flags", count)
}

// writtenFlags name what a command writes, and reads only where an earlier run left it.
var writtenFlags = []string{"save-path", "diff-save-path", "descriptions-save-path", "junit", "openmetrics"}

// bombFor are bytes of the format that a file's name stands for, which would take up much
// more memory than they have.
func bombFor(path string) ([]byte, error) {
	const much = 64 << 20
	switch filepath.Ext(path) {
	case ".npy":
		return npyOf("{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776, 8), }", 16), nil
	case ".npz", ".pt":
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		for _, name := range []string{"archive/data.pkl", "data.npy", "indices.npy", "indptr.npy", "shape.npy", "format.npy"} {
			w, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate})
			if err != nil {
				return nil, err
			}
			if _, err := w.Write(npyOf("{'descr': '<f4', 'fortran_order': False, 'shape': (16777216,), }", much)); err != nil {
				return nil, err
			}
		}
		return b.Bytes(), z.Close()
	case ".gz":
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, err := w.Write(bytes.Repeat([]byte("\n"), much))
		if err == nil {
			err = w.Close()
		}
		return b.Bytes(), err
	case ".png", ".jpg", ".JPEG":
		return pngBomb(much)
	case ".json":
		return bytes.Repeat([]byte("["), 1<<20), nil
	}
	return bytes.Repeat([]byte("x"), much), nil
}

// pngBomb is an image of 4x4 pixels with much more data.
func pngBomb(much int) ([]byte, error) {
	var packed bytes.Buffer
	w := zlib.NewWriter(&packed)
	if _, err := w.Write(make([]byte, much)); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	file := []byte("\x89PNG\r\n\x1a\n")
	for _, chunk := range []struct {
		kind string
		data []byte
	}{{"IHDR", []byte("\x00\x00\x00\x04\x00\x00\x00\x04\x08\x02\x00\x00\x00")}, {"IDAT", packed.Bytes()}, {"IEND", nil}} {
		file = binary.BigEndian.AppendUint32(file, uint32(len(chunk.data)))
		body := append([]byte(chunk.kind), chunk.data...)
		file = binary.BigEndian.AppendUint32(append(file, body...), crc32.ChecksumIEEE(body))
	}
	return file, nil
}
