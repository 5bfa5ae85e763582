package main

import (
	"strings"
	"testing"
)

// TestFlagsWithoutEffect gives every command flags that do nothing beside its others:
// each is refused, by its name and that of what makes it so.
func TestFlagsWithoutEffect(t *testing.T) {
	evaluated := " --features-save-path f.npy"
	reconstruct := "reconstruct --scores s --means-path m.npy --pcs-paths p.npy" + evaluated
	ablate := "ablate --scores s --means-path m.npy" + evaluated
	masked, curve := ablate+" --replace-index-path k.npy", ablate+" --mode neur_reprs --percentile 50 --neurons-norms-path n.npy"
	sink := "ablate --model m.pt --data-path d --mode zero_sink" + evaluated
	effects := ablate + " --mode neur_effects --neurons-norms-path n.npy"
	edit := "edit --model m.pt --remove n5 --by zero --save-path e.pt"
	retrieve := "retrieve --neur-idxs 1 --scores s"
	heads := "retrieve --head-idxs l3h1 --model m.pt --data-path d"
	shift := "shift --concepts a --pcs-path p.npy --text-embeddings-path e.npy --scores s"
	watch := shift + " --watch r"
	mislead := "mislead --from a --to b --pcs-path p.npy --text-descs-list-path w.txt --text-descs-embeddings-path e.npy"
	segment := "segment --model m.pt --pcs-path p.npy --classes a,b --image i.jpg"
	collect := "collect --model m.pt --data-path d --save-path s"
	count := 0
	for _, test := range []struct{ command, flag, because string }{
		{reconstruct, "--sample-stride 2", "--scores"},
		{reconstruct, "--precision bf16", "--scores"},
		{reconstruct, "--batch-size 4", "--scores"},
		{reconstruct, "--exif", "--scores"},
		{reconstruct, "--max-pixels 100", "--scores"},
		{reconstruct, "--strict", "--scores"},
		{strings.Replace(reconstruct, evaluated, " --imagenet-zeroshot-path c.npy --data-path d", 1), "--restart", "--features-save-path"},
		{"polysemanticity --collect-save-path s", "--restart", "--scores-save-path"},
		{reconstruct, "--normalize rows", "--pcs-paths"},
		{reconstruct, "--dataset images", "--imagenet-zeroshot-path"},
		{reconstruct, "--data-path d", "--imagenet-zeroshot-path"},
		{reconstruct, "--imagenet-zeroshot-path c.npy", "--data-path"},
		{"reconstruct --model m.pt --data-path d --means-path m.npy --pcs-paths p.npy" + evaluated, "--shape 1,2,3", "--scores"},
		{masked, "--sample-stride 2", "--scores"},
		{masked, "--precision bf16", "--scores"},
		{masked, "--top-images 3", "--percentile"},
		{masked + " --mode neur_reprs", "--neurons-norms-path n.npy", "--replace-index-path"},
		{masked, "--top-k-sink-neurons 3", "--mode neur_head_reprs"},
		{masked, "--neurons-sink-diffs-path s.npy", "--mode neur_head_reprs"},
		{curve, "--neuron-head-norms-path n.npy", "--mode neur_reprs"},
		{curve, "--neuron-acts-norms-path n.npy", "--mode neur_reprs"},
		{effects, "--percentile 50", "--mode neur_effects"},
		{effects, "--replace-index-path k.npy", "--mode neur_effects"},
		{effects, "--pairs n3", "--mode neur_effects"},
		{effects, "--top-images 3", "--mode neur_effects"},
		{effects, "--neuron-head-norms-path n.npy", "--mode neur_effects"},
		{sink, "--means-path m.npy", "--mode zero_sink"},
		{sink, "--neurons-norms-path n.npy", "--mode zero_sink"},
		{"mask --mode neur_reprs --neurons-norms-path n.npy --mask-save-path k.npy", "--neuron-head-norms-path n.npy", "--mode neur_reprs"},
		{edit, "--k 3", "--remove-text"},
		{edit, "--pcs-path p.npy", "--remove-text"},
		{edit, "--vocab v", "--remove-text"},
		{edit, "--templates t", "--remove-text"},
		{edit, "--use-templates=false", "--remove-text"},
		{edit, "--invert-mask", "--remove-mask"},
		{edit, "--means-path m.npy", "--by zero"},
		{edit, "--scores s", "--by zero"},
		{edit, "--dataset cars", "--data-path"},
		{edit, "--sample-stride 2", "--data-path"},
		{edit, "--batch-size 4", "--data-path"},
		{edit, "--precision bf16", "--data-path"},
		{edit, "--exif", "--data-path"},
		{edit, "--preprocess openai", "--data-path"},
		{edit, "--strict", "--data-path"},
		{heads, "--scores s", "--head-idxs"},
		{heads, "--pcs-path p.npy", "--head-idxs"},
		{heads, "--pairs l3h1n5", "--head-idxs"},
		{heads, "--copies", "--head-idxs"},
		{heads, "--vocab v", "--text"},
		{heads, "--use-templates=false", "--text"},
		{retrieve, "--sample-stride 2", "--scores"},
		{retrieve, "--precision bf16", "--scores"},
		{retrieve, "--batch-size 4", "--scores"},
		{retrieve, "--exif", "--save-dir"},
		{retrieve, "--strict", "--save-dir"},
		{retrieve, "--max-pixels 9", "--save-dir"},
		{retrieve, "--copy-side 9", "--save-dir"},
		{retrieve, "--copies", "--save-dir"},
		{retrieve, "--weigh-by-norm", "--text"},
		{retrieve, "--data-path d", "--save-dir"},
		{retrieve, "--model m.pt", "--text"},
		{retrieve, "--text-pairs 2", "--text"},
		{retrieve, "--pcs-path p.npy", "--text"},
		{retrieve, "--vocab v", "--text"},
		{retrieve, "--templates v", "--text"},
		{retrieve, "--num-components 2", "--codes"},
		{retrieve + " --save-dir o --data-path d", "--precision bf16", "--model"},
		{"retrieve --neur-idxs 1 --model m.pt --data-path d", "--shape 1,2,3", "--scores"},
		{shift, "--sample-stride 2", "--scores"},
		{shift, "--precision bf16", "--scores"},
		{shift, "--data-path d", "--scores"},
		{shift, "--model m.pt", "--text-embeddings-path"},
		{shift, "--vocab v", "--text-embeddings-path"},
		{shift, "--templates v", "--text-embeddings-path"},
		{shift, "--use-templates=false", "--text-embeddings-path"},
		{shift, "--list 3", "--watch"},
		{shift, "--bootstrap 300", "--watch"},
		{shift, "--seed 3", "--watch"},
		{shift, "--image-column a", "--labels-csv"},
		{watch, "--sample-stride 2", "--watch"},
		{watch, "--dataset images", "--watch"},
		{watch, "--data-path d", "--watch"},
		{watch, "--precision bf16", "--watch"},
		{watch, "--exif", "--watch"},
		{watch, "--shape 1,2,3", "--watch"},
		{watch + " --bootstrap 0", "--seed 3", "--bootstrap 0"},
		{segment + " --text-embeddings-path e.npy", "--vocab v", "--text-embeddings-path"},
		{segment + " --vocab v", "--pamr-dilations 3", "--pamr-steps"},
		{"segment --model m.pt --vocab v --classes a,b --image i.jpg --method values", "--k 3", "--method values"},
		{"segment --model m.pt --vocab v --classes a,b --image i.jpg --method values", "--pcs-path p.npy", "--method values"},
		{"segment --model m.pt --vocab v --classes a,b --image i.jpg --method values", "--text-for-topk t.npy", "--method values"},
		{"describe n1 --codes c.npz --text-descs-list-path w.txt", "--normalize rows", "--codes"},
		{"describe n1 --codes c.npz --text-descs-list-path w.txt", "--text-descs-embeddings-path e.npy", "--codes"},
		{"describe n1 --codes c.npz --text-descs-list-path w.txt", "--scores s", "without --image or --attributes"},
		{"describe n1 --codes c.npz --text-descs-list-path w.txt", "--top-images 3", "without --image or --attributes"},
		{mislead + " --model m.pt --vocab v --codes c.npz", "--normalize rows", "--codes"},
		{mislead + " --model m.pt --vocab v", "--classes a,b", "--imagenet-zeroshot-path"},
		{mislead + " --model m.pt --vocab v", "--seed 3", "--sentences"},
		{mislead + " --model m.pt --vocab v", "--labels-csv l.csv", "--scores"},
		{mislead + " --model m.pt --vocab v --scores s --labels-csv l.csv", "--dataset images", "--data-path"},
		{mislead + " --classes a,b --imagenet-zeroshot-path z.npy", "--vocab v", "--imagenet-zeroshot-path"},
		{"explain i.jpg --model m.pt --vocab v --classes a,b", "--sample-stride 2", "--data-path"},
		{"explain i.jpg --model m.pt --vocab v --classes a,b", "--dataset images", "--data-path"},
		{"explain i.jpg --model m.pt --vocab v --classes a,b", "--num-components 2", "--codes"},
		{"explain i.jpg --model m.pt --imagenet-zeroshot-path e.npy --classes a,b", "--vocab v", "--imagenet-zeroshot-path"},
		{"explain i.jpg --model m.pt --imagenet-zeroshot-path e.npy --classes a,b", "--use-templates=false", "--imagenet-zeroshot-path"},
		{"audit --scores s --classes a,b --out o --imagenet-zeroshot-path e.npy", "--vocab v", "without texts to embed"},
		{"audit --scores s --classes a,b --out o --imagenet-zeroshot-path e.npy", "--use-templates=false", "without texts to embed"},
		{"audit --scores s --classes a,b --out o --imagenet-zeroshot-path e.npy", "--text-embeddings-path t.npy", "--concepts"},
		{"audit --scores s --classes a,b --out o --imagenet-zeroshot-path e.npy", "--num-components 2", "--codes"},
		{"audit --scores s --classes a,b --out o --imagenet-zeroshot-path e.npy", "--sheet-pairs 2", "--data-path"},
		{"audit --scores s --classes a,b --out o --imagenet-zeroshot-path e.npy", "--precision bf16", "--scores"},
		{collect, "--lens-idx 1", "--mode"},
		{collect, "--top-k 3", "--stats-only"},
		{"svd --collect-save-path s --mode n --mean-save-path m.npy", "--pc-idx 1", "--out-save-path"},
		{"verify s", "--batch-size 3", "--repair"},
		{"verify s", "--dataset images", "--data-path"},
		{"info --model m.pt", "--batch-size 3", "--plan"},
	} {
		args := strings.Fields(test.command + " " + test.flag)
		flag, _, _ := strings.Cut(strings.Fields(test.flag)[0], "=")
		code, _, said := clipnh(args...)
		first, _, _ := strings.Cut(said, "\n")
		if code != exitUsage || !strings.Contains(first, flag) || !strings.Contains(first, test.because) {
			t.Errorf("%q: exit code %d, said\n%swant code %d and both %s and %s in the first line", args, code, said, exitUsage, flag, test.because)
		}
		count++
	}
	for _, test := range []struct{ line, want string }{
		{segment + " --vocab v --config c --config d", "--config is given 2 times"},
		{collect + " --model n.pt --model o.pt", "--model is given 3 times"},
		{collect + " --data_path e", "--data-path is given 2 times"},
		{reconstruct + " --means_path n.npy", "--means-path is given 2 times"},
	} {
		code, _, said := clipnh(strings.Fields(test.line)...)
		if code != exitUsage || !strings.Contains(said, test.want) {
			t.Errorf("%s: exit code %d, said\n%swant %q", test.line, code, said, test.want)
		}
		count++
	}
	t.Logf("%d flags without effect are refused", count)
}
