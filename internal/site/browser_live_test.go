//go:build browser

package site

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// explorer starts "clipnh explore" on the example's report and returns its address.
func explorer(t *testing.T) string {
	t.Helper()
	return explorerOf(t, "report-full", "--model", "tiny-clip.pt", "--vocab", "bpe_demo_vocab.txt.gz", "--templates", "templates.txt", "--data-path", "imagenet", "--dataset", "imagenet_val")
}

// explorerOf starts it on a report, with flags.
func explorerOf(t *testing.T, report string, flags ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), environment(t, "CLIPNH_BIN"), append([]string{"explore", report, "--listen", "127.0.0.1:0"}, flags...)...)
	cmd.Dir = environment(t, "CLIPNH_DEMO")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt)
		cmd.Wait()
	})
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if address := regexp.MustCompile(`http://\S+`).FindString(lines.Text()); address != "" {
			return address
		}
	}
	t.Fatal("explore printed no address")
	return ""
}

type explainRecord struct {
	Images []struct {
		Classes []struct {
			Name        string
			Logit       float64
			Probability float64
		}
		Heads []float64
	}
}

// TestExplorer uses the live part as a reader does, and compares what is shown with what
// the command line says.
func TestExplorer(t *testing.T) {
	address := explorer(t)
	b := newBrowser(t, address)
	b.open(address, "")
	b.until("!document.querySelector('[data-live]').hidden")

	// Any text.
	b.visit("t?q=a+yellow+car+that+nobody+listed")
	b.until("document.querySelectorAll('.cards .card').length > 3")

	// An image with classes of one's own, and a pair switched off.
	show := clipnh[showRecord](t, "show", "h3n149", "--scores", "caches/val", "--top", "1")
	image := show.Strongest[0].Name
	b.visit("i/" + image)
	b.until("document.getElementById('typed-classes')")
	b.do(chromedp.SendKeys(chromedp.CSS("#typed-classes"), "car, boat\r"))
	b.until("document.querySelector('section.live table tbody tr')")
	want := clipnh[explainRecord](t, "explain", filepath.Join("imagenet", "val", filepath.FromSlash(image)), "--classes", "car,boat", "--model", "tiny-clip.pt",
		"--vocab", "bpe_demo_vocab.txt.gz", "--templates", "templates.txt")
	got := b.text("section.live table tbody")
	var logits []float64
	for _, c := range want.Images[0].Classes {
		logits = append(logits, c.Logit)
	}
	for _, c := range want.Images[0].Classes {
		if !strings.Contains(got, c.Name+"\t"+shownAmong(logits, c.Logit, 4)) {
			t.Errorf("classes of %s: %q lacks %s %s", image, got, c.Name, shownAmong(logits, c.Logit, 4))
		}
	}

	// Its heads: what is shown of each sums to what the pairs of the head add.
	b.until("document.querySelectorAll('.head-maps li canvas').length === 8")
	for h, part := range want.Images[0].Heads {
		at := fmt.Sprintf("[data-head=h%d]", h)
		if got := b.text(".head-maps " + at + " .value"); strings.TrimPrefix(got, "+") != shownAmong(want.Images[0].Heads, part, 3) {
			t.Errorf("h%d is shown to add %s, want %s", h, got, shownAmong(want.Images[0].Heads, part, 3))
		}
	}
	b.looks("live-image")

	// Its pixels.
	b.do(chromedp.Click(chromedp.CSS("section.live form button:last-of-type")))
	b.until("document.querySelectorAll('section.live .swatch').length === 2")

	// One head, on its page, for a class that is named.
	b.visit("h/3")
	b.until("document.querySelector('.head-part')")
	b.do(chromedp.SendKeys(chromedp.CSS("#head-image"), image))
	b.do(chromedp.SendKeys(chromedp.CSS("#head-classes"), "car, boat\r"))
	b.until("document.querySelectorAll('#head-class option').length === 3")
	b.until("document.querySelector('.head-part').textContent.replace('+', '') === '" + shown(want.Images[0].Heads[3], 4) + "'")
	b.looks("live-head")

	// A pair switched off: accuracy over the collection, and the command.
	b.visit("p/h3n149")
	b.until("document.querySelector('button.off')")
	b.do(chromedp.Click(chromedp.CSS("button.off")))
	b.until("document.querySelector('button.off').getAttribute('aria-pressed') === 'true'")
	b.visit("toggle")
	b.until("document.querySelector('.accuracy-after')")
	if got := b.text(".command code"); !strings.HasPrefix(got, "clipnh edit") || !strings.Contains(got, "h3n149") {
		t.Errorf("command %q", got)
	}
	if got := b.text(".accuracy-after"); got != "100.00 %" {
		t.Errorf("accuracy without h3n149 is shown as %s, want 100.00 %%", got)
	}
	b.until("document.querySelectorAll('.one-image canvas').length === 2")
	b.do(chromedp.SendKeys(chromedp.CSS("#toggle-image"), image))
	b.do(chromedp.SendKeys(chromedp.CSS("#toggle-classes"), "car, boat\r"))
	b.until("document.querySelectorAll('.one-image tbody tr').length === 2")
	got = b.text(".one-image tbody")
	for _, c := range want.Images[0].Classes {
		if !strings.Contains(got, c.Name+"\t"+shownAmong(logits, c.Logit, 4)) {
			t.Errorf("classes of %s before: %q lacks %s %s", image, got, c.Name, shownAmong(logits, c.Logit, 4))
		}
	}
	for _, v := range b.axe() {
		t.Errorf("pairs switched off: %s", v)
	}

	// An image of one's own: the one that is strongest has rank 1.
	b.visit("p/h3n149")
	b.until("document.getElementById('drop-file')")
	path := filepath.Join(environment(t, "CLIPNH_DEMO"), "imagenet", "val", filepath.FromSlash(image))
	b.do(chromedp.SetUploadFiles(chromedp.CSS("#drop-file"), []string{path}))
	b.until("document.querySelector('section.live dl.facts')")
	if got := b.text("section.live dl.facts"); !strings.Contains(got, shown(show.Strongest[0].Score, 4)) || !strings.Contains(got, "1 of 400") {
		t.Errorf("dropped image: %q, want score %s and rank 1 of 400", got, shown(show.Strongest[0].Score, 4))
	}
	for _, v := range b.axe() {
		t.Errorf("a pair with a dropped image: %s", v)
	}

	// A scatter of all images.
	b.visit("c?a=h3n149&b=h6n375")
	b.until("document.querySelector('.chart canvas')")
	if got := b.text("main"); !strings.Contains(got, "One dot an image") {
		t.Errorf("comparison: %.300s", got)
	}
	b.done()
}
