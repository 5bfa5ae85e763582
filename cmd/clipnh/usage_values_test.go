package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

// impossible are command lines whose flags ask for what good inputs do not have, or exclude
// each other by what is in these, with a part of the message. Upper-case words stand for
// the files that spelled has.
var impossible = []struct{ line, message string }{
	// More than there is.
	{"describe h0n1 --pcs-path pc0.npy WITHWORDS --num-components 2000", "--num-components 2000: words.npy has 300 words, want at most that many"},
	{"describe h0n1 h0n2 h0n1 --pcs-path pc0.npy WITHWORDS", "unit h0n1 is given twice"},
	{"mask --neuron-head-norms-path norms.npy --mode neur_reprs --mask-save-path OUT.npy", "--mode neur_reprs: want its norms, --neurons-norms-path"},
	{"sparse --pcs-path pc0.npy WITHWORDS --num-components 2000 --descriptions-save-path OUT.json", "--num-components 2000: words.npy has 300 words, want at most that many"},
	{"collect OF --mode neurons+heads_lens --lens-idx 9 --save-path OUT", "--lens-idx 9: want a block"},
	{"segment --model MODEL --pcs-path pc0.npy --image IMAGE --vocab VOCAB --classes dog,cat --show-dir OUT --sim-map-idx 9", "9: the last stage has"},
	{"svd --scores scores --mode n --pc-idx 9 --out-save-path OUT.npy", "no --pc-idx 9"},
	{"svd --scores scores --top-k-pca 49 --out-save-path OUT.npy", "--top-k-pca 49: scores has 48 images, want at most that many"},
	{"svd --scores scores --mode n --top-k-pca 5000 --norm-save-path OUT.npy", "--top-k-pca 5000: scores has 48 images, want at most that many"},
	{"polysemanticity --scores scores --top-images 49", "--top-images 49: scores has 48 images, want at most that many"},
	{"mask --neuron-head-norms-path norms.npy --top-images 500 --mask-save-path OUT.npy", "--top-images 500: norms.npy has 12 norms of each unit, want at most that many"},
	{"collect OF --stats-only --top-k 49 --save-path OUT", "--top-k 49: DATA has 48 images, want at most that many"},
	{"svd --scores stats --top-k-pca 20 --out-save-path OUT.npy", "--top-k-pca 20 wants as many"},
	{"polysemanticity --scores stats --mode nh --top-images 20", "--top-images 20 wants as many"},
	{"collect OF --shard 3/99 --save-path OUT", "--shard 3/99: want no more shards than chunks of 32 images, of which 48 images make 2"},
	{"ablate OF --mode zero_register_neurons --neurons-sink-diffs-path sink.npy --top-k-sink-neurons 9999 --features-save-path OUT.npy", "--top-k-sink-neurons 9999: the model has"},
	{"data subset --dataset images --data-path DATA --save-path OUT --number 999", "takes 48, want --number 999"},
	{"retrieve --scores scores --neur-idxs 9999", "neuron 9999: want"},
	{"retrieve --scores scores --pairs h9n9", "unit \"h9n9\": want"},
	{"show h9n9 --scores scores", "unit \"h9n9\": want"},
	{"search --scores scores --units h9", "unit \"h9\": want"},
	{"edit --model MODEL --remove h9n9 --by zero --save-path OUT.pt", "unit \"h9n9\": want"},
	{"ablate --scores scores --means-path means.npy --pairs h9n9 --features-save-path OUT.npy", "unit \"h9n9\": want"},
	{"collect --model MODEL --dataset images --data-path DATA/{a..b} --save-path OUT", "{a..b}: \"a\", want a number"},
	{"collect --model MODEL --dataset images --data-path DATA/{a --save-path OUT", "a brace that is not closed"},

	// Too few, or one twice.
	{"audit --scores scores --labels-csv LABELS --model MODEL --vocab VOCAB --classes dog --out OUT", "--classes: one class, \"dog\", want at least two"},
	{"audit --scores scores --labels-csv LABELS --model MODEL --vocab VOCAB --classes dog,cat --permutations 5 --out OUT", "--permutations 5: no probability"},
	{"edit --model MODEL --scale h1n27=0.5 --remove n27 --by zero --save-path OUT.pt", "two factors"},
	{"reconstruct --scores scores --means-path means_n.npy --pcs-paths pc0_n.npy,pc0_n.npy --features-save-path OUT.npy", "would count twice"},
	{"explain IMAGE --model MODEL --vocab VOCAB --classes dog", "--classes: one class, \"dog\", want at least two"},
	{"explain IMAGE IMAGE --model MODEL --vocab VOCAB --classes dog,cat", "IMAGE: given twice"},
	{"classify DATA IMAGE --model MODEL --vocab VOCAB --classes dog,cat", "IMAGE: given twice"},
	{"search IMAGE IMAGE --model MODEL --vocab VOCAB --text dog", "IMAGE: given twice"},
	{"reconstruct --scores scores --means-path means.npy --pcs-paths pc0.npy,pc0.npy --features-save-path OUT.npy", "which would count twice"},
	{"show h0n1 --scores scores --codes codes.npz --codes codes.npz WORDLIST", "both are codes of pairs"},
	{"describe h0n1 H0N1 --pcs-path pc0.npy WITHWORDS", "unit H0N1 is given twice"},
	{"score h0n1 h0n1 --scores scores --pcs-path pc0.npy WITHWORDS --method omp", "unit h0n1 is given twice"},
	{"search --scores scores --units h0n1,n2,H0n1", "--units H0n1 is given twice"},
	{"search --scores scores --image IMAGE --image IMAGE", "--image IMAGE is given twice"},
	{"search --scores scores --text dog,dog --model MODEL --vocab VOCAB", "--text has \"dog\" twice"},
	{"retrieve --scores scores --pairs h0n1,h0n1", "--pairs h0n1 is given twice"},
	{"retrieve --scores scores --neur-idxs 3,03", "--neur-idxs 03 is given twice"},
	{"edit --model MODEL --remove h0n1 --remove h0n1 --by zero --save-path OUT.pt", "--remove h0n1 is given twice"},
	{"edit --model MODEL --scale h0n1=0.5,h0n1=0.5 --by zero --save-path OUT.pt", "--scale h0n1 is given twice"},
	{"sparse --pcs-path pc0.npy WITHWORDS --units n1,n1 --descriptions-save-path OUT.json", "--units n1 is given twice"},
	{"ablate --scores scores --means-path means.npy --pairs h0n1,h0n1 --features-save-path OUT.npy", "--pairs h0n1 is given twice"},
	{"ablate --scores scores --means-path means.npy,means.npy --pairs h0n1 --features-save-path OUT.npy", "--means-path means.npy is given twice"},
	{"ablate --scores scores --means-path means.npy --neuron-head-norms-path norms.npy --percentile 50,90,50.0 --features-save-path OUT.npy", "--percentile 50 is given twice"},
	{"embed --model MODEL --vocab VOCAB --text dog,dog --embeddings-save-path OUT.npy", "--text has \"dog\" twice"},
	{"collect --model VIT --neuron-layer 1,1 --dataset images --data-path DATA --save-path OUT", "--neuron-layer 1 is given twice"},
	{"explain IMAGE --model MODEL --vocab VOCAB --classes dog,cat --class bird", "--class \"bird\": not among the 2 --classes"},

	// What a model or a collection of this kind does not have.
	{"collect OF --mode mlps --save-path OUT", "--mode mlps: "},
	{"collect OF --neuron-layer 1 --save-path OUT", "--neuron-layer 1: the image tower is a CLIP-ResNet"},
	{"collect OF --vit-heads 2 --save-path OUT", "--vit-heads 2: the image tower is a ResNet"},
	{"collect OF --image-mean 0.5,0.5,0.5 --save-path OUT", "--image-mean and --image-std: want both or none"},
	{"collect OF --image-mean 0.5,0.5 --image-std 1,1,1 --save-path OUT", "--image-mean"},
	{"collect OF --image-mean 0.5,0.5,0.5 --image-std 0,1,1 --save-path OUT", "standard deviation 0,1,1, want numbers of"},
	{"collect OF --image-resize longest --save-path OUT", "--image-resize"},
	{"collect --model VIT --vit-heads 4 --dataset images --data-path DATA --save-path OUT", "--neuron-layer 0 to"},
	{"collect --model VIT --vit-heads 4 --dataset images --data-path DATA --mode attns --save-path OUT", "--mode attns: "},
	{"collect OF --mode features --stats-only --save-path OUT", "--stats-only is for pairs"},
	{"svd --scores stats --mode n --out-save-path OUT.npy", "statistics of pairs"},
	{"polysemanticity --scores stats", "statistics of pairs"},
	{"svd --scores scores --shape 1,2 --out-save-path OUT.npy", "--shape is for dense"},
	{"svd --scores dense.npy --out-save-path OUT.npy", "for pairs"},
	{"retrieve --scores dense.npy --pairs h0n1", "summed over heads"},
	{"ablate --scores dense.npy --mode neur_head_reprs --replace-index-path mask.npy --means-path means.npy --features-save-path OUT.npy", "summed over heads"},
	{"edit --model MODEL --remove n5 --by zero --save-path MODEL", "it is the model that is edited"},
}

