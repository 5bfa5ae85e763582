//go:build unix

package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/configs"
	"github.com/clipnh/clipnh/internal/asset"
	"github.com/clipnh/clipnh/internal/demo"
)

// seedEnv repeats the moments and sizes of an earlier run of the fault tests.
const seedEnv = "CLIPNH_FAULTS_SEED"

// faultSeed is what the fault tests' moments and sizes come from. endFaults prints it.
var faultSeed = func() uint64 {
	if seed, err := strconv.ParseUint(os.Getenv(seedEnv), 10, 64); err == nil {
		return seed
	}
	return rand.Uint64N(1 << 32)
}()

// chance returns the random numbers of a test's job.
func chance(test, job int) *rand.Rand {
	return rand.New(rand.NewPCG(faultSeed, uint64(test)<<32|uint64(job)))
}

// fetched is served to the jobs that fetch, and how much of it there is.
const fetchedBytes = 3 << 20

// fetchedContent are bytes that no compression makes smaller, the same in every run.
func fetchedContent() []byte {
	random, content := rand.New(rand.NewPCG(1, 2)), make([]byte, fetchedBytes)
	for i := range content {
		content[i] = byte(random.Uint32())
	}
	return content
}

// makeEvaluationInputs makes what commands read that evaluate and draw.
func makeEvaluationInputs(dir string) error {
	assets := filepath.Join("..", "..", "internal", "demo", "assets")
	model := filepath.Join(assets, demo.Model)
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, args := range [][]string{
		{"collect", "--model", model, "--dataset", "imagenet_val", "--data-path", filepath.Join(assets, demo.ImageNet), "--sample-stride", "4", "--save-path", at("val")},
		{"collect", "--model", model, "--dataset", "imagenet_val", "--data-path", filepath.Join(assets, demo.ImageNet), "--sample-stride", "4", "--mode", "heads", "--save-path", at("heads")},
		{"svd", "--collect-save-path", at("scores"), "--top-k-pca", "12", "--out-save-path", at("pc0.npy"), "--mean-save-path", at("means.npy"), "--norm-save-path", at("norms.npy")},
		{"svd", "--collect-save-path", at("val"), "--top-k-pca", "12", "--out-save-path", at("val_pc0.npy"), "--mean-save-path", at("val_means.npy"), "--norm-save-path", at("val_norms.npy")},
	} {
		if code, _, said := clipnh(append(args, "--quiet")...); code != exitDone {
			return errors.New(said)
		}
	}
	if err := makeTexts(dir, model, assets); err != nil {
		return err
	}
	for _, part := range []string{"1/2", "2/2"} {
		args := slices.Concat([]string{"collect"}, demoFlags(), []string{"--save-path", at("parts"), "--shard", part, "--quiet"})
		if code, _, said := clipnh(args...); code != exitDone {
			return errors.New(said)
		}
	}
	served := fetchedContent()
	faultInputs.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "weights.pt", faultStart, strings.NewReader(string(served)))
	}))
	return nil
}

// makeTexts makes the embeddings of words and of classes, and a table of two groups of the
// images of val.
func makeTexts(dir, model, assets string) error {
	at := func(name string) string { return filepath.Join(dir, name) }
	listed, err := os.ReadFile(filepath.Join(assets, demo.ImageNet, "classes.txt"))
	if err != nil {
		return err
	}
	var classes []string
	for line := range strings.Lines(string(listed)) {
		_, class, _ := strings.Cut(strings.TrimSpace(line), "\t")
		classes = append(classes, class)
	}
	images, err := os.ReadFile(filepath.Join(at("val"), "images.txt"))
	if err != nil {
		return err
	}
	rows := []string{"image,label,group"}
	for image := range strings.Lines(string(images)) {
		class := classes[len(classes)/2*(len(rows)/2%2)] // of two, whatever is on it
		rows = append(rows, fmt.Sprintf("%s,%s,group%d", strings.TrimSpace(image), class, len(rows)%2))
	}
	err = errors.Join(os.WriteFile(at("classes.txt"), []byte(strings.Join(classes, "\n")+"\n"), 0o666),
		os.WriteFile(at("labels.csv"), []byte(strings.Join(rows, "\n")+"\n"), 0o666))
	if err != nil {
		return err
	}
	for list, path := range map[string]string{at("classes.txt"): at("classes.npy"), filepath.Join(assets, "words.txt"): at("words.npy")} {
		code, _, said := clipnh("embed", "--model", model, "--vocab", filepath.Join(assets, demo.Vocabulary), "--templates", filepath.Join(assets, demo.Templates),
			"--lines", list, "--embeddings-save-path", path, "--quiet")
		if code != exitDone {
			return errors.New(said)
		}
	}
	return nil
}

