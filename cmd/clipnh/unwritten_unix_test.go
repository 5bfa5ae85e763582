//go:build unix

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

// TestPrintsBeforeItFails has commands measure something and then find that no file can
// be written: they print the result and fail.
func TestPrintsBeforeItFails(t *testing.T) {
	in := makeInputs(t, "model/tiny_jit.pt", labelled(t))
	scored := []string{"--scores", in.at("scores"), "--dataset", "imagenet_val", "--data-path", in.data, "--imagenet-zeroshot-path", in.at("classes.npy")}
	ablate := slices.Concat([]string{"ablate", "--means-path", in.at("means.npy"), "--neuron-head-norms-path", in.at("norms.npy"), "--percentile", "0,50"}, scored)
	texts := []string{"--vocab", testutil.Golden("text/toy_merges.txt.gz"), "--model", in.model, "--pcs-path", in.at("pc0.npy")}
	shift := slices.Concat([]string{"shift", "--concepts", "dog", "--scores", in.at("scores")}, texts)
	assets := filepath.Join("..", "..", "internal", "demo", "assets")
	for _, test := range []struct {
		name   string
		result string // which is printed
		args   []string
	}{
		{"ablate, a figure", "untouched", append(slices.Clone(ablate), "--plot", "a.png")},
		{"ablate, features", "untouched", append(slices.Clone(ablate), "--features-save-path", "a.npy")},
		{"ablate, as JSON", `"baseline"`, append(slices.Clone(ablate), "--plot", "a.png", "--json")},
		{"reconstruct", "untouched", slices.Concat([]string{"reconstruct", "--means-path", in.at("means.npy"), "--pcs-paths", in.at("pc0.npy"), "--features-save-path", "a.npy"}, scored)},
		{"polysemanticity, a figure", "lowest", []string{"polysemanticity", "--collect-save-path", in.at("scores"), "--plot", "a.png"}},
		{"polysemanticity, scores", "lowest", []string{"polysemanticity", "--collect-save-path", in.at("scores"), "--scores-save-path", "a.npy"}},
		{"shift", "mean ratio", append(slices.Clone(shift), "--save-path", "a.json")},
		{"shift --watch", "pair of", append(slices.Clone(shift), "--watch="+in.at("scores"), "--save-path", "a.json")},
		{"retrieve", "rank", []string{"retrieve", "--scores", in.at("scores"), "--neur-idxs", "3", "--dataset", "imagenet_val", "--data-path", in.data, "--save-dir", "a"}},
		{"segment", "mIoU %", []string{"segment", "--model", filepath.Join(assets, "tiny-clip.pt"), "--vocab", filepath.Join(assets, "bpe_demo_vocab.txt.gz"),
			"--method", "values", "--config", "demo", "--data-path", filepath.Join(assets, "VOC2010"), "--limit", "1", "--save-path", "a.json"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			args := slices.Clone(test.args)
			for i, arg := range args {
				if strings.HasPrefix(arg, "a.") || arg == "a" {
					args[i] = filepath.Join(t.TempDir(), arg)
				}
			}
			const most = 10 // bytes of a file
			cmd := program(append(args, "--quiet")...)
			cmd.Env = append(cmd.Env, fmt.Sprintf("%s=%d", limitEnv, most))
			var said bytes.Buffer
			cmd.Stderr = &said
			out, err := cmd.Output()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != exitFailed || !strings.Contains(said.String(), "file too large") {
				t.Errorf("%v, want status %d and why: %s", err, exitFailed, said.String())
			}
			if !strings.Contains(string(out), test.result) {
				t.Errorf("printed %q, want %q", out, test.result)
			}
		})
	}
}
