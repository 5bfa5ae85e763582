package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/clipnh/clipnh/internal/testutil"
)

// TestAdviceSides holds that errors about inputs say what is there and what was wanted: both
// sides of a mismatch by their files, the flag at fault, and the same status for the same fault.
func TestAdviceSides(t *testing.T) {
	in := makeInputs(t, "model/tiny_jit.pt", labelled(t))
	other, words := testutil.Golden("model/tiny_sd_bf16.pt"), testutil.Golden("text/words.txt")
	must(t, exitDone, "collect", "--model", other, "--dataset", "imagenet_val", "--data-path", in.data, "--save-path", in.at("foreign"), "--quiet")
	must(t, exitDone, "svd", "--scores", in.at("foreign"), "--top-k-pca", "12", "--out-save-path", in.at("foreign_pc0.npy"), "--quiet")
	if err := os.CopyFS(in.at("again"), os.DirFS(in.at("scores"))); err != nil {
		t.Fatal(err)
	}
	writeLines(t, in.at("pack.tar"), "no archive, but a file")
	writeLines(t, in.at("blank.txt"), "a", "", "b")
	writeLines(t, in.at("notes.json"), "{}")
	writeLines(t, in.at("table.csv"), "datei,label", "a.jpg,x")
	if err := os.Symlink(in.at("nothing/at/all.png"), in.at("dangling.png")); err != nil {
		t.Skip(err)
	}
	for _, content := range filesBelow(t, testutil.Golden("dataset")) {
		if err := errors.Join(os.MkdirAll(in.at("strange"), 0o777), os.WriteFile(in.at("strange/another.png"), []byte(content), 0o666)); err != nil {
			t.Fatal(err)
		}
	}
	before := filesBelow(t, in.dir)["pc0.npy"]
	t.Chdir(in.dir)
	photo := filepath.Join(in.data, "val", "class0")
	spelled := strings.NewReplacer("MODEL", in.model, "OTHER", other, "DATA", in.data, "PHOTO", photo, "VOCAB", testutil.Golden("text/toy_merges.txt.gz"),
		"WORDS", "--text-descs-list-path "+words+" --text-descs-embeddings-path words.npy")
	for _, test := range []struct {
		line string
		code int
		want []string
	}{
		{"edit --model OTHER --remove h0n1 --scores scores --save-path x.pt", exitStale, []string{"scores: made with other weights", "hint: this run uses the weights of --model " + other}},
		{"edit --model OTHER --remove h0n999 --scores scores --save-path x.pt", exitStale, []string{"scores: made with other weights"}},
		{"edit --model MODEL --remove h0n999 --save-path x.pt", exitUsage, []string{`--remove: unit "h0n999": want a pair`}},
		{"edit --model MODEL --remove h0n1 --save-path x.pt", exitUsage, []string{"--by mean needs --means-path or --scores"}},
		{"report --model OTHER --scores scores --dataset imagenet_val --data-path DATA --out report", exitStale,
			[]string{"report: scores: made with other weights than this run uses\n", "hint: scores was written ", "hint: this run uses the weights of --model " + other, "--force takes no other"}},
		{"retrieve --model OTHER --scores scores --dataset imagenet_val --data-path DATA --neur-idxs 1 --save-dir shown", exitStale,
			[]string{"retrieve: scores: made with other weights than this run uses\n", "hint: scores was written ", "hint: this run uses the weights of --model " + other, "--force takes no other"}},
		{"classify --model OTHER --scores scores --vocab VOCAB --classes dog,cat", exitStale,
			[]string{"classify: scores: made with other weights than this run uses\n", "hint: this run uses the weights of --model " + other, "hint: --force uses it anyway"}},
		{"shift --model OTHER --scores scores --vocab VOCAB --concepts dog --pcs-path pc0.npy --save-path x.json", exitStale,
			[]string{"shift: scores: made with other weights than this run uses\n", "hint: this run uses the weights of --model " + other, "hint: --force uses it anyway"}},
		{"audit --scores scores --model MODEL --vocab VOCAB --classes dog,cat --pcs-path pc0_n.npy WORDS --out audited", exitStale,
			[]string{"pc0_n.npy: it holds principal components of neurons", "hint: --pcs-path takes what \"clipnh svd\" writes: with --mode nh those of pairs"}},
		{"describe h0n1 --pcs-path foreign_pc0.npy WORDS", exitStale, []string{"words.npy: made with other weights", "hint: this run uses the weights of --pcs-path foreign_pc0.npy"}},
		{"show h0n1 --scores scores --pcs-path foreign_pc0.npy WORDS", exitStale,
			[]string{"foreign_pc0.npy: made with other weights", "hint: this run uses the weights of --scores scores, --text-descs-embeddings-path words.npy"}},
		{"svd --scores half --top-k-pca 6 --out-save-path pc0.npy", exitStale, []string{"from again or scores (their contents are the same)"}},
		{"show n1 --scores scores --pcs-path pc0.npy WORDS", exitDone, []string{"Words: none: those of a neuron need --neuron-pcs-path"}},
		{"show h0n1 --scores scores --pcs-path pc0.npy WORDS", exitDone, []string{"at most 8 words): "}},
		{"show h0n1 --scores scores --neuron-pcs-path pc0_n.npy WORDS", exitUsage, []string{"--neuron-pcs-path has no effect on a pair, whose words need --pcs-path"}},
		{"show h0n1 n1 --scores scores", exitUsage, []string{"2 units given"}},
		{"collect --model MODEL --dataset images --data-path DATA --save-path pc0.npy", exitFailed, []string{"pc0.npy: already exists: it holds \"components\", and this command writes \"dense\"", "hint: give another path"}},
		{"collect --model MODEL --dataset images --data-path DATA --save-path pc0.npy --restart", exitFailed, []string{"it holds \"components\", and this command writes \"dense\""}},
		{"collect --model MODEL --dataset images --data-path DATA --save-path new --shard 1/90", exitUsage, []string{"want no more shards than chunks of "}},
		{"collect --model MODEL --data-path table.csv --save-path new", exitFailed, []string{`table.csv: line 1: no column of paths, there are "datei", "label"; want one of path, `}},
		{"embed --model MODEL --vocab VOCAB --classnames words.txt --embeddings-save-path x.npy", exitUsage, []string{`--classnames "words.txt": want IN, PC or 30k`, "hint: texts of your own: --lines FILE"}},
		{"explore nothing", exitMissing, []string{`hint: give the folder that "clipnh report --out" wrote`}},
		{"explore two.txt", exitMissing, []string{"two.txt: missing: it is a file"}},
		{"search --scores scores --units h0n1 --dataset images --data-path strange --save-dir shown", exitFailed, []string{"warning: strange: none of the images that scores was made of"}},
		{"compare scores", exitUsage, []string{"1 collection given: want two"}},
		{"classify DATA --model MODEL --vocab VOCAB --classes dog", exitUsage, []string{`--classes: one class, "dog", want at least two`}},
		{"classify --scores scores --model MODEL --vocab VOCAB --classes dog", exitUsage, []string{"one class"}},
		{"classify pack.tar!a.jpg --model MODEL --vocab VOCAB --classes dog,cat", exitFailed, []string{"hint: images within an archive are not taken one by one: give the archive, pack.tar"}},
		{"explain PHOTO --model MODEL --vocab VOCAB --classes dog,cat --save-dir two.txt", exitFailed, []string{"--save-dir two.txt: a file, want a folder"}},
		{"report --scores scores --out two.txt", exitFailed, []string{"--out two.txt: a file, want a folder"}},
		{"report --scores scores --out two.txt/deep", exitFailed, []string{"two.txt: a file, want a folder"}},
		{"watch --reference scores --scores scores --concepts dog --model MODEL --vocab VOCAB --pcs-path pc0.npy --save-path notes.json", exitFailed, []string{"is not a result of watch"}},
		{"watch --reference scores --scores scores --concepts dog --model MODEL --vocab VOCAB --pcs-path pc0.npy --plot dangling.png", exitFailed, []string{"dangling.png: already exists: it is a link to nothing"}},
		{"sparse --pcs-path pc0.npy WORDS --num-components 5000 --decomposition-save-path x.npz", exitUsage, []string{"--num-components 5000: words.npy has 300 words"}},
		{"svd --scores nothing --out-save-path x.npy", exitMissing, []string{"svd: --scores nothing: missing"}},
		{"embed --model MODEL --vocab VOCAB --lines blank.txt --embeddings-save-path x.npy --json", exitFailed, []string{`"path":"blank.txt"`}},
	} {
		code, out, said := clipnh(strings.Fields(spelled.Replace(test.line))...)
		for _, want := range test.want {
			if code != test.code || !strings.Contains(said+out, want) {
				t.Errorf("%s: status %d, want %d and %q:\n%s", test.line, code, test.code, want, said)
			}
		}
	}
	if filesBelow(t, in.dir)["pc0.npy"] != before {
		t.Error("components were replaced by another kind")
	}
}

// TestFailureIsOneLine: several faults that were found together are one line, and the path of
// the first is known.
func TestFailureIsOneLine(t *testing.T) {
	root := newRootCommand(new(globalOptions))
	cmd := &cobra.Command{Use: "audit"}
	root.AddCommand(cmd)
	path := filepath.Join(t.TempDir(), "audit.md")
	writeLines(t, path, "mine")
	f := newFailure(cmd, errors.Join(fmt.Errorf("%s: in the way", path), errors.New("b: in the way")))
	if f.Message != "audit: "+path+": in the way; b: in the way" || f.Path != path {
		t.Errorf("%+v", f)
	}
}
