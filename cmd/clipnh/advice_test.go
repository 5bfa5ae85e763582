package main

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/clipnh/clipnh/internal/testutil"
)

var (
	adviceLine = regexp.MustCompile(`(?m)^(?:hint|note): .*$`)
	adviceFlag = regexp.MustCompile(`--[a-z][a-z0-9-]*`)
	adviceWord = regexp.MustCompile(`[a-z]+`)
)

// adviceOfOthers returns the hints and notes of a run of cmd that name a flag which cmd does
// not have, nor a command that they name.
func adviceOfOthers(cmd *cobra.Command, stderr string) (lines []string) {
	for _, line := range adviceLine.FindAllString(stderr, -1) {
		may := []*cobra.Command{cmd}
		words := adviceWord.FindAllString(line, -1)
		for _, other := range everyCommand() {
			if slices.Contains(words, other.Name()) {
				may = append(may, other)
			}
		}
		for _, flag := range adviceFlag.FindAllString(line, -1) {
			has := func(c *cobra.Command) bool {
				return c.Flags().Lookup(flag[2:]) != nil || c.InheritedFlags().Lookup(flag[2:]) != nil || flag == "--help" || flag == "--flag" // any
			}
			if !slices.ContainsFunc(may, has) {
				lines = append(lines, line)
				break
			}
		}
	}
	return lines
}

func TestAdviceOfOthers(t *testing.T) {
	root := newRootCommand(new(globalOptions))
	cmd, _, err := root.Find([]string{"explore"})
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{
		"hint: say it with --sample-stride\n":                      true,
		"note: guessed; say it with --sample-stride\n":             true,
		"warning: x\nhint: run \"clipnh collect --sample-stride\"": false,
		"hint: give --pcs-path\n":                                  false,
		"hint: --force uses it anyway, where its shape fits\n":     false,
		"hint: run \"clipnh explore --help\"\n":                    false,
		"error: --sample-stride is no hint\n":                      false,
	} {
		if got := len(adviceOfOthers(cmd, text)) > 0; got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

// TestAdviceAboutModels gives every command that takes a model one whose heads are not known:
// what it advises then is one of its own flags. Values that say it are checked. Scripts hold the same of all that they run.
func TestAdviceAboutModels(t *testing.T) {
	data := labelled(t)
	in := makeInputs(t, "model/tiny_jit.pt", data)
	vit := testutil.GoldenViT("vit_openclip.pt")
	must(t, exitDone, "report", "--scores", in.at("scores"), "--out", in.at("report"), "--quiet")
	rest := map[string]string{
		"ablate": "--data-path DATA --mode zero_sink --features-save-path OUT.npy", "audit": "--data-path DATA --classes dog,cat --vocab VOCAB --out OUT",
		"classify": "--data-path DATA --classes dog,cat --vocab VOCAB", "collect": "--data-path DATA --dataset images --save-path OUT",
		"describe": "--image DATA --scores MADE/scores --pcs-path MADE/pc0.npy DESCS", "mislead": "--from dog --to cat --vocab VOCAB --pcs-path MADE/pc0.npy DESCS",
		"edit": "--remove n5 --by zero --save-path OUT.pt", "embed": "--vocab VOCAB --text dog --embeddings-save-path OUT.npy",
		"explain": "--data-path DATA --vocab VOCAB --classes dog,cat", "explore": "REPORT --check", "info": "", "export": "--save-path OUT.onnx",
		"reconstruct": "--data-path DATA --means-path MADE/means.npy --pcs-paths MADE/pc0.npy --features-save-path OUT.npy",
		"registers":   "--data-path DATA --diff-save-path OUT.npy", "report": "--scores MADE/scores --data-path DATA --dataset imagenet_val --out OUT",
		"retrieve": "--data-path DATA --neur-idxs 1", "search": "--data-path DATA --text dog --vocab VOCAB",
		"segment": "--image DATA --classes dog,cat --vocab VOCAB --pcs-path MADE/pc0.npy --save-dir OUT",
		"shift":   "--data-path DATA --concepts dog --vocab VOCAB --pcs-path MADE/pc0.npy", "verify": "MADE/scores --repair --data-path DATA",
		"watch": "--reference MADE/scores --scores MADE/half --concepts dog --vocab VOCAB --pcs-path MADE/pc0.npy",
	}
	spelled := strings.NewReplacer("DATA", data, "VOCAB", testutil.Golden("text/toy_merges.txt.gz"), "MADE", in.dir, "OUT", in.at("out"), "REPORT", in.at("report"),
		"DESCS", "--text-descs-embeddings-path "+in.at("words.npy")+" --text-descs-list-path "+testutil.Golden("text/words.txt"))
	for _, cmd := range everyCommand() {
		if cmd.Flags().Lookup("model") == nil || cmd.Name() == "paper" { // which runs others
			continue
		}
		more, known := rest[cmd.Name()]
		if !known {
			t.Errorf("%s takes a model: want a command line here", cmd.Name())
			continue
		}
		for _, wrong := range []string{"--vit-heads=-3", "--activation=elu"} {
			name, _, _ := strings.Cut(wrong, "=")
			if cmd.Flags().Lookup(name[2:]) == nil {
				continue
			}
			args := append([]string{cmd.Name(), "--model", in.model, wrong}, strings.Fields(spelled.Replace(more))...)
			if code, _, stderr := clipnh(args...); code != exitUsage || !strings.Contains(stderr, name+" ") {
				t.Errorf("%s %s: status %d: %s", cmd.Name(), wrong, code, stderr)
			}
		}
		args := append([]string{cmd.Name(), "--model", vit}, strings.Fields(spelled.Replace(more))...)
		code, _, stderr := clipnh(args...)
		if code == exitUsage || cmd.Name() != "verify" && cmd.Name() != "explore" && code == exitDone {
			t.Errorf("%s: status %d: %s", cmd.Name(), code, stderr)
		}
		for _, line := range adviceOfOthers(cmd, stderr) {
			t.Errorf("%s does not have a flag that it advises: %s", cmd.Name(), line)
		}
	}
}
