package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/demo"
	"github.com/clipnh/clipnh/internal/pipeline/evaluate"
	"github.com/clipnh/clipnh/internal/pipeline/explain"
	"github.com/clipnh/clipnh/internal/pipeline/live"
	"github.com/clipnh/clipnh/internal/pipeline/retrieve"
	"github.com/clipnh/clipnh/internal/pipeline/segment"
	"github.com/clipnh/clipnh/internal/unit"
)

// TestQuoted: lines are for a shell.
func TestQuoted(t *testing.T) {
	for word, want := range map[string]string{"a/b-c.pt": "a/b-c.pt", "": "''", "a b": "'a b'", "it's": `'it'\''s'`, "$(x)": "'$(x)'", "ü": "'ü'", "~": "'~'"} {
		if got := quoted(word); got != want {
			t.Errorf("%s: %s, want %s", word, got, want)
		}
	}
}

// lockedBuffer is written by the program while the test reads.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// explorer runs explore until the test ends, and returns the address that it prints.
func explorer(t *testing.T, args ...string) (address string, stop func() (code int, stderr string)) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var out, err lockedBuffer
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, append([]string{"explore", "--json", "--listen", "127.0.0.1:0"}, args...), strings.NewReader(""), &out, &err)
	}()
	stop = func() (int, string) {
		cancel()
		code := <-ended
		ended <- code
		return code, err.String()
	}
	t.Cleanup(func() { stop() })
	for range 600 {
		var printed exploring
		if json.Unmarshal([]byte(out.String()), &printed) == nil && printed.Address != "" {
			return printed.Address, stop
		}
		select {
		case code := <-ended:
			ended <- code
			t.Fatalf("explore ended with %d: %s", code, err.String())
		case <-time.After(100 * time.Millisecond):
		}
	}
	t.Fatalf("explore printed %q and %q", out.String(), err.String())
	return "", nil
}

// fetched is the answer to a request, which is a POST where there is a body.
func fetched(t *testing.T, into any, address, body string) {
	t.Helper()
	var answer *http.Response
	var err error
	if body == "" {
		answer, err = http.Get(address)
	} else {
		answer, err = http.Post(address, "application/json", strings.NewReader(body))
	}
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s: %.500s, %v", address, answer.Status, text, err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v: %.500s", address, err, text)
	}
}

// printed runs a command with --json and reads what it prints.
func printed(t *testing.T, into any, args ...string) {
	t.Helper()
	stdout, _ := must(t, exitDone, append(args, "--json", "--quiet")...)
	if err := json.Unmarshal([]byte(stdout), into); err != nil {
		t.Fatal(err)
	}
}

// four are numbers as tables print them.
func four(v ...float64) string {
	var words []string
	for _, x := range v {
		words = append(words, fmt.Sprintf("%.4f", x))
	}
	return strings.Join(words, " ")
}

