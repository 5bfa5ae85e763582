package main

// A pairing is a command line with inputs in braces, and which of them must belong
// together. Differences are "model", "block", "precision", "stride", "texts", "order",
// "mode" and "kind": see TestInputsBelongTogether.
type pairing struct {
	name, line string
	// By difference, groups of inputs that must agree, with semicolons between them.
	// "line" stands for what the command line and its images say.
	together map[string]string
	// By difference, the inputs that may come from elsewhere, and are then used.
	// Scores may be of other images than components and means were computed from:
	// that is how accuracy is measured, and how images are searched and compared; and
	// pairs may be ablated by other images than neurons.
	free map[string]string
}

const (
	dataFlags  = " --dataset imagenet_val --data-path DATA"
	features   = " --features-save-path OUT.npy"
	classified = dataFlags + " --imagenet-zeroshot-path {classes.npy}"
	texts      = " --use-templates=false --vocab VOCAB"
	descs      = " --text-descs-embeddings-path {words.npy} --text-descs-list-path {words.txt}"
	misled     = "mislead --from dog --to cat --max-cosine 1 --scores {scores} --labels-csv LABELS"
	spanned    = " --method textspan --num-components 2"
	watched    = " --concepts-path {words.txt} --text-embeddings-path {words.npy} --pcs-path {pc0.npy}"
)

