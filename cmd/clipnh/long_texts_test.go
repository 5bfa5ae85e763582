package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestLongTexts has every command that embeds texts embed one that is longer than the
// context: it warns, names the text, and says how many tokens were lost. A text that just
// fits is not warned of.
func TestLongTexts(t *testing.T) {
	assets := filepath.Join("..", "..", "internal", "demo", "assets")
	dir := t.TempDir()
	scores, pcs := filepath.Join(dir, "scores"), filepath.Join(dir, "pc0.npy")
	model := []string{"--model", filepath.Join(assets, "tiny-clip.pt")}
	texts := append(slices.Clone(model), "--vocab", filepath.Join(assets, "bpe_demo_vocab.txt.gz"))
	must(t, exitDone, slices.Concat([]string{"collect", "--dataset", "imagenet_test", "--data-path", filepath.Join(assets, "imagenet"),
		"--sample-stride", "10", "--save-path", scores, "--quiet"}, model)...)
	must(t, exitDone, "svd", "--collect-save-path", scores, "--top-k-pca", "10", "--out-save-path", pcs, "--quiet")

	const context = 32 // of the model, start and end included; each of these words is one token
	words := func(n int) string { return strings.TrimSpace(strings.Repeat("star ", n)) }
	long, fits := words(context+5), words(context-2)
	lines := filepath.Join(dir, "lines.txt")
	if err := os.WriteFile(lines, []byte(long+"\n"+fits+"\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	templates := filepath.Join(dir, "templates.txt")
	if err := os.WriteFile(templates, []byte("{}\nred {}\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		args []string
		cut  string
		lost int // of the long text
	}{
		{"embed", []string{"embed", "--lines", lines, "--use-templates=false", "--embeddings-save-path", filepath.Join(dir, "lines.npy")}, "1 of 2 texts", 7},
		{"embed in templates", []string{"embed", "--lines", lines, "--templates", templates, "--embeddings-save-path", filepath.Join(dir, "filled.npy")}, "2 of 2 texts", 8},
		{"segment", []string{"segment", "--image", filepath.Join(assets, "VOC2010", "JPEGImages", "2010_000001.jpg"), "--classes", long + ",car", "--method", "values",
			"--templates", templates}, "1 of 2 texts", 8},
		{"shift", []string{"shift", "--concepts", long + "," + fits, "--scores", scores, "--pcs-path", pcs, "--templates", templates}, "2 of 2 texts", 8},
		{"shift --watch", []string{"shift", "--concepts", long + "," + fits, "--scores", scores, "--watch", scores, "--pcs-path", pcs, "--templates", templates}, "2 of 2 texts", 8},
		{"retrieve", []string{"retrieve", "--text", long, "--scores", scores, "--pcs-path", pcs, "--templates", templates}, "1 of 1 text", 8},
	} {
		_, said := must(t, exitDone, append(test.args, append(slices.Clone(texts), "--quiet")...)...)
		want := fmt.Sprintf("warning: %s cut to the model's context of %d tokens: \"star star ", test.cut, context)
		if !strings.Contains(said, want) || !strings.Contains(said, fmt.Sprintf("lost %d tokens", test.lost)) {
			t.Errorf("%s: said %q, want %q", test.name, said, want)
		}
	}
	out, _ := must(t, exitDone, append([]string{"embed", "--lines", lines, "--use-templates=false", "--embeddings-save-path", filepath.Join(dir, "json.npy"), "--json", "--quiet"}, texts...)...)
	if !strings.Contains(out, `"tokens_lost": 7`) {
		t.Errorf("JSON without the tokens lost: %s", out)
	}
}