// moreFaultJobs are commands that take less time, or write folders of files.
func moreFaultJobs() []faultJob {
	assets := filepath.Join("..", "..", "internal", "demo", "assets")
	asset1 := func(name string) string { return filepath.Join(assets, filepath.FromSlash(name)) }
	in := func(name string) string { return filepath.Join(faultInputs.dir, name) }
	line := func(text string, more ...string) func(dir string) []string {
		return func(dir string) []string {
			return append(strings.Fields(strings.NewReplacer("{dir}", dir, "{model}", asset1(demo.Model), "{imagenet}", asset1(demo.ImageNet)).Replace(text)), more...)
		}
	}
	// A report says where its inputs are from its folder, unless they have absolute paths.
	absolute := func(path string) string {
		path, err := filepath.Abs(path)
		if err != nil {
			panic(err)
		}
		return path
	}
	texts := []string{"--vocab", asset1(demo.Vocabulary), "--templates", asset1(demo.Templates), "--pcs-path", in("pc0.npy")}
	jobs := []faultJob{
		{name: "merge", args: line("merge --save-path {dir}/whole", in("parts.1-of-2"), in("parts.2-of-2"))},
		{name: "mask", args: line("mask --mask-save-path {dir}/mask.npy --neuron-head-norms-path", in("norms.npy"))},
		{name: "polysemanticity", args: line("polysemanticity --scores-save-path {dir}/inertia.npy --plot {dir}/inertia.png --collect-save-path", in("scores"))},
		{name: "reconstruct", args: line("reconstruct --features-save-path {dir}/rebuilt.npy", "--scores", in("val"), "--means-path", in("val_means.npy"), "--pcs-paths", in("val_pc0.npy"))},
		{name: "ablate", args: line("ablate --features-save-path {dir}/ablated.npy --percentile 0,50,90", "--scores", in("val"), "--means-path", in("val_means.npy"), "--neuron-head-norms-path", in("val_norms.npy"))},
		{name: "textspan", args: line("textspan --num-of-last-layers 1 --texts-per-head 3 --save-path {dir}/spans.txt --features-save-path {dir}/spanned.npy --text-descs-list-path "+asset1("words.txt"),
			"--scores", in("heads"), "--text-descs-embeddings-path", in("words.npy"))},
		{name: "search", args: line("search --units h3n149,h3 --top 3 --dataset imagenet_test --data-path {imagenet} --save-dir {dir}/found --scores", in("scores"))},
		{name: "retrieve", args: line("retrieve --neur-idxs 149,7 --model {model} --dataset imagenet_test --data-path {imagenet} --save-dir {dir}/retrieved --scores", in("scores"))},
		{name: "segment", args: line("segment --config demo --method pairs --model {model} --limit 6 --save-path {dir}/counts.json --show-dir {dir}/drawn --save-dir {dir}/maps --data-path "+asset1(demo.PascalContext), texts...)},
		{name: "shift", args: line("shift --concepts yellow --model {model} --dataset cars --sample-stride 12 --save-path {dir}/shift.json --plot {dir}/shift.svg --colours-csv "+
			asset1(demo.CarColours)+" --data-path "+asset1(demo.Cars), texts...)},
		{name: "edit", args: line("edit --model {model} --remove n5 --save-path {dir}/edited.pt --means-path", in("val_means.npy"))},
		{name: "export", args: line("export --model {model} --outputs features,scores --weights beside --save-path {dir}/tower.onnx")},
		{name: "explain", args: line("explain --model {model} --classes butterfly,star --data-path {imagenet}/val --sample-stride 100 --list 2 --maps 2 --save-dir {dir}/sheets --scores "+in("val"), texts[:4]...)},
		{name: "score", args: line("score h0n1 h0n2 --method nearest --draws 20 --save-path {dir}/true.npy --text-descs-list-path "+asset1("words.txt"),
			"--scores", in("scores"), "--pcs-path", in("val_pc0.npy"), "--text-descs-embeddings-path", in("words.npy"))},
		{name: "audit", args: line("audit --model {model} --dataset imagenet_val --data-path {imagenet} --permutations 199 --level 0.1 --out {dir}/audit", "--scores", in("val"),
			"--labels-csv", in("labels.csv"), "--classes", in("classes.txt"), "--imagenet-zeroshot-path", in("classes.npy"))},
		{name: "watch", args: line("watch --concepts yellow --model {model} --save-path {dir}/watch.json --plot {dir}/watch.svg --fail-above 1e9 --junit {dir}/watch.xml --openmetrics {dir}/watch.prom", append([]string{"--reference", in("val"), "--scores", in("scores")}, texts...)...)},
		{name: "report", many: true, args: line("report --dataset imagenet_val --out {dir}/report", "--model", absolute(asset1(demo.Model)), "--data-path", absolute(asset1(demo.ImageNet)), "--scores", in("val"), "--pcs-path", in("val_pc0.npy"))},
		{name: "info", args: line("info --model {model} --graph {dir}/tower.svg")},
		{name: "data list", args: line("data list --dataset images --save-path {dir}/photos.listing", "--data-path", absolute(asset1(demo.ImageNet)))},
		{name: "data subset", args: line("data subset --dataset images --data-path {imagenet} --number 40 --save-path {dir}/subset --link symbolic")},
		{name: "fetch", waits: true, args: line("fetch weights"), prepare: prepareFetch, env: func(dir string) []string { return []string{asset.HomeVariable + "=" + dir} },
			// Who checked it, and when, is not the same in two runs.
			varies: func(name string) bool { return strings.HasSuffix(name, ".checked") || name == "assets.json" }},
	}
	if os.Getenv(faultsEnv) == "" {
		return jobs
	}
	return append(jobs,
		faultJob{name: "demo", args: line("demo --dir demo"), inside: true, slow: true, varies: func(name string) bool { return filepath.Base(name) == "log.txt" }}, // rates are in it
		faultJob{name: "paper", args: line("paper --dir paper"), inside: true, slow: true, varies: func(name string) bool { // seconds that steps took
			return strings.HasPrefix(name, filepath.Join("paper", "steps")) || strings.HasPrefix(filepath.Base(name), "report.")
		}})
}

