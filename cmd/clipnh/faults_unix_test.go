//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/testutil"
)

// thorough is how often something is done, in the short form and in the long one.
func thorough(short, long int) int {
	if os.Getenv(faultsEnv) == "" {
		return short
	}
	return long
}

// What the fault tests did, for the closing lines of "make faults".
var (
	countsMu sync.Mutex
	counts   = map[string]int{}
)

func count(what string, n int) {
	countsMu.Lock()
	defer countsMu.Unlock()
	counts[what] += n
}

// endFaults says what the fault tests did, and tidies up.
func endFaults(w io.Writer) {
	os.RemoveAll(faultInputs.dir)
	if faultInputs.server != nil {
		faultInputs.server.Close()
	}
	if counts["bytes equal"]+counts["losses"] == 0 {
		return
	}
	io.WriteString(w, seedLine())
	fmt.Fprintf(w, "faults: %d kills, %d file size limits, %d full disks, %d images lost or changed; %d resumes, %d end states with the bytes of an undisturbed run, %d losses\n",
		counts["kills"], counts["limits"], counts["full disks"], counts["pictures"], counts["resumes"], counts["bytes equal"], counts["losses"])
}

// limitEnv has the program begin with a limit on the size of files, in bytes.
const limitEnv = "CLIPNH_TEST_FILE_SIZE"

// limitFileSize sets the limit that the test asked for.
func limitFileSize() {
	n, err := strconv.ParseUint(os.Getenv(limitEnv), 10, 64)
	if err != nil {
		return
	}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: n, Max: n}); err != nil {
		panic(err)
	}
}

// program returns the program as another process, started by the test.
func program(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), programEnv+"=1")
	return cmd
}

// A faultJob is a command that writes artefacts to a folder.
type faultJob struct {
	name string
	args func(dir string) []string
	// prepare, if not nil, creates the files that the job needs in the folder.
	prepare func(t *testing.T, dir string)
	// env, if not nil, are variables of the environment.
	env func(dir string) []string
	// varies, if not nil, reports whether a file differs between two runs.
	varies func(name string) bool
	slow   bool // takes minutes
	waits  bool // for a lock, where others fail
	inside bool // runs in the folder: paths are in its results
	many   bool // names change hundreds of times, all but the first in one way
}

// faultInputs holds the input files of fault jobs, made once for all tests, and the
// results of each job when nothing fails.
var faultInputs struct {
	once             sync.Once
	dir, pcs, scores string
	err              error
	undisturbed      map[string]*undisturbed
	server           *httptest.Server
}

// faultStart is when the tests began.
var faultStart = time.Now()

// demoFlags are the model and the images of the example; in the short form, some
// of them.
func demoFlags() []string {
	assets := filepath.Join("..", "..", "internal", "demo", "assets")
	return []string{"--model", filepath.Join(assets, "tiny-clip.pt"), "--dataset", "imagenet_test", "--data-path", filepath.Join(assets, "imagenet"),
		"--sample-stride", fmt.Sprint(thorough(6, 4))}
}

func makeFaultInputs() {
	f := &faultInputs
	f.undisturbed = map[string]*undisturbed{}
	if f.dir, f.err = os.MkdirTemp("", "clipnh-faults"); f.err != nil {
		return
	}
	f.pcs, f.scores = filepath.Join(f.dir, "pcs.npy"), filepath.Join(f.dir, "scores")
	if f.err = manyDirections(f.pcs); f.err != nil {
		return
	}
	if code, _, said := clipnh(slices.Concat([]string{"collect"}, demoFlags(), []string{"--save-path", f.scores, "--quiet"})...); code != exitDone {
		f.err = errors.New(said)
		return
	}
	f.err = makeEvaluationInputs(f.dir)
}

// faultJobs are commands whose artefacts take time: all of them in the long form. In
// the short form each test takes a third of them, which all tests together make up
// for.
func faultJobs(t *testing.T, third int) []faultJob {
	t.Helper()
	jobs := allFaultJobs(t)
	if os.Getenv(faultsEnv) != "" {
		return jobs
	}
	var some []faultJob
	for i := third % 3; i < len(jobs); i += 3 {
		some = append(some, jobs[i])
	}
	return some
}