// pairings have every input of every command together with every other that it can be
// given with; TestEveryInputIsPaired holds that.
var pairings = []pairing{
	{"reconstruct", "reconstruct --scores {scores} --means-path {means.npy} --pcs-paths {pc0.npy}" + classified, map[string]string{
		"model": "scores means.npy pc0.npy classes.npy", "block": "scores means.npy pc0.npy", "precision": "scores means.npy pc0.npy",
		"stride": "means.npy pc0.npy", "texts": "line classes.npy", "order": "line classes.npy", "kind": "line means.npy pc0.npy classes.npy"},
		map[string]string{"stride": "scores"}},
	{"reconstruct a dense file", "reconstruct --scores {dense.npy} --means-path {means_n.npy} --pcs-paths {pc0_n.npy}" + classified, map[string]string{
		"model": "dense.npy means_n.npy pc0_n.npy classes.npy", "block": "line means_n.npy pc0_n.npy", "precision": "dense.npy means_n.npy pc0_n.npy",
		"stride": "means_n.npy pc0_n.npy", "texts": "line classes.npy", "order": "line classes.npy", "kind": "line means_n.npy pc0_n.npy classes.npy"},
		map[string]string{"stride": "dense.npy"}},
	{"reconstruct a model", "reconstruct --model {checkpoint} --means-path {means.npy} --pcs-paths {pc0.npy}" + classified, map[string]string{
		"model": "checkpoint means.npy pc0.npy classes.npy", "block": "line means.npy pc0.npy", "precision": "line means.npy pc0.npy",
		"stride": "means.npy pc0.npy", "texts": "line classes.npy", "order": "line classes.npy", "kind": "line means.npy pc0.npy classes.npy"}, nil},
	{"reconstruct neurons", "reconstruct --scores {scores} --means-path {means_n.npy} --pcs-paths {pc0_n.npy},{pc1_n.npy}" + features, map[string]string{
		"model": "scores means_n.npy pc0_n.npy pc1_n.npy", "block": "scores means_n.npy pc0_n.npy pc1_n.npy",
		"precision": "scores means_n.npy pc0_n.npy pc1_n.npy", "stride": "means_n.npy pc0_n.npy pc1_n.npy", "kind": "line means_n.npy pc0_n.npy pc1_n.npy"},
		map[string]string{"stride": "scores"}},
	{"reconstruct codes", "reconstruct --scores {scores} --means-path {means.npy} --codes {codes.npz} --text-descs-embeddings-path {words.npy}" + classified, map[string]string{
		"model": "scores means.npy codes.npz words.npy classes.npy", "block": "scores means.npy codes.npz", "precision": "scores means.npy codes.npz",
		"stride": "means.npy codes.npz", "texts": "codes.npz words.npy; line classes.npy", "order": "codes.npz words.npy; line classes.npy", "kind": "line means.npy classes.npy"},
		map[string]string{"stride": "scores"}},
	{"reconstruct codes, a model", "reconstruct --model {checkpoint} --means-path {means.npy} --codes {codes.npz} --text-descs-embeddings-path {words.npy}" + classified, map[string]string{
		"model": "checkpoint means.npy codes.npz words.npy classes.npy", "block": "line means.npy codes.npz", "precision": "line means.npy codes.npz",
		"stride": "means.npy codes.npz", "texts": "codes.npz words.npy; line classes.npy", "order": "codes.npz words.npy; line classes.npy", "kind": "line means.npy classes.npy"}, nil},

	{"ablate mask", "ablate --scores {scores} --means-path {means.npy} --replace-index-path {mask.npy}" + classified, map[string]string{
		"model": "scores means.npy mask.npy classes.npy", "block": "scores means.npy mask.npy", "precision": "scores means.npy mask.npy",
		"stride": "means.npy mask.npy", "texts": "line classes.npy", "order": "line classes.npy", "kind": "line means.npy mask.npy classes.npy"},
		map[string]string{"stride": "scores"}},
	{"ablate norms", "ablate --scores {scores} --means-path {means.npy},{means_n.npy} --percentile 50 --neuron-head-norms-path {norms.npy} --neurons-norms-path {norms_n.npy}" + classified, map[string]string{
		"model":  "scores means.npy means_n.npy norms.npy norms_n.npy classes.npy",
		"block":  "scores means.npy means_n.npy norms.npy norms_n.npy",
		"stride": "means.npy norms.npy; means_n.npy norms_n.npy", "precision": "scores means.npy means_n.npy norms.npy norms_n.npy",
		"texts": "line classes.npy", "order": "line classes.npy", "mode": "line norms.npy norms_n.npy", "kind": "line means.npy means_n.npy classes.npy"},
		map[string]string{"stride": "scores"}},
	{"ablate neurons", "ablate --scores {scores} --mode neur_reprs --means-path {means_n.npy} --replace-index-path {mask_n.npy}" + features, map[string]string{
		"model": "scores means_n.npy mask_n.npy", "block": "scores means_n.npy mask_n.npy", "precision": "scores means_n.npy mask_n.npy",
		"stride": "means_n.npy mask_n.npy", "mode": "line mask_n.npy", "kind": "line means_n.npy mask_n.npy"},
		map[string]string{"stride": "scores"}},
	{"ablate effects", "ablate --scores {scores} --mode neur_effects --means-path {means_n.npy} --neurons-norms-path {norms_n.npy}" + classified, map[string]string{
		"model": "scores means_n.npy norms_n.npy classes.npy", "block": "scores means_n.npy norms_n.npy", "precision": "scores means_n.npy norms_n.npy",
		"stride": "means_n.npy norms_n.npy", "texts": "line classes.npy", "order": "line classes.npy", "mode": "line norms_n.npy", "kind": "line means_n.npy classes.npy"},
		map[string]string{"stride": "scores"}},
	{"ablate heads", "ablate --scores {heads} --mode heads --pairs h1" + classified, map[string]string{
		"model": "heads classes.npy", "texts": "line classes.npy", "order": "line classes.npy", "kind": "line classes.npy"},
		map[string]string{"stride": "heads", "precision": "heads"}},
	{"textspan", "textspan --scores {heads} --num-of-last-layers 1 --texts-per-head 2" + descs + classified, map[string]string{
		"model": "heads words.npy classes.npy", "texts": "words.npy words.txt; line classes.npy", "order": "words.npy words.txt; line classes.npy", "kind": "line classes.npy"},
		map[string]string{"stride": "heads", "precision": "heads"}},
	{"ablate registers", "ablate --model {checkpoint} --mode zero_register_neurons --top-k-sink-neurons 3 --neurons-sink-diffs-path {sink.npy}" + classified, map[string]string{
		"model": "checkpoint sink.npy classes.npy", "precision": "line sink.npy", "texts": "line classes.npy", "order": "line classes.npy", "kind": "line sink.npy classes.npy"},
		map[string]string{"stride": "sink.npy"}},
	{"ablate a model", "ablate --model {checkpoint} --means-path {means.npy} --replace-index-path {mask.npy}" + classified, map[string]string{
		"model": "checkpoint means.npy mask.npy classes.npy", "block": "line means.npy mask.npy", "precision": "line means.npy mask.npy",
		"stride": "means.npy mask.npy", "texts": "line classes.npy", "order": "line classes.npy", "kind": "line means.npy mask.npy classes.npy"}, nil},
	{"ablate mask and registers", "ablate --model {checkpoint} --mode neur_head_reprs,zero_register_neurons --means-path {means.npy} --replace-index-path {mask.npy}" +
		" --top-k-sink-neurons 3 --neurons-sink-diffs-path {sink.npy}" + features + dataFlags, map[string]string{
		"model": "checkpoint means.npy mask.npy sink.npy", "block": "line means.npy mask.npy", "precision": "line means.npy mask.npy sink.npy",
		"stride": "means.npy mask.npy", "kind": "line means.npy mask.npy sink.npy"},
		map[string]string{"stride": "sink.npy"}},
	{"ablate activations", "ablate --model {checkpoint} --mode neur_acts --percentile 50 --neuron-acts-norms-path {norms_acts.npy} --means-path {mean_acts.npy}" + classified, map[string]string{
		"model": "checkpoint norms_acts.npy mean_acts.npy classes.npy", "precision": "line norms_acts.npy mean_acts.npy", "block": "line norms_acts.npy",
		"texts": "line classes.npy", "order": "line classes.npy", "mode": "line norms_acts.npy", "kind": "line classes.npy"},
		map[string]string{"stride": "mean_acts.npy norms_acts.npy"}},
	{"ablate everything", "ablate --model {checkpoint} --mode neur_head_reprs,neur_reprs,neur_acts,zero_register_neurons --percentile 50 --neuron-head-norms-path {norms.npy}" +
		" --neurons-norms-path {norms_n.npy} --neuron-acts-norms-path {norms_acts.npy} --means-path {means.npy},{means_n.npy},{mean_acts.npy}" +
		" --top-k-sink-neurons 3 --neurons-sink-diffs-path {sink.npy}" + classified, map[string]string{
		"model":     "checkpoint norms.npy norms_n.npy norms_acts.npy means.npy means_n.npy mean_acts.npy sink.npy classes.npy",
		"block":     "line norms.npy norms_n.npy norms_acts.npy means.npy means_n.npy",
		"precision": "line norms.npy norms_n.npy norms_acts.npy means.npy means_n.npy mean_acts.npy sink.npy",
		"stride":    "norms.npy means.npy; norms_n.npy means_n.npy", "texts": "line classes.npy", "order": "line classes.npy",
		"mode": "line norms.npy norms_n.npy norms_acts.npy", "kind": "line means.npy means_n.npy sink.npy classes.npy"},
		map[string]string{"stride": "norms_acts.npy mean_acts.npy sink.npy"}},

	{"mask", "mask --neurons-norms-path {norms_n.npy} --mask-save-path OUT.npy", map[string]string{"mode": "line norms_n.npy"},
		map[string]string{"model": "norms_n.npy", "block": "norms_n.npy", "precision": "norms_n.npy", "stride": "norms_n.npy"}},
	{"mask of pairs", "mask --neuron-head-norms-path {norms.npy} --mask-save-path OUT.npy", map[string]string{"mode": "line norms.npy"},
		map[string]string{"model": "norms.npy", "block": "norms.npy", "precision": "norms.npy", "stride": "norms.npy"}},
	{"mask of activations", "mask --neuron-acts-norms-path {norms_acts.npy} --mask-save-path OUT.npy", map[string]string{"mode": "line norms_acts.npy"},
		map[string]string{"model": "norms_acts.npy", "block": "norms_acts.npy", "precision": "norms_acts.npy", "stride": "norms_acts.npy"}},

	{"sparse", "sparse --pcs-path {pc0.npy}" + descs + " --num-components 4 --restart --decomposition-save-path OUT.npz", map[string]string{
		"model": "pc0.npy words.npy", "texts": "words.npy words.txt", "order": "words.npy words.txt", "kind": "line pc0.npy"},
		map[string]string{"block": "pc0.npy", "precision": "pc0.npy", "stride": "pc0.npy"}},
	{"sparse, resumed", "sparse --pcs-path {pc0.npy}" + descs + " --num-components 4 --decomposition-save-path {codes.npz}", map[string]string{
		"model": "pc0.npy words.npy codes.npz", "block": "pc0.npy codes.npz", "precision": "pc0.npy codes.npz", "stride": "pc0.npy codes.npz",
		"texts": "words.npy words.txt codes.npz", "order": "words.npy words.txt codes.npz", "kind": "line pc0.npy"}, nil},
	{"describe", "describe h0n0 --pcs-path {pc0.npy}" + descs, map[string]string{
		"model": "pc0.npy words.npy", "texts": "words.npy words.txt", "order": "words.npy words.txt", "kind": "line pc0.npy"},
		map[string]string{"block": "pc0.npy", "precision": "pc0.npy", "stride": "pc0.npy"}},
	{"describe codes", "describe h0n0 --codes {codes.npz} --pcs-path {pc0.npy} --text-descs-list-path {words.txt}", map[string]string{
		"model": "codes.npz pc0.npy", "block": "codes.npz pc0.npy", "precision": "codes.npz pc0.npy", "stride": "codes.npz pc0.npy",
		"texts": "codes.npz words.txt", "order": "codes.npz words.txt", "kind": "line pc0.npy"}, nil},

	{"show", "show h0n0 --scores {scores} --pcs-path {pc0.npy}" + descs, map[string]string{
		"model": "scores pc0.npy words.npy", "block": "scores pc0.npy", "precision": "scores pc0.npy",
		"texts": "words.npy words.txt", "order": "words.npy words.txt", "kind": "line pc0.npy"},
		map[string]string{"stride": "scores pc0.npy"}},
	{"show neuron", "show n0 --scores {scores} --pcs-path {pc0.npy} --neuron-pcs-path {pc0_n.npy}" + descs, map[string]string{
		"model": "scores pc0.npy pc0_n.npy words.npy", "block": "scores pc0.npy pc0_n.npy", "precision": "scores pc0.npy pc0_n.npy",
		"texts": "words.npy words.txt", "order": "words.npy words.txt", "kind": "line pc0.npy pc0_n.npy"},
		map[string]string{"stride": "scores pc0.npy pc0_n.npy"}},
	{"show codes", "show h0n0 --scores {scores} --codes {codes.npz} --text-descs-list-path {words.txt}", map[string]string{
		"model": "scores codes.npz", "block": "scores codes.npz", "precision": "scores codes.npz",
		"texts": "codes.npz words.txt", "order": "codes.npz words.txt"},
		map[string]string{"stride": "scores codes.npz"}},

	{"retrieve", "retrieve --text tree --scores {scores} --pcs-path {pc0.npy} --model {checkpoint}" + texts +
		" --codes {codes.npz} --text-descs-list-path {words.txt}", map[string]string{
		"model": "scores pc0.npy checkpoint codes.npz", "block": "scores pc0.npy codes.npz", "precision": "scores pc0.npy codes.npz",
		"stride": "pc0.npy codes.npz", "texts": "codes.npz words.txt", "order": "codes.npz words.txt", "kind": "line pc0.npy"},
		map[string]string{"stride": "scores"}},
	{"retrieve from a model", "retrieve --text tree --pcs-path {pc0.npy} --model {checkpoint}" + texts + dataFlags +
		" --codes {codes.npz} --text-descs-list-path {words.txt}", map[string]string{
		"model": "pc0.npy checkpoint codes.npz", "block": "line pc0.npy codes.npz", "precision": "line pc0.npy codes.npz",
		"stride": "pc0.npy codes.npz", "texts": "codes.npz words.txt", "order": "codes.npz words.txt", "kind": "line pc0.npy"}, nil},

	{"shift", "shift --scores {scores}" + watched, map[string]string{
		"model": "scores words.npy pc0.npy", "block": "scores pc0.npy", "precision": "scores pc0.npy",
		"texts": "words.npy words.txt", "order": "words.npy words.txt", "kind": "line pc0.npy"},
		map[string]string{"stride": "scores pc0.npy"}},
	{"shift of listed texts", "shift --scores {scores} --lines {words.txt}" + watched, map[string]string{
		"model": "scores words.npy pc0.npy", "block": "scores pc0.npy", "precision": "scores pc0.npy",
		"texts": "words.npy words.txt", "order": "words.npy words.txt", "kind": "line pc0.npy"},
		map[string]string{"stride": "scores pc0.npy"}},
	{"shift of texts", "shift --scores {scores} --text tree --model {checkpoint}" + texts + " --pcs-path {pc0.npy}", map[string]string{
		"model": "scores checkpoint pc0.npy", "block": "scores pc0.npy", "precision": "scores pc0.npy", "kind": "line pc0.npy"},
		map[string]string{"stride": "scores pc0.npy"}},
	{"shift of a model", "shift --model {checkpoint}" + dataFlags + watched, map[string]string{
		"model": "checkpoint words.npy pc0.npy", "block": "line pc0.npy", "precision": "line pc0.npy",
		"texts": "words.npy words.txt", "order": "words.npy words.txt", "kind": "line pc0.npy"},
		map[string]string{"stride": "pc0.npy"}},
	{"shift --shard, resumed", "shift --model {checkpoint}" + dataFlags + watched + " --lines {words.txt} --shard 1/2 --save-path {ratios.json}", map[string]string{
		"model": "checkpoint words.npy pc0.npy ratios.json", "block": "line pc0.npy ratios.json", "precision": "line pc0.npy ratios.json",
		"stride": "pc0.npy ratios.json", "texts": "words.npy words.txt ratios.json", "order": "words.npy words.txt ratios.json", "kind": "line pc0.npy"}, nil},
	{"shift --watch of texts", "shift --scores {scores} --watch {reference} --text tree --model {checkpoint}" + texts + " --pcs-path {pc0.npy} --bootstrap 0", map[string]string{
		"model": "scores reference checkpoint pc0.npy", "block": "scores reference pc0.npy", "precision": "scores reference pc0.npy", "kind": "line pc0.npy"},
		map[string]string{"stride": "scores reference pc0.npy"}},
	{"shift --watch", "shift --scores {scores} --watch {reference} --lines {words.txt}" + watched + " --bootstrap 0", map[string]string{
		"model": "scores reference words.npy pc0.npy", "block": "scores reference pc0.npy", "precision": "scores reference pc0.npy",
		"texts": "words.npy words.txt", "order": "words.npy words.txt", "kind": "line pc0.npy"},
		map[string]string{"stride": "scores reference pc0.npy"}},
	{"watch of texts", "watch --scores {scores} --reference {reference} --concepts-path {words.txt} --model {checkpoint}" + texts + " --pcs-path {pc0.npy} --bootstrap 0", map[string]string{
		"model": "scores reference checkpoint pc0.npy", "block": "scores reference pc0.npy", "precision": "scores reference pc0.npy", "kind": "line pc0.npy"},
		map[string]string{"stride": "scores reference pc0.npy", "texts": "words.txt", "order": "words.txt"}},
	{"watch", "watch --scores {scores} --reference {reference} --lines {words.txt}" + watched + " --bootstrap 0", map[string]string{
		"model": "scores reference words.npy pc0.npy", "block": "scores reference pc0.npy", "precision": "scores reference pc0.npy",
		"texts": "words.npy words.txt", "order": "words.npy words.txt", "kind": "line pc0.npy"},
		map[string]string{"stride": "scores reference pc0.npy"}},

	{"search", "search --scores {scores} --text tree --model {checkpoint}" + texts, map[string]string{"model": "scores checkpoint"},
		map[string]string{"block": "scores", "precision": "scores", "stride": "scores"}},
	{"search a model", "search --model {checkpoint}" + dataFlags + " --units h0n0", map[string]string{}, map[string]string{"model": "checkpoint"}},
	{"classify", "classify --scores {scores} --classes {classes.txt} --model {checkpoint}" + texts, map[string]string{"model": "scores checkpoint"},
		map[string]string{"block": "scores", "precision": "scores", "stride": "scores", "texts": "classes.txt", "order": "classes.txt"}},
	{"classify by embeddings", "classify --scores {scores} --classes {classes.txt} --imagenet-zeroshot-path {classes.npy}", map[string]string{
		"model": "scores classes.npy", "texts": "classes.npy classes.txt", "order": "classes.npy classes.txt", "kind": "line classes.npy"},
		map[string]string{"block": "scores", "precision": "scores", "stride": "scores"}},
	{"classify a model's images", "classify IMAGE --classes {classes.txt} --model {checkpoint} --imagenet-zeroshot-path {classes.npy}", map[string]string{
		"model": "checkpoint classes.npy", "texts": "classes.npy classes.txt", "order": "classes.npy classes.txt", "kind": "line classes.npy"}, nil},

	{"explain", "explain IMAGE --model {checkpoint} --classes {classes.txt} --imagenet-zeroshot-path {classes.npy} --scores {scores} --unusual" +
		" --codes {codes.npz} --text-descs-list-path {words.txt}", map[string]string{
		"model": "checkpoint classes.npy scores codes.npz", "block": "line scores codes.npz", "precision": "line scores codes.npz",
		"texts": "classes.npy classes.txt; codes.npz words.txt", "order": "classes.npy classes.txt; codes.npz words.txt", "kind": "line classes.npy"},
		map[string]string{"stride": "scores codes.npz"}},
	{"explain by means", "explain IMAGE --model {checkpoint} --classes {classes.txt} --imagenet-zeroshot-path {classes.npy} --means-path {means.npy} --unusual" +
		" --codes {codes.npz} --text-descs-list-path {words.txt}", map[string]string{
		"model": "checkpoint classes.npy means.npy codes.npz", "block": "line means.npy codes.npz", "precision": "line means.npy codes.npz",
		"texts": "classes.npy classes.txt; codes.npz words.txt", "order": "classes.npy classes.txt; codes.npz words.txt", "kind": "line classes.npy means.npy"},
		map[string]string{"stride": "means.npy codes.npz"}},
	{"explain, words computed", "explain IMAGE --model {checkpoint} --classes {classes.txt} --imagenet-zeroshot-path {classes.npy} --scores {scores} --unusual" +
		" --pcs-path {pc0.npy} --neuron-pcs-path {pc0_n.npy}" + descs, map[string]string{
		"model": "checkpoint classes.npy scores pc0.npy pc0_n.npy words.npy", "block": "line scores pc0.npy pc0_n.npy", "precision": "line scores pc0.npy pc0_n.npy",
		"texts": "classes.npy classes.txt; words.npy words.txt", "order": "classes.npy classes.txt; words.npy words.txt",
		"kind": "line classes.npy pc0.npy pc0_n.npy"},
		map[string]string{"stride": "scores pc0.npy pc0_n.npy"}},
	{"explain by means, words computed", "explain IMAGE --model {checkpoint} --classes {classes.txt} --imagenet-zeroshot-path {classes.npy} --means-path {means.npy} --unusual" +
		" --pcs-path {pc0.npy} --neuron-pcs-path {pc0_n.npy}" + descs, map[string]string{
		"model": "checkpoint classes.npy means.npy pc0.npy pc0_n.npy words.npy", "block": "line means.npy pc0.npy pc0_n.npy", "precision": "line means.npy pc0.npy pc0_n.npy",
		"texts": "classes.npy classes.txt; words.npy words.txt", "order": "classes.npy classes.txt; words.npy words.txt",
		"kind": "line classes.npy means.npy pc0.npy pc0_n.npy"},
		map[string]string{"stride": "means.npy pc0.npy pc0_n.npy"}},

	{"audit", "audit --scores {scores} --model {checkpoint} --labels-csv LABELS --classes {classes.txt} --imagenet-zeroshot-path {classes.npy}" +
		" --concepts {words.txt} --text-embeddings-path {words.npy} --codes {codes.npz} --text-descs-list-path {words.txt}" +
		" --permutations 19 --level 0.1 --out OUT", map[string]string{
		"model": "scores checkpoint classes.npy words.npy codes.npz", "block": "line scores codes.npz", "precision": "scores codes.npz",
		"texts": "classes.npy classes.txt; codes.npz words.npy words.txt", "order": "classes.npy classes.txt; codes.npz words.npy words.txt",
		"kind": "line classes.npy"},
		map[string]string{"stride": "scores codes.npz"}},
	{"audit, words computed", "audit --scores {scores} --model {checkpoint} --labels-csv LABELS --classes {classes.txt} --imagenet-zeroshot-path {classes.npy}" +
		" --concepts {words.txt} --text-embeddings-path {words.npy} --pcs-path {pc0.npy}" + descs + " --permutations 19 --level 0.1 --out OUT", map[string]string{
		"model": "scores checkpoint classes.npy words.npy pc0.npy", "block": "line scores pc0.npy", "precision": "scores pc0.npy",
		"texts": "classes.npy classes.txt; words.npy words.txt", "order": "classes.npy classes.txt; words.npy words.txt",
		"kind": "line classes.npy pc0.npy"},
		map[string]string{"stride": "scores pc0.npy"}},
	{"audit heads", "audit --scores {heads} --model {checkpoint} --labels-csv LABELS --classes {classes.txt} --imagenet-zeroshot-path {classes.npy}" +
		" --concepts {words.txt} --text-embeddings-path {words.npy} --spans-path {spans.txt} --permutations 19 --level 0.1 --out OUT", map[string]string{
		"model": "heads checkpoint classes.npy words.npy spans.txt", "texts": "classes.npy classes.txt; words.npy words.txt", "order": "classes.npy classes.txt; words.npy words.txt",
		"precision": "heads spans.txt", "kind": "line classes.npy"},
		map[string]string{"stride": "heads spans.txt", "texts": "spans.txt", "order": "spans.txt"}},
	{"audit a model", "audit --model {checkpoint}" + dataFlags + " --labels-csv LABELS --classes {classes.txt} --imagenet-zeroshot-path {classes.npy}" +
		" --codes {codes.npz} --text-descs-list-path {words.txt} --permutations 19 --level 0.1 --out OUT", map[string]string{
		"model": "checkpoint classes.npy codes.npz", "block": "line codes.npz", "precision": "line codes.npz",
		"texts": "classes.npy classes.txt; codes.npz words.txt", "order": "classes.npy classes.txt; codes.npz words.txt", "kind": "line classes.npy"},
		map[string]string{"stride": "codes.npz"}},

	{"report", "report --scores {scores} --model {checkpoint} --pcs-path {pc0.npy} --codes {codes.npz}" + descs + classified + " --with {reference} --out OUT", map[string]string{
		"model": "scores checkpoint pc0.npy codes.npz words.npy classes.npy", "block": "line scores pc0.npy codes.npz", "precision": "scores pc0.npy codes.npz",
		"stride": "pc0.npy codes.npz", "texts": "codes.npz words.npy words.txt; line classes.npy", "order": "codes.npz words.npy words.txt; line classes.npy",
		"kind": "line pc0.npy classes.npy"},
		map[string]string{"stride": "scores reference", "model": "reference", "block": "reference", "precision": "reference"}},
	{"report, words computed", "report --scores {scores} --model {checkpoint} --pcs-path {pc0.npy} --neuron-pcs-path {pc0_n.npy}" + descs + classified + " --with {reference} --out OUT", map[string]string{
		"model": "scores checkpoint pc0.npy pc0_n.npy words.npy classes.npy", "block": "line scores pc0.npy pc0_n.npy", "precision": "scores pc0.npy pc0_n.npy",
		"texts": "words.npy words.txt; line classes.npy", "order": "words.npy words.txt; line classes.npy", "kind": "line pc0.npy pc0_n.npy classes.npy"},
		map[string]string{"stride": "scores pc0.npy pc0_n.npy reference", "model": "reference", "block": "reference", "precision": "reference"}},
	{"report of heads", "report --scores {heads} --model {checkpoint} --spans-path {spans.txt}" + descs + dataFlags + " --with {heads_reference} --out OUT", map[string]string{
		"model": "heads checkpoint words.npy spans.txt", "texts": "words.npy words.txt spans.txt", "order": "words.npy words.txt", "precision": "heads spans.txt"},
		map[string]string{"stride": "heads spans.txt heads_reference", "order": "spans.txt", "model": "heads_reference", "precision": "heads_reference"}},
	{"compare", "compare {scores} {reference}", nil,
		map[string]string{"model": "scores reference", "block": "scores reference", "precision": "scores reference", "stride": "scores reference"}},
	{"compare heads", "compare {heads} {heads_reference}", nil,
		map[string]string{"model": "heads heads_reference", "precision": "heads heads_reference", "stride": "heads heads_reference"}},

	{"segment", "segment --model {checkpoint} --pcs-path {pc0.npy} --text-embeddings-path {classes.npy} --text-for-topk {pairs.npy} --classes {classes.txt} --k 9 --image IMAGE", map[string]string{
		"model": "checkpoint pc0.npy classes.npy pairs.npy", "block": "line pc0.npy", "precision": "line pc0.npy",
		"texts": "classes.npy classes.txt", "order": "classes.npy classes.txt", "kind": "line pc0.npy classes.npy pairs.npy"},
		map[string]string{"stride": "pc0.npy", "texts": "pairs.npy", "order": "pairs.npy"}},
	{"segment a data set of other words", "segment --model {checkpoint} --pcs-path {pc0.npy} --text-embeddings-path {classes.npy} --text-for-topk {pairs.npy} --config {set.yaml} --classes {classes.txt} --data-path SCENES --save-path {counts.json} --shard 2/2", map[string]string{
		"model": "checkpoint pc0.npy classes.npy pairs.npy counts.json", "block": "line pc0.npy counts.json", "precision": "line pc0.npy counts.json",
		"stride": "pc0.npy counts.json", "texts": "classes.npy classes.txt counts.json pairs.npy", "order": "classes.npy classes.txt counts.json pairs.npy", "kind": "line pc0.npy classes.npy pairs.npy"},
		map[string]string{"texts": "set.yaml", "order": "set.yaml"}},
	{"segment a data set", "segment --model {checkpoint} --pcs-path {pc0.npy} --text-embeddings-path {classes.npy} --text-for-topk {pairs.npy} --config {set.yaml} --data-path SCENES --shard 1/2 --save-path {counts.json}", map[string]string{
		"model": "checkpoint pc0.npy classes.npy pairs.npy counts.json", "block": "line pc0.npy counts.json", "precision": "line pc0.npy counts.json",
		"stride": "pc0.npy counts.json", "texts": "classes.npy set.yaml counts.json pairs.npy", "order": "classes.npy set.yaml counts.json pairs.npy", "kind": "line pc0.npy classes.npy pairs.npy"}, nil},

	{"collect, resumed", "collect --model {checkpoint}" + dataFlags + " --save-path {scores}", map[string]string{
		"model": "checkpoint scores", "block": "line scores", "precision": "line scores", "stride": "line scores"}, nil},
	{"registers, resumed", "registers --model {checkpoint}" + dataFlags + " --diff-save-path {sink.npy}", map[string]string{
		"model": "checkpoint sink.npy", "precision": "line sink.npy", "stride": "line sink.npy", "kind": "line sink.npy"}, nil},
	{"merge", "merge --restart --save-path OUT {whole.1-of-2} {whole.2-of-2}", map[string]string{
		"model": "whole.1-of-2 whole.2-of-2", "block": "whole.1-of-2 whole.2-of-2", "precision": "whole.1-of-2 whole.2-of-2",
		"stride": "whole.1-of-2 whole.2-of-2"}, nil},
	{"merge counts", "merge --restart --save-path OUT.json {counts.1-of-2.json} {counts.2-of-2.json}", map[string]string{
		"model": "counts.1-of-2.json counts.2-of-2.json", "block": "counts.1-of-2.json counts.2-of-2.json", "precision": "counts.1-of-2.json counts.2-of-2.json",
		"texts": "counts.1-of-2.json counts.2-of-2.json", "order": "counts.1-of-2.json counts.2-of-2.json",
		"stride": "counts.1-of-2.json counts.2-of-2.json"}, nil},
	{"merge ratios", "merge --restart --save-path OUT.json {ratios.1-of-2.json} {ratios.2-of-2.json}", map[string]string{
		"model": "ratios.1-of-2.json ratios.2-of-2.json", "block": "ratios.1-of-2.json ratios.2-of-2.json", "precision": "ratios.1-of-2.json ratios.2-of-2.json",
		"texts": "ratios.1-of-2.json ratios.2-of-2.json", "order": "ratios.1-of-2.json ratios.2-of-2.json",
		"stride": "ratios.1-of-2.json ratios.2-of-2.json"}, nil},

	{"score", "score --scores {scores} --pcs-path {pc0.npy}" + descs + " --method nonneg --draws 1 --restart --save-path OUT.npy", map[string]string{
		"model": "scores pc0.npy words.npy", "block": "scores pc0.npy", "precision": "scores pc0.npy",
		"texts": "words.npy words.txt", "order": "words.npy words.txt", "kind": "line pc0.npy"},
		map[string]string{"stride": "scores pc0.npy"}},
	{"score codes", "score --scores {scores} --pcs-path {pc0.npy} --codes {codes.npz}" + descs + " --draws 1", map[string]string{
		"model": "scores pc0.npy codes.npz words.npy", "block": "scores pc0.npy codes.npz", "precision": "scores pc0.npy codes.npz",
		"stride": "pc0.npy codes.npz", "texts": "codes.npz words.npy words.txt", "order": "codes.npz words.npy words.txt", "kind": "line pc0.npy"},
		map[string]string{"stride": "scores"}},
	{"score textspan", "score --scores {scores} --pcs-path {pc0_n.npy} --svd-scores {collection}" + descs + " --method textspan --draws 1", map[string]string{
		"model": "scores pc0_n.npy collection words.npy", "block": "scores pc0_n.npy collection", "precision": "scores pc0_n.npy collection",
		"stride": "pc0_n.npy collection", "texts": "words.npy words.txt", "order": "words.npy words.txt", "kind": "line pc0_n.npy"},
		map[string]string{"stride": "scores"}},
	{"sparse textspan", "sparse --pcs-path {pc0_n.npy} --svd-scores {collection}" + descs + " --method textspan --num-components 2 --decomposition-save-path {codes_n.npz}", map[string]string{
		"model": "pc0_n.npy collection words.npy codes_n.npz", "block": "pc0_n.npy collection codes_n.npz", "precision": "pc0_n.npy collection codes_n.npz",
		"stride": "pc0_n.npy collection codes_n.npz", "texts": "words.npy words.txt codes_n.npz", "order": "words.npy words.txt codes_n.npz", "kind": "line pc0_n.npy"}, nil},
	{"describe textspan", "describe n3 --pcs-path {pc0_n.npy} --svd-scores {collection}" + descs + " --method textspan --num-components 2", map[string]string{
		"model": "pc0_n.npy collection words.npy", "block": "pc0_n.npy collection", "precision": "pc0_n.npy collection",
		"stride": "pc0_n.npy collection", "texts": "words.npy words.txt", "order": "words.npy words.txt", "kind": "line pc0_n.npy"}, nil},
	{"retrieve with words", "retrieve --text tree --scores {scores} --model {checkpoint} --top 1" + texts + descs + " --pcs-path {pc0.npy} --neuron-pcs-path {pc0_n.npy}", map[string]string{
		"model": "scores checkpoint words.npy pc0.npy pc0_n.npy", "block": "scores pc0.npy pc0_n.npy", "precision": "scores pc0.npy pc0_n.npy",
		"texts": "words.npy words.txt", "order": "words.npy words.txt", "kind": "line pc0.npy pc0_n.npy"},
		map[string]string{"stride": "scores pc0.npy pc0_n.npy"}},
	{"edit", "edit --model {checkpoint} --remove-mask {mask.npy} --means-path {means.npy} --remove-text tree" + texts + " --pcs-path {pc0.npy} --save-path OUT.pt", map[string]string{
		"model": "checkpoint mask.npy means.npy pc0.npy", "block": "line mask.npy means.npy pc0.npy", "precision": "mask.npy means.npy pc0.npy",
		"stride": "mask.npy means.npy", "kind": "line mask.npy means.npy pc0.npy"},
		map[string]string{"stride": "pc0.npy"}},
	{"edit by scores", "edit --model {checkpoint} --remove-mask {mask.npy} --scores {scores} --remove-text tree" + texts + " --pcs-path {pc0.npy} --save-path OUT.pt", map[string]string{
		"model": "checkpoint mask.npy scores pc0.npy", "block": "line mask.npy scores pc0.npy", "precision": "mask.npy scores pc0.npy",
		"stride": "mask.npy scores", "kind": "line mask.npy pc0.npy"},
		map[string]string{"stride": "pc0.npy"}},
	{"score codes and textspan", "score --scores {scores} --pcs-path {pc0_n.npy} --codes {codes_n.npz} --svd-scores {collection}" + descs + " --method textspan --num-components 2 --draws 1", map[string]string{
		"model": "scores pc0_n.npy codes_n.npz collection words.npy", "block": "scores pc0_n.npy codes_n.npz collection", "precision": "scores pc0_n.npy codes_n.npz collection",
		"stride": "pc0_n.npy codes_n.npz collection", "texts": "codes_n.npz words.npy words.txt", "order": "codes_n.npz words.npy words.txt", "kind": "line pc0_n.npy"},
		map[string]string{"stride": "scores"}},
	{"retrieve with codes and words", "retrieve --neur-idxs 3 --scores {scores} --top 1" + descs + " --neuron-pcs-path {pc0_n.npy} --codes {codes.npz}", map[string]string{
		"model": "scores words.npy pc0_n.npy codes.npz", "block": "scores pc0_n.npy codes.npz", "precision": "scores pc0_n.npy codes.npz",
		"texts": "words.npy words.txt codes.npz", "order": "words.npy words.txt codes.npz", "kind": "line pc0_n.npy"},
		map[string]string{"stride": "scores pc0_n.npy codes.npz"}},
	{"describe images", "describe --image IMAGE --model {checkpoint} --scores {scores} --pcs-path {pc0.npy}" + descs, map[string]string{
		"model": "checkpoint scores pc0.npy words.npy", "block": "line scores pc0.npy", "precision": "scores pc0.npy",
		"texts": "words.npy words.txt", "order": "words.npy words.txt", "kind": "line pc0.npy"},
		map[string]string{"stride": "scores pc0.npy"}},
	{"describe images by codes", "describe --image IMAGE --model {checkpoint} --scores {scores} --pcs-path {pc0.npy} --codes {codes.npz} --text-descs-list-path {words.txt}", map[string]string{
		"model": "checkpoint scores pc0.npy codes.npz", "block": "line scores pc0.npy codes.npz", "precision": "scores pc0.npy codes.npz",
		"stride": "pc0.npy codes.npz", "texts": "codes.npz words.txt", "order": "codes.npz words.txt", "kind": "line pc0.npy"},
		map[string]string{"stride": "scores"}},
	{"describe images by neurons", "describe --image IMAGE --model {checkpoint} --scores {scores} --pcs-path {pc0_n.npy} --svd-scores {collection}" + descs + " --method textspan --num-components 2", map[string]string{
		"model": "checkpoint scores pc0_n.npy collection words.npy", "block": "line scores pc0_n.npy collection", "precision": "scores pc0_n.npy collection",
		"stride": "pc0_n.npy collection", "texts": "words.npy words.txt", "order": "words.npy words.txt", "kind": "line pc0_n.npy"},
		map[string]string{"stride": "scores"}},

	{"mislead", misled + " --classes {classes.txt} --imagenet-zeroshot-path {classes.npy} --pcs-path {pc0.npy} --codes {codes.npz}" + descs, map[string]string{
		"model": "scores classes.npy pc0.npy codes.npz words.npy", "block": "pc0.npy codes.npz", "precision": "pc0.npy codes.npz", "stride": "pc0.npy codes.npz",
		"texts": "classes.npy classes.txt; codes.npz words.npy words.txt", "order": "classes.npy classes.txt; codes.npz words.npy words.txt", "kind": "line classes.npy pc0.npy"},
		map[string]string{"block": "scores", "precision": "scores", "stride": "scores"}},
	{"mislead, words computed", misled + " --classes {classes.txt} --imagenet-zeroshot-path {classes.npy} --pcs-path {pc0_n.npy} --svd-scores {collection}" + descs + spanned, map[string]string{
		"model": "scores classes.npy pc0_n.npy collection words.npy", "block": "pc0_n.npy collection", "precision": "pc0_n.npy collection", "stride": "pc0_n.npy collection",
		"texts": "classes.npy classes.txt; words.npy words.txt", "order": "classes.npy classes.txt; words.npy words.txt", "kind": "line classes.npy pc0_n.npy"},
		map[string]string{"block": "scores", "precision": "scores", "stride": "scores"}},
	{"mislead by a model", misled + " --model {checkpoint}" + texts + " --pcs-path {pc0.npy} --codes {codes.npz}" + descs, map[string]string{
		"model": "checkpoint scores pc0.npy codes.npz words.npy", "block": "pc0.npy codes.npz", "precision": "pc0.npy codes.npz", "stride": "pc0.npy codes.npz",
		"texts": "codes.npz words.npy words.txt", "order": "codes.npz words.npy words.txt", "kind": "line pc0.npy"},
		map[string]string{"block": "scores", "precision": "scores", "stride": "scores"}},
	{"mislead by a model, words computed", misled + " --model {checkpoint}" + texts + " --pcs-path {pc0_n.npy} --svd-scores {collection}" + descs + spanned, map[string]string{
		"model": "checkpoint scores pc0_n.npy collection words.npy", "block": "pc0_n.npy collection", "precision": "pc0_n.npy collection", "stride": "pc0_n.npy collection",
		"texts": "words.npy words.txt", "order": "words.npy words.txt", "kind": "line pc0_n.npy"},
		map[string]string{"block": "scores", "precision": "scores", "stride": "scores"}},
}
