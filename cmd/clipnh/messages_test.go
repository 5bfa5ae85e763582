package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/asset"
	"github.com/clipnh/clipnh/internal/kernel/cpu"
	"github.com/clipnh/clipnh/internal/testutil"
)

// TestAdvice holds what errors advise that were of no help to those who met them first.
func TestAdvice(t *testing.T) {
	data := labelled(t)
	in := makeInputs(t, "model/tiny_jit.pt", data)
	must(t, exitDone, "collect", "--model", in.model, "--dataset", "imagenet_val", "--data-path", data, "--stats-only", "--top-k", "4", "--save-path", in.at("stats"), "--quiet")
	list := writeLines(t, in.at("list.csv"), "path", "a.png")
	picture := filepath.Join(in.dir, "picture.npy")
	for _, content := range filesBelow(t, testutil.Golden("dataset")) {
		if err := os.WriteFile(picture, []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(in.dir)
	spelled := strings.NewReplacer("MODEL", in.model, "DATA", data, "VOCAB", testutil.Golden("text/toy_merges.txt.gz"), "LIST", list,
		"ABLATE", "ablate --scores scores --means-path means.npy --pairs h0n1 --dataset imagenet_val --data-path "+data)
	for _, test := range []struct {
		line string
		code int
		want []string
	}{
		{"polysemanticity --scores stats", exitUsage, []string{"hint: --mode nh takes the pairs"}},
		{"svd --scores stats --mode n --out-save-path x.npy", exitUsage, []string{"hint: --mode nh takes the pairs"}},
		{"ABLATE --imagenet-zeroshot-path two.txt", exitFailed, []string{"want their embeddings, .npy", "clipnh embed --lines two.txt"}},
		{"ABLATE --imagenet-zeroshot-path picture.npy", exitFailed, []string{"hint: give embeddings, the .npy or .pt that \"clipnh embed\" wrote"}},
		{"explain LIST --model MODEL --vocab VOCAB --classes dog,cat", exitUsage, []string{"hint: --data-path takes lists of images"}},
		{"classify LIST --model MODEL --vocab VOCAB --classes dog,cat", exitUsage, []string{"hint: --data-path takes lists of images"}},
		{"svd --scores pc0.npy --out-save-path x.npy", exitStale, []string{"it holds principal components, want a folder of scores or dense contributions", "\"clipnh collect --save-path\""}},
		{"retrieve --scores scores --neur-idxs 3 --dataset images --data-path DATA --save-dir new/shown", exitFailed, []string{"is missing from the data set"}},
	} {
		code, _, said := clipnh(strings.Fields(spelled.Replace(test.line))...)
		for _, want := range test.want {
			if code != test.code || !strings.Contains(said, want) {
				t.Errorf("%s: status %d, want %d and %q:\n%s", test.line, code, test.code, want, said)
			}
		}
	}
	// As many words as dimensions, 32, say nothing.
	words := testutil.Golden("text/words.txt")
	for number, warned := range map[string]bool{"31": false, "32": true} {
		for _, line := range []string{"describe h0n1", "sparse --descriptions-save-path words" + number + ".json"} {
			_, said := must(t, exitDone, append(strings.Fields(line), "--pcs-path", "pc0.npy", "--text-descs-embeddings-path", "words.npy", "--text-descs-list-path", words, "--num-components", number)...)
			if strings.Contains(said, "warning: --num-components "+number+": directions have 32 dimensions") != warned {
				t.Errorf("%s --num-components %s: %s", line, number, said)
			}
		}
	}
	if _, err := os.Stat("new/shown"); err == nil {
		t.Error("retrieve that failed leaves a folder")
	}
	if err := os.Mkdir("mine", 0o777); err != nil {
		t.Fatal(err)
	}
	must(t, exitFailed, "retrieve", "--scores", "scores", "--neur-idxs", "3", "--dataset", "images", "--data-path", data, "--save-dir", "mine")
	if entries, err := os.ReadDir("mine"); err != nil || len(entries) > 0 {
		t.Errorf("retrieve that failed leaves %v in a folder that was there: %v", entries, err)
	}
}

// TestAdviceAboutVariables: a wrong value of the environment is not corrected by the help of
// a command.
func TestAdviceAboutVariables(t *testing.T) {
	for _, variable := range []string{packedSizeVariable, "CLIPNH_BATCH_SIZE", "CLIPNH_DATASET"} {
		t.Run(variable, func(t *testing.T) {
			t.Setenv(variable, "many")
			_, said := must(t, exitUsage, append(goldenModel(), "collect", "--save-path", t.TempDir())...)
			if !strings.Contains(said, "hint: unset "+variable+", or correct it: docs/exit-status.md") || strings.Contains(said, "--help") {
				t.Error(said)
			}
		})
	}
	f := newFailure(newRootCommand(new(globalOptions)), wrongVariable(cpu.Variable, os.ErrInvalid))
	if f.Status != exitUsage || f.Kind != "usage" || !strings.HasPrefix(f.Hint, "unset "+cpu.Variable+", ") {
		t.Errorf("%+v", f)
	}
}

// TestFetchByHand: where the first file cannot be reached, all of them are told how to be had.
func TestFetchByHand(t *testing.T) {
	home := t.TempDir()
	t.Setenv(asset.HomeVariable, home)
	_, said := must(t, exitFailed, "fetch", "RN50x16", "vocab", "words", "--url", "http://127.0.0.1:9/")
	for _, name := range []string{"RN50x16.pt", "bpe_simple_vocab_16e6.txt.gz", "30k.txt"} {
		if !strings.Contains(said, "hint: download http://127.0.0.1:9/"+name+" by other means and save it as "+home) {
			t.Errorf("nothing of %s:\n%s", name, said)
		}
	}
}