func allFaultJobs(t *testing.T) []faultJob {
	t.Helper()
	faultInputs.once.Do(makeFaultInputs)
	if faultInputs.err != nil {
		t.Fatal(faultInputs.err)
	}
	pcs, scores := faultInputs.pcs, faultInputs.scores
	assets := filepath.Join("..", "..", "internal", "demo", "assets")
	demo := demoFlags()
	at := func(name string, args ...string) func(dir string) []string {
		return func(dir string) []string {
			all := slices.Clone(args)
			all[slices.Index(all, name)] = filepath.Join(dir, name)
			return all
		}
	}
	collect := func(name string, more ...string) func(dir string) []string {
		return at(name, slices.Concat([]string{"collect"}, demo, []string{"--save-path", name}, more)...)
	}
	spoil := func(t *testing.T, dir string) {
		if err := os.CopyFS(filepath.Join(dir, "scores"), os.DirFS(scores)); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"scores.npy", "bias.npy"} {
			f, err := os.OpenFile(filepath.Join(dir, "scores", name), os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			info, err := f.Stat()
			if err != nil {
				t.Fatal(err)
			}
			for at := info.Size() / 8; at < info.Size(); at += info.Size() / 4 {
				if _, err := f.WriteAt([]byte("spoiled"), at); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	return append([]faultJob{
		{name: "collect scores", args: collect("scores")},
		{name: "collect mean scores", args: collect("mean", "--mean")},
		{name: "collect mean contributions", args: collect("mean.npy", "--mean")},
		{name: "collect statistics", args: collect("statistics", "--stats-only", "--top-k", "5")},
		{name: "collect summary", args: collect("summary", "--stats-only", "--no-features", "--top-k", "5")},
		{name: "collect activations", args: collect("acts.npy", "--mode", "neuron_acts")},
		{name: "collect dense", args: collect("neurons.dat", "--mode", "neurons")},
		{name: "svd pairs", args: func(dir string) []string {
			return []string{"svd", "--collect-save-path", scores, "--top-k-pca", "12", "--out-save-path", filepath.Join(dir, "pc0.npy"),
				"--mean-save-path", filepath.Join(dir, "means.npy"), "--norm-save-path", filepath.Join(dir, "norms.npy")}
		}},
		{name: "svd neurons", args: at("pc1.npy", "svd", "--collect-save-path", scores, "--top-k-pca", "12", "--mode", "n", "--pc-idx", "1", "--out-save-path", "pc1.npy")},
		{name: "sparse", args: func(dir string) []string {
			return []string{"sparse", "--pcs-path", pcs, "--text-descs-embeddings-path", testutil.Golden("text/words.npy"),
				"--text-descs-list-path", testutil.Golden("text/words.txt"), "--num-components", "8",
				"--descriptions-save-path", filepath.Join(dir, "texts.json"), "--decomposition-save-path", filepath.Join(dir, "codes.npz")}
		}},
		{name: "embed", args: at("words.npy", "embed", "--model", filepath.Join(assets, "tiny-clip.pt"), "--vocab", filepath.Join(assets, "bpe_demo_vocab.txt.gz"),
			"--lines", filepath.Join(assets, "words.txt"), "--templates", filepath.Join(assets, "templates.txt"), "--embeddings-save-path", "words.npy")},
		{name: "registers activations", args: at("drops.npy", slices.Concat([]string{"registers"}, demo, []string{"--diff-save-path", "drops.npy", "--list", "0"})...)},
		{name: "registers contributions", args: at("changes.npy", slices.Concat([]string{"registers"}, demo,
			[]string{"--mode", "contributions", "--diff-save-path", "changes.npy", "--list", "0"})...)},
		{name: "verify --repair", prepare: spoil, args: func(dir string) []string {
			return append([]string{"verify", filepath.Join(dir, "scores"), "--repair"}, demo[:6]...)
		}},
	}, moreFaultJobs()...)
}

// manyDirections writes the golden directions of pairs twenty times over, longer
// each time, which are several batches and no two alike.
func manyDirections(path string) error {
	const times = 20
	golden, shape, err := npy.ReadFloat32(testutil.Golden("pc0_nh.npy"))
	if err != nil {
		return err
	}
	var data []float32
	for i := range times {
		for _, x := range golden {
			data = append(data, x*(1+float32(i)/16))
		}
	}
	return new(cache.Store).WriteFile(path, func(w io.Writer) error {
		return npy.WriteFloat32(w, []int{times * shape[0], shape[1], shape[2]}, data)
	})
}

// begin makes a folder for a run.
func (j faultJob) begin(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp(t.TempDir(), "run")
	if err != nil {
		t.Fatal(err)
	}
	if j.prepare != nil {
		j.prepare(t, dir)
	}
	return dir
}

// undisturbed is what a run leaves that nothing happens to.
type undisturbed struct {
	files map[string]string
	took  time.Duration
}

func (j faultJob) undisturbed(t *testing.T) *undisturbed {
	t.Helper()
	if u := faultInputs.undisturbed[j.name]; u != nil {
		return u
	}
	dir, start := j.begin(t), time.Now()
	if end := j.start(t, dir, 2).wait(t); end.code != exitDone {
		t.Fatalf("exit code %d: %s", end.code, end.said)
	}
	u := &undisturbed{j.lasting(t, dir), time.Since(start)}
	if faultInputs.undisturbed != nil {
		faultInputs.undisturbed[j.name] = u
	}
	return u
}

// lasting are the files below dir but for locks, which belong to no artefact.
func lasting(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := filesBelow(t, dir)
	for name := range files {
		if strings.HasSuffix(name, ".lock") {
			delete(files, name)
		}
	}
	return files
}

// lasting are the files below dir that belong to artefacts and are the same in every
// run.
func (j faultJob) lasting(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := lasting(t, dir)
	for name := range files {
		if j.varies != nil && j.varies(name) {
			delete(files, name)
		}
	}
	return files
}

// compare wants the files below dir to be those of the undisturbed run.
func (u *undisturbed) compare(t *testing.T, dir, when string) {
	t.Helper()
	u.compareFiles(t, lasting(t, dir), when)
}

func (u *undisturbed) compareFiles(t *testing.T, got map[string]string, when string) {
	t.Helper()
	same := len(got) == len(u.files)
	for name, content := range u.files {
		if got[name] != content {
			same = false
			t.Errorf("%s: %s is not that of an undisturbed run", when, name)
		}
	}
	for name := range got {
		if _, there := u.files[name]; !there {
			t.Errorf("%s: %s is left", when, name)
		}
	}
	if same {
		count("bytes equal", 1)
	} else {
		count("losses", 1)
	}
}

// noneIsPartial opens every artefact as a reader would: it is whole, with the bytes
// of the undisturbed run, or it is called missing or damaged. Nothing is there that
// somebody's run has not left.
func (u *undisturbed) noneIsPartial(t *testing.T, dir string) {
	t.Helper()
	for name := range u.files {
		path, isManifest := strings.CutSuffix(filepath.Join(dir, name), ".json")
		if filepath.Base(name) == "manifest.json" {
			path = filepath.Join(dir, filepath.Dir(name))
		}
		if _, described := u.files[name+".json"]; !isManifest || described {
			continue
		}
		if _, payload := u.files[strings.TrimSuffix(name, ".json")]; !payload && filepath.Base(name) != "manifest.json" {
			continue // a result in JSON, which has no manifest
		}
		a, err := cache.Open(path)
		if err != nil {
			if !errors.Is(err, cache.ErrMissing) && !errors.Is(err, cache.ErrDamaged) {
				t.Errorf("%s: %v", path, err)
			}
			continue
		}
		damage, err := a.Verify(context.Background(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(damage) > 0 {
			continue // a repair that is not done
		}
		for _, p := range a.Manifest.Payloads {
			path, err := a.Payload(p.File)
			if err != nil {
				t.Fatal(err)
			}
			content, err := os.ReadFile(path)
			rel, _ := filepath.Rel(dir, path)
			if err != nil || string(content) != u.files[rel] {
				count("losses", 1)
				t.Errorf("%s passes for whole, and is not what an undisturbed run writes (%v)", path, err)
			}
		}
	}
}

// resume gives the command again and wants it to end like an undisturbed one.
func (j faultJob) resume(t *testing.T, dir string, want *undisturbed, when string) {
	t.Helper()
	want.noneIsPartial(t, dir)
	count("resumes", 1)
	if end := j.start(t, dir, 2).wait(t); end.code != exitDone {
		count("losses", 1)
		t.Fatalf("%s: then exit code %d: %s", when, end.code, end.said)
	}
	want.compareFiles(t, j.lasting(t, dir), when)
}
