//go:build browser

package site

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// headsReport makes a report of the heads of the example's vision transformer, and embeddings of
// its classes, in a folder of its own.
func headsReport(t *testing.T) (report, classes, parts string) {
	t.Helper()
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	data, err := os.ReadFile(filepath.Join(environment(t, "CLIPNH_DEMO"), "imagenet", "classes.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, line := range strings.Split(strings.TrimSpace(string(data)), "\n") {
		_, name, _ := strings.Cut(line, "\t")
		names = append(names, name)
	}
	if err := os.WriteFile(in("classes.txt"), []byte(strings.Join(names, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	images, texts := []string{"--dataset", "imagenet_val", "--data-path", "imagenet"}, []string{"--vocab", "bpe_demo_vocab.txt.gz", "--templates", "templates.txt"}
	for _, args := range [][]string{
		append([]string{"collect", "--mode", "heads", "--save-path", in("heads")}, images...),
		append([]string{"collect", "--mode", "mlps", "--save-path", in("mlps")}, images...),
		append([]string{"embed", "--lines", "words.txt", "--embeddings-save-path", in("words.npy")}, texts...),
		append([]string{"embed", "--lines", in("classes.txt"), "--embeddings-save-path", in("classes.npy")}, texts...),
		{"textspan", "--scores", in("heads"), "--text-descs-list-path", "words.txt", "--text-descs-embeddings-path", in("words.npy"), "--texts-per-head", "8", "--num-of-last-layers", "2", "--save-path", in("spans.json")},
		append([]string{"report", "--scores", in("heads"), "--parts", in("mlps"), "--spans-path", in("spans.json"), "--text-descs-list-path", "words.txt",
			"--text-descs-embeddings-path", in("words.npy"), "--out", in("report")}, images...),
	} {
		if args[0] != "textspan" {
			args = append(args, "--model", "tiny-vit.pt")
		}
		cmd := exec.CommandContext(t.Context(), environment(t, "CLIPNH_BIN"), append(args, "--quiet")...)
		cmd.Dir = environment(t, "CLIPNH_DEMO")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", args[0], err, out)
		}
	}
	return in("report"), in("classes.npy"), in("mlps")
}

type headsRecord struct {
	Images []struct {
		Classes []struct {
			Name  string
			Logit float64
		}
		HeadMaps struct {
			Maps []struct {
				Head string
				Part float64
			}
		} `json:"head_maps"`
	}
}

// TestExplorerOfHeads uses the live part of a report of heads, and compares what is shown with what
// the command line says.
func TestExplorerOfHeads(t *testing.T) {
	report, embeddings, mlps := headsReport(t)
	address := explorerOf(t, report, "--vocab", "bpe_demo_vocab.txt.gz", "--templates", "templates.txt", "--imagenet-zeroshot-path", embeddings)
	b := newBrowser(t, address)
	b.open(address, "")
	b.until("!document.querySelector('[data-live]').hidden && !document.querySelector('[data-heads-live]').hidden")
	if got := b.text("header nav"); strings.Contains(got, "Pairs") || strings.Contains(got, "Pinned") || !strings.Contains(got, "Texts") {
		t.Errorf("navigation %q", got)
	}

	// An image with classes of one's own: logits, and what heads add.
	const image = "n09000000/DEMO_val_00000088.JPEG"
	b.visit("i/" + image)
	b.until("document.querySelector('section.live svg.waterfall')") // by the classes of the collection
	b.do(chromedp.SendKeys(chromedp.CSS("#asked-classes"), "car, boat\r"))
	b.until("document.querySelectorAll('section.live table tbody tr').length === 2")
	want := clipnh[headsRecord](t, "explain", filepath.Join("imagenet", "val", filepath.FromSlash(image)), "--classes", "car,boat", "--model", "tiny-vit.pt", "--neuron-layer", "1", "--maps", "8",
		"--vocab", "bpe_demo_vocab.txt.gz", "--templates", "templates.txt")
	x := want.Images[0]
	var logits, adds []float64
	for _, c := range x.Classes {
		logits = append(logits, c.Logit)
	}
	got := b.text("section.live table tbody")
	for _, c := range x.Classes {
		if !strings.Contains(got, c.Name+"\t"+shownAmong(logits, c.Logit, 4)) {
			t.Errorf("classes: %q lacks %s %s", got, c.Name, shownAmong(logits, c.Logit, 4))
		}
	}
	for _, m := range x.HeadMaps.Maps {
		adds = append(adds, m.Part)
	}
	for _, m := range x.HeadMaps.Maps {
		if got := b.text(".head-maps [data-head=" + m.Head + "] .value"); strings.TrimPrefix(got, "+") != shownAmong(adds, m.Part, 3) {
			t.Errorf("%s is shown to add %s, want %s", m.Head, got, shownAmong(adds, m.Part, 3))
		}
	}
	b.looks("heads-live-image")

	// One's own image has the same numbers.
	b.visit("i")
	b.until("document.getElementById('drop-file')")
	b.do(chromedp.SendKeys(chromedp.CSS("#own-classes"), "car, boat"))
	b.do(chromedp.SetUploadFiles(chromedp.CSS("#drop-file"), []string{filepath.Join(environment(t, "CLIPNH_DEMO"), "imagenet", "val", filepath.FromSlash(image))}))
	b.until("document.querySelectorAll('section.live table tbody tr').length === 2")
	if own := b.text("section.live table tbody"); own != got {
		t.Errorf("sent: %q, want %q", own, got)
	}
	b.looks("heads-live-own")

	// One head, and any text.
	b.visit("h/l3h1")
	b.until("document.querySelector('.head-part') && document.querySelector('button.off')")
	b.looks("heads-live-head")
	b.do(chromedp.Click(chromedp.CSS("button.off")))
	b.visit("t?q=a+yellow+car+that+nobody+listed")
	b.until("document.querySelectorAll('.cards .card').length === 8")
	b.looks("heads-live-text")

	// Without the head.
	b.visit("toggle")
	b.until("document.querySelector('.accuracy-after')")
	ablated := clipnh[struct {
		Variants []struct{ Top1 float64 }
	}](t, "ablate", "--scores", filepath.Join(filepath.Dir(mlps), "heads"), "--parts", mlps, "--mode", "heads", "--pairs", "l3h1", "--dataset", "imagenet_val", "--data-path", "imagenet", "--imagenet-zeroshot-path", embeddings)
	if got, want := b.text(".accuracy-after"), fmt.Sprintf("%.2f %%", 100*ablated.Variants[0].Top1); got != want {
		t.Errorf("accuracy without l3h1 is shown as %s, want %s", got, want)
	}
	b.until("document.querySelector('.one-image table')")
	b.do(chromedp.SetValue(chromedp.CSS("main select"), "zero"))
	value[bool](b, "document.querySelector('main select').dispatchEvent(new Event('change'))")
	b.until("document.querySelector('.command code')?.textContent.includes('--remove l3h1 --by zero')")
	b.looks("heads-live-toggle")
	for _, page := range []string{"", "i/" + image, "i", "h/l3h1", "t?q=car", "toggle", "s?q=sky"} {
		b.visit(page)
		for _, v := range b.axe() {
			t.Errorf("page %q: %s", page, v)
		}
	}
	b.done()

	// The same folder from the disk has no live part.
	b.open("file://"+filepath.ToSlash(filepath.Join(report, IndexName)), "h/l3h1")
	if value[bool](b, "Boolean(document.querySelector('.live, button.off'))") || value[bool](b, "!document.querySelector('[data-live]').hidden") {
		t.Error("a page from the disk has live parts")
	}
}

// TestHeadsMoved: a report of heads before an edit shows what the command line says of those after it.
func TestHeadsMoved(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	images := []string{"--dataset", "imagenet_val", "--data-path", "imagenet"}
	for _, args := range [][]string{
		append([]string{"collect", "--mode", "heads", "--model", "tiny-vit.pt", "--save-path", in("before")}, images...),
		{"edit", "--model", "tiny-vit.pt", "--remove", "l2h1", "--by", "zero", "--save-path", in("edited.pt")},
		append([]string{"collect", "--mode", "heads", "--model", in("edited.pt"), "--save-path", in("after")}, images...),
		append([]string{"report", "--scores", in("before"), "--with", in("after"), "--out", in("report")}, images...),
	} {
		cmd := exec.CommandContext(t.Context(), environment(t, "CLIPNH_BIN"), append(args, "--quiet")...)
		cmd.Dir = environment(t, "CLIPNH_DEMO")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", args[0], err, out)
		}
	}
	want := clipnh[struct {
		Differ int
		Moved  []struct {
			Name       string `json:"here_name"`
			Similarity float64
		}
	}](t, "compare", in("before"), in("after"))
	address := "file://" + in("report") + "/index.html"
	b := newBrowser(t, address)
	b.open(address, "m")
	b.until("document.querySelectorAll('main section').length === 3")
	var similarities []float64
	for _, m := range want.Moved {
		similarities = append(similarities, m.Similarity)
	}
	cards := b.text("main section:nth-of-type(1)")
	if !strings.Contains(cards, fmt.Sprintf("Moved (%d)", want.Differ)) {
		t.Errorf("%.200s: want %d heads", cards, want.Differ)
	}
	for _, m := range want.Moved {
		if got := b.text("[data-unit=" + m.Name + "]"); !strings.Contains(strings.Join(strings.Fields(got), " "), "CKA "+shownAmong(similarities, m.Similarity, 3)) {
			t.Errorf("%s: %q, want CKA %s", m.Name, got, shownAmong(similarities, m.Similarity, 3))
		}
	}
	if got := b.text("footer"); !strings.Contains(got, "Compared with another report") {
		t.Errorf("%q does not name the page", got)
	}
	b.looks("heads-moved")
}