// TestExplore compares the answers of a running explorer with what the commands print: of the
// collection, retrieve, ablate, explain and segment, and the line that it ends with.
func TestExplore(t *testing.T) {
	assets, err := filepath.Abs(filepath.Join("..", "..", "internal", "demo", "assets"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	model, vocab, templates := filepath.Join(assets, demo.Model), filepath.Join(assets, demo.Vocabulary), filepath.Join(assets, demo.Templates)
	data := []string{"--dataset", "imagenet_val", "--data-path", filepath.Join(assets, demo.ImageNet)}
	texts := []string{"--model", model, "--vocab", vocab, "--templates", templates}
	do := func(args ...string) { t.Helper(); must(t, exitDone, append(args, "--quiet")...) }
	do(append([]string{"collect", "--model", model, "--sample-stride", "8", "--save-path", in("scores")}, data...)...)
	do("svd", "--collect-save-path", in("scores"), "--out-save-path", in("pc0.npy"), "--mean-save-path", in("means.npy"))
	do(append([]string{"embed", "--lines", filepath.Join(assets, demo.ImageNetClasses), "--embeddings-save-path", in("classes.npy")}, texts...)...)
	do(append([]string{"report", "--scores", in("scores"), "--pcs-path", in("pc0.npy"), "--imagenet-zeroshot-path", in("classes.npy"), "--out", in("report"), "--model", model}, data...)...)
	address, stop := explorer(t, in("report"), "--vocab", vocab, "--templates", templates)

	var status live.Status
	for range 300 { // until the scores are read and the tower is packed
		if fetched(t, &status, address+"api/live", ""); status.Image.On {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	for name, part := range map[string]live.Ability{"text": status.Text, "image": status.Image, "drop": status.Drop, "toggle": status.Toggle, "segment": status.Segment, "thumbs": status.Thumbs} {
		if !part.On {
			t.Errorf("%s is off: %s", name, part.Reason)
		}
	}

	var text live.Text
	var found retrieve.Result
	fetched(t, &text, address+"api/text?q=yellow", "")
	printed(t, &found, append([]string{"retrieve", "--text", "yellow", "--scores", in("scores"), "--pcs-path", in("pc0.npy"), "--top", "1"}, texts...)...)
	for i, f := range found.Found {
		if p := text.Pairs[i]; unit.Pair(p.Pair, 512) != f.Pair || four(p.Cosine) != four(f.Cosine) {
			t.Errorf("pair %d of a text: %+v, want %+v", i, p, f)
		}
	}

	var units []string
	for n := range 495 {
		units = append(units, fmt.Sprint("n", n))
	}
	off := strings.Join(units, ",")
	var toggle live.Toggle
	fetched(t, &toggle, address+"api/toggle", fmt.Sprintf(`{"off": ["%s"], "by": "mean", "image": 3}`, strings.Join(units, `","`)))
	var ablated evaluate.AblateResult
	classified := append([]string{"--scores", in("scores"), "--imagenet-zeroshot-path", in("classes.npy")}, data...)
	printed(t, &ablated, append([]string{"ablate", "--pairs", off, "--means-path", in("means.npy"), "--per-class"}, classified...)...)
	if b, a := ablated.Baseline, ablated.Variants[0]; toggle.Before.Correct != b.Correct || toggle.After.Correct != a.Correct || toggle.After.All != a.Top1 || toggle.After.Top5 != a.Top5 || a.Correct == b.Correct {
		t.Errorf("accuracy %+v to %+v, want %+v to %+v", toggle.Before, toggle.After, b.Top1, a.Top1)
	}
	for _, c := range ablated.Classes {
		at := slices.Index(status.Classes, c.Name)
		if at < 0 || toggle.Before.ByClass[at] != c.Baseline || toggle.After.ByClass[at] != c.Variants[0] {
			t.Errorf("class %s: %v to %v, want %+v", c.Name, toggle.Before.ByClass, toggle.After.ByClass, c)
		}
	}

	// The line that it ends with makes a model that says the same of the image.
	line := strings.Fields(toggle.Edit)
	if line[0] != "clipnh" || line[len(line)-1] != "edited.pt" {
		t.Fatalf("edit by %s", toggle.Edit)
	}
	line[len(line)-1] = in("edited.pt")
	do(line[1:]...)
	images, err := dataset.Open(t.Context(), dataset.Options{Kind: dataset.ImageNetVal, Path: filepath.Join(assets, demo.ImageNet)})
	if err != nil {
		t.Fatal(err)
	}
	path := ""
	for _, item := range images.Items {
		if item.Name == toggle.Image.Name {
			path = item.Path
		}
	}
	names := in("names.txt")
	if err := os.WriteFile(names, []byte(strings.Join(status.Classes, "\n")+"\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	explained := func(model string, more ...string) *explain.Explanation {
		var x explainedImages
		printed(t, &x, append([]string{"explain", path, "--model", model, "--classes", names, "--imagenet-zeroshot-path", in("classes.npy")}, more...)...)
		return &x.Explained[0]
	}
	said := func(classes []explain.ClassLogit, places *explain.Places, logit, norm float64) string {
		text := four(logit, norm) + "\n" + four(places.Parts...)
		for _, c := range classes {
			text += fmt.Sprintf("\n%s %.3f %.3f", c.Name, c.Logit, c.Probability)
		}
		return regexp.MustCompile(`-(0\.0+)\b`).ReplaceAllString(text, "$1")
	}
	before, after := explained(model), explained(in("edited.pt"), "--force", "--class", toggle.Image.Class)
	if x, y := said(toggle.Image.Before.Classes, toggle.Image.Before.Places, toggle.Image.Before.Logit, toggle.Image.Before.Norm), said(before.Classes, &before.Places, before.Logit, before.Norm); x != y {
		t.Errorf("an image:\n%s\nwant\n%s", x, y)
	}
	if x, y := toggle.Image.After.Classes, after.Classes; x[0].Name != y[0].Name || four(x[0].Probability) != four(y[0].Probability) || fmt.Sprintf("%.2f", x[0].Logit) != fmt.Sprintf("%.2f", y[0].Logit) {
		t.Errorf("an image without pairs: %+v, want %+v", x[:3], y[:3])
	}

	var image live.Explained
	fetched(t, &image, address+"api/image/3?list=5&maps=6&classes=star,yellow+car&class=star&versus=yellow+car&unusual=true", "")
	var x explainedImages
	printed(t, &x, append([]string{"explain", path, "--classes", "star,yellow car", "--class", "star", "--versus", "yellow car", "--scores", in("scores"), "--unusual"}, texts...)...)
	x.Explained[0].Name = image.Name
	if got, want := fmt.Sprintf("%+v", jsonText(t, image.Explanation)), jsonText(t, x.Explained[0]); got != want {
		t.Errorf("explained: %.2000s\nwant %.2000s", got, want)
	}

	var segmented live.Segmented
	fetched(t, &segmented, address+"api/segment?classes=butterfly,sky,car&image=3", " ")
	var want segment.Result
	printed(t, &want, append([]string{"segment", "--image", path, "--classes", "butterfly,sky,car", "--pcs-path", in("pc0.npy")}, texts...)...)
	for _, s := range want.Shares[0].Classes {
		if i := slices.IndexFunc(segmented.Classes, func(c live.ClassShare) bool { return c.Class == s.Name }); segmented.Classes[i].Share != s.Share {
			t.Errorf("%+v, want %+v", segmented.Classes[i], s)
		}
	}

	if answer, err := http.Get(address + "p/h3n149"); err != nil || answer.Request.URL.String() != address+"#/p/h3n149" {
		t.Errorf("a pair's address: %v", err)
	}
	if code, stderr := stop(); code != exitDone || strings.Contains(stderr, "error") {
		t.Errorf("interrupted: status %d: %s", code, stderr)
	}
}

func jsonText(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
