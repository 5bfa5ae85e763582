//go:build unix

package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/testutil"
)

// TestServerFails: a burst of failures at any request, longer than a request is repeated, ends
// commands with status 1 and an error about the server; the same commands then do what they do
// over a server that is well. It is never taken for an image that cannot be opened.
func TestServerFails(t *testing.T) {
	w := newRudeWorld(t)
	for _, form := range []string{"tar", "tar.gz", "zip"} {
		images := w.url + "/{0..1}." + form
		for _, known := range []bool{false, true} { // whether the list of a .tar is kept
			if known && form != "tar" {
				continue
			}
			fresh := func(name string) string {
				out := w.at(name)
				if err := os.RemoveAll(out); err != nil {
					t.Fatal(err)
				}
				if !known {
					if err := os.RemoveAll(w.at("home/listings")); err != nil {
						t.Fatal(err)
					}
				}
				return out
			}
			w.answers(well)
			must(t, exitDone, w.collect(images, fresh("out"))...)
			n := w.answers(well)
			failures := 0
			hows := []string{"503"}
			if known {
				hows = []string{"drop", "403", "more"}
			}
			for _, how := range hows {
				for first := range n {
					when := fmt.Sprintf("%s, %v, %s at request %d of %d", form, known, how, first, n)
					out := fresh("out")
					w.answers(burst(first, longBurst, how))
					failures += w.settles(t, when, out, w.collect(images, out)...)
					sameBesidesNames(t, when, out, w.wanted)
				}
			}
			if failures == 0 {
				t.Errorf("%s: no failure of bursts at %d requests", form, n)
			}
		}
	}

	// What only looks, and what compares.
	images, list := w.url+"/{0..1}.tar", w.at("list.listing")
	command := []string{"data", "list", "--dataset", "images", "--data-path", images, "--save-path", list, "--quiet"}
	w.answers(well)
	must(t, exitDone, command...)
	n, want := w.answers(well), artefactBytes(t, list)
	verify := []string{"verify", w.at("out"), "--data-path", w.url + "/{0..1}.zip", "--quiet"}
	must(t, exitDone, verify...)
	again := w.answers(well)
	failures := 0
	for first := range n {
		if err := os.Remove(list); err != nil {
			t.Fatal(err)
		}
		w.answers(burst(first, longBurst, "503"))
		failures += w.settles(t, fmt.Sprintf("data list, 503 at request %d", first), list, command...)
		if artefactBytes(t, list) != want {
			t.Errorf("503 at request %d: another list", first)
		}
		// A run with the list.
		out := w.at("listed")
		if err := os.RemoveAll(out); err != nil {
			t.Fatal(err)
		}
		w.answers(burst(first, longBurst, "403"))
		w.settles(t, fmt.Sprintf("a kept list, 403 at request %d", first), out, w.collect(list, out)...)
		sameBesidesNames(t, "a kept list", out, w.wanted)
	}
	for first := range again {
		w.answers(burst(first, longBurst, "503"))
		failures += w.settles(t, fmt.Sprintf("verify, 503 at request %d", first), "", verify...)
	}
	if failures == 0 {
		t.Errorf("no failure of bursts at %d requests", n+again)
	}

	// What skips images that cannot be decoded.
	assets := filepath.Join("..", "..", "internal", "demo", "assets")
	explain := []string{"explain", w.url + "/0.zip", "--model", filepath.Join(assets, "tiny-clip.pt"), "--vocab", filepath.Join(assets, "bpe_demo_vocab.txt.gz"), "--classes", "dog,cat", "--quiet"}
	w.answers(well)
	must(t, exitDone, explain...)
	failures = 0
	for first := range w.answers(well) {
		w.answers(burst(first, longBurst, "503"))
		failures += w.settles(t, fmt.Sprintf("explain, 503 at request %d", first), "", explain...)
	}
	if failures == 0 {
		t.Error("explain: no failure")
	}

	// What draws images of scores, which it must not show as unreadable.
	zips, scores := w.url+"/{0..1}.zip", w.at("out")
	names, err := os.ReadFile(filepath.Join(scores, artefact.ImagesFile))
	if err != nil {
		t.Fatal(err)
	}
	labels := []string{"image,label,group"}
	for i, name := range strings.Fields(string(names)) {
		labels = append(labels, fmt.Sprintf("%s,%s,%d", name, []string{"dog", "cat"}[i%2], i/2%2))
	}
	drawn := " --scores " + scores + " --dataset images --data-path " + zips
	for name, line := range map[string]string{
		"retrieve": "retrieve --neur-idxs 1 --top 2 --save-dir " + w.at("drawn") + drawn,
		"search":   "search --units h0n1 --top 3 --save-dir " + w.at("found") + drawn,
		// The blocks of a .tar are read again for the images.
		"report": "report --out " + w.at("pages") + strings.ReplaceAll(drawn, ".zip", ".tar"),
		"segment": "segment --method values --classes dog,cat --slide-crop 64 --slide-stride 64 --image " + w.url + "/0.tar --image " + w.url + "/1.tar --save-dir " + w.at("maps") +
			" --model " + testutil.Golden("model/tiny_jit.pt") + " --vocab " + testutil.Golden("text/toy_merges.txt"),
		"audit": "audit --classes dog,cat --labels-csv " + writeLines(t, w.at("labels.csv"), labels...) + " --permutations 19 --level 0.9 --sheet-pairs 1 --top-images 2 --use-templates=false --out " + w.at("audit") +
			" --model " + testutil.Golden("model/tiny_jit.pt") + " --vocab " + testutil.Golden("text/toy_merges.txt") + drawn,
	} {
		args := append(strings.Fields(line), "--quiet")
		out := map[string]string{"report": w.at("pages"), "segment": w.at("maps")}[name] // compared, and removed before each run
		w.answers(well)
		must(t, exitDone, args...)
		n := w.answers(well)
		step, want := 3, map[string]string{}
		if out != "" {
			step, want = 1, filesBelow(t, out)
		}
		failures = 0
		for first := 0; first < n; first += step {
			when := fmt.Sprintf("%s, 503 at request %d", name, first)
			if out != "" {
				if err := os.RemoveAll(out); err != nil {
					t.Fatal(err)
				}
			}
			w.answers(burst(first, longBurst, "503"))
			failures += w.settles(t, when, out, args...)
			if out != "" && !maps.Equal(filesBelow(t, out), want) {
				t.Errorf("%s: other bytes", when)
			}
		}
		if failures < 2 {
			t.Errorf("%s: %d failures", name, failures)
		}
	}

	// A collection that is there: the same command says so, or that the server fails.
	for first := range 4 {
		w.answers(burst(first, longBurst, "503"))
		failures = w.settles(t, fmt.Sprintf("done, 503 at request %d", first), "", w.collect(images, w.at("listed"))...)
		if failures == 0 {
			t.Errorf("done, 503 at request %d: no failure", first)
		}
	}
	t.Logf("%d runs", w.runs)
}