// undisturbable are the commands that write and are in no fault job, with the reason.
var undisturbable = map[string]string{
	"clipnh docs": "writes the pages of this repository",
}

// TestEveryWriterIsDisturbed holds that every command with a flag for what it writes is in
// a fault job, of the long form at least.
func TestEveryWriterIsDisturbed(t *testing.T) {
	t.Setenv(faultsEnv, "1")
	disturbed := map[string]bool{}
	for _, job := range allFaultJobs(t) {
		disturbed[commandOf(t, strings.Join(job.args(t.TempDir()), " "))] = true
	}
	for _, cmd := range everyCommand() {
		path, writes := cmd.CommandPath(), cmd.Name() == "fetch"
		cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
			writes = writes || unpaired[path][f.Name] == written || slices.Contains(writtenFlags, f.Name)
		})
		if writes && !disturbed[path] && undisturbable[path] == "" {
			t.Errorf("%s writes, and is in no fault job", path)
		}
	}
}

// prepareFetch makes a store in which one file is known, and not there.
func prepareFetch(t *testing.T, dir string) {
	t.Helper()
	sum := sha256.Sum256(fetchedContent())
	table, err := json.Marshal([]configs.Asset{{
		Name: "weights", Kind: configs.AssetModel, File: "weights.pt", URL: faultInputs.server.URL + "/weights.pt",
		Size: fetchedBytes, SHA256: hex.EncodeToString(sum[:]),
	}})
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "assets.json"), table, 0o666)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// times is how often something is done to a job, fewer for one that takes minutes.
func (j faultJob) times(n int) int {
	if j.slow {
		return max(1, n/12)
	}
	return n
}

// seedLine says how a run of the fault tests is repeated.
func seedLine() string {
	return fmt.Sprintf("faults: seed %d (%s=%d repeats it)\n", faultSeed, seedEnv, faultSeed)
}