// faultOfFiles are command lines that nothing is wrong with but a file that they name.
var faultOfFiles = []struct {
	line string
	code int
}{
	{"svd --scores nowhere --out-save-path OUT.npy", exitMissing},
	{"svd --scores pc0.npy --out-save-path OUT.npy", exitStale},
	{"collect --model LABELS --dataset images --data-path DATA --save-path OUT", exitFailed},
	{"collect --model MODEL --dataset images --data-path nowhere --save-path OUT", exitFailed},
	{"audit --scores scores --labels-csv LABELS --model MODEL --vocab VOCAB --classes dog,bird --out OUT", exitFailed},
	{"reconstruct --scores scores --means-path means.npy --pcs-paths pc0_n.npy --features-save-path OUT.npy", exitStale},
	{"reconstruct --scores scores --means-path means_n.npy --pcs-paths pc0.npy --features-save-path OUT.npy", exitStale},
	{"retrieve --scores scores --pcs-path means.npy --text dog --model MODEL --vocab VOCAB", exitStale},
	{"explain IMAGE --model MODEL --vocab VOCAB --classes dog,cat --means-path means_n.npy", exitStale},
	{"edit --model MODEL --remove n5 --means-path means_n.npy --save-path OUT.pt", exitStale},
}

// TestImpossibleValues holds the rule of docs/exit-status.md: a value that these inputs
// cannot give is wrong usage, and nothing is written; a fault of a file is not.
func TestImpossibleValues(t *testing.T) {
	data := labelled(t)
	in := makeInputs(t, "model/tiny_jit.pt", data)
	must(t, exitDone, "collect", "--model", in.model, "--dataset", "imagenet_val", "--data-path", data, "--stats-only", "--top-k", "4", "--save-path", in.at("stats"), "--quiet")
	rows := []string{"image,label,group"}
	var image string
	for name := range filesBelow(t, data) {
		image = filepath.Join(data, name)
		rows = append(rows, strings.TrimPrefix(name, "val/")+","+map[bool]string{true: "dog", false: "cat"}[strings.Contains(name, "class0")]+","+string("ab"[len(rows)%2]))
	}
	slices.Sort(rows[1:])
	labels := writeLines(t, in.at("labels.csv"), rows...)
	t.Chdir(in.dir)
	words := testutil.Golden("text/words.txt")
	if !filepath.IsAbs(words) || !filepath.IsAbs(in.model) {
		t.Fatal("want absolute paths of golden files")
	}
	spelled := strings.NewReplacer(
		"WORDLIST", "--text-descs-list-path "+words,
		"WITHWORDS", "--text-descs-embeddings-path words.npy --text-descs-list-path "+words,
		"OF", "--model "+in.model+" --dataset imagenet_val --data-path "+data,
		"MODEL", in.model, "VIT", testutil.GoldenViT("vit_openclip.pt"), "VOCAB", testutil.Golden("text/toy_merges.txt.gz"), "DATA", data, "IMAGE", image, "LABELS", labels, "OUT", in.at("out"),
	)
	before := filesBelow(t, in.dir)
	for _, test := range impossible {
		code, stdout, stderr := clipnh(strings.Fields(spelled.Replace(test.line))...)
		if code != exitUsage || stdout != "" || !strings.Contains(stderr, spelled.Replace(test.message)) {
			t.Errorf("%s: status %d, want %d and %q:\n%s%s", test.line, code, exitUsage, test.message, stdout, stderr)
		}
	}
	for _, test := range faultOfFiles {
		if code, _, stderr := clipnh(strings.Fields(spelled.Replace(test.line))...); code != test.code {
			t.Errorf("%s: status %d, want %d:\n%s", test.line, code, test.code, stderr)
		}
	}
	for name := range filesBelow(t, in.dir) {
		if _, there := before[name]; !there {
			t.Errorf("%s was written", name)
		}
	}
}