// TestRudeServer: whatever a server does, for a while, ends in the bytes that the same images in
// a folder give, or in an error, after which the same command ends in these bytes.
func TestRudeServer(t *testing.T) {
	w := newRudeWorld(t)
	failures := 0
	for seed := range thorough(12, 200) {
		random := chance(7, seed)
		images := w.url + "/" + []string{"{0..1}.tar", "{0..1}.tar.gz", "{0..1}.zip", "list.txt"}[random.IntN(4)]
		if err := os.RemoveAll(w.at("home/listings")); err != nil {
			t.Fatal(err)
		}
		out := w.at(fmt.Sprint("out", seed))
		plan := bursts(random, 150)
		if strings.HasSuffix(images, ".txt") { // images that are listed with a wrong size are refused for good: TestFarListFails
			of := plan
			plan = func(n int) string { return strings.NewReplacer("more", "cut", "less", "cut").Replace(of(n)) }
		}
		w.answers(plan)
		when := fmt.Sprintf("%s, %d", images, seed)
		failures += w.settles(t, when, out, w.collect(images, out)...)
		sameBesidesNames(t, when, out, w.wanted)
		if code, _, said := clipnh("verify", out, "--data-path", images, "--quiet"); code != exitDone && code != exitFailed {
			t.Errorf("%s: verify: exit code %d, said %q", when, code, said)
		}
	}
	if failures == 0 {
		t.Error("no run failed")
	}
	t.Logf("%d runs, of which %d failed; %v", w.runs, failures, w.did)
}
