package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

// TestFewer asks for longer lists than there are: the list is printed, with a note of how much
// there is. Nobody asked for a default.
func TestFewer(t *testing.T) {
	data := labelled(t)
	in := makeInputs(t, "model/tiny_jit.pt", data)
	var image string
	for name := range filesBelow(t, data) {
		image = filepath.Join(data, name)
	}
	spelled := strings.NewReplacer("MODEL", in.model, "IMAGE", image, "VOCAB", testutil.Golden("text/toy_merges.txt.gz"), "WORDS", testutil.Golden("text/words.txt"),
		"DATA", data, "OUT", in.at("out.npy"))
	t.Chdir(in.dir)
	for _, test := range []struct{ line, flag, note string }{
		{"retrieve --scores scores --neur-idxs 3", "--top 49", "note: --top 49: there are 48 images\n"},
		{"retrieve --scores scores --neur-idxs 3", "--heads 5", "note: --heads 5: there are 4 pairs of a neuron\n"},
		{"search --scores scores --units n3", "--top 10000", "note: --top 10000: there are 48 images\n"},
		{"show n3 --scores scores", "--top 49", "note: --top 49: there are 48 images\n"},
		{"show n3 --scores scores", "--list 300", "note: --list 300: there are 4 pairs beside it\n"},
		{"describe h0n1 --codes codes.npz --text-descs-list-path WORDS", "--num-components 200", "in a code\n"},
		{"classify IMAGE --model MODEL --vocab VOCAB --classes dog,cat", "--top 3", "note: --top 3: there are 2 classes\n"},
		{"explain IMAGE --model MODEL --vocab VOCAB --classes dog,cat", "--top 3", "note: --top 3: there are 2 classes\n"},
		{"explain IMAGE --model MODEL --vocab VOCAB --classes dog,cat --list 2", "--maps 9", "note: --maps 9: there are 4 pairs that are listed\n"},
		{"polysemanticity --scores scores --mode n --top-images 5", "--list 300", "note: --list 300: there are 256 units\n"},
		{"registers --model MODEL --dataset images --data-path DATA --sample-stride 12 --diff-save-path OUT --restart", "--list 257", "note: --list 257: there are 256 units\n"},
	} {
		args := strings.Fields(spelled.Replace(test.line))
		if _, stderr := must(t, exitDone, args...); strings.Contains(stderr, ": there are ") {
			t.Errorf("%s: %s", test.line, stderr)
		}
		asked := append(args, strings.Fields(test.flag)...)
		for _, more := range []string{"", "--json"} {
			if _, stderr := must(t, exitDone, append(asked, strings.Fields(more)...)...); !strings.Contains(stderr, test.note) {
				t.Errorf("%s %s %s: %s, want %s", test.line, test.flag, more, stderr, test.note)
			}
		}
	}
}
