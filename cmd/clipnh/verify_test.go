package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/pipeline/verify"
	"github.com/clipnh/clipnh/internal/testutil"
)

// clipnh runs the program in process.
func clipnh(args ...string) (code int, stdout, stderr string) {
	var out, err bytes.Buffer
	code = run(context.Background(), args, strings.NewReader(""), &out, &err)
	return code, out.String(), err.String()
}

// must runs the program and wants it to end with a code.
func must(t *testing.T, want int, args ...string) (stdout, stderr string) {
	t.Helper()
	code, stdout, stderr := clipnh(args...)
	if code != want {
		t.Fatalf("clipnh %s: exit code %d, want %d\n%s", strings.Join(args, " "), code, want, stderr)
	}
	return stdout, stderr
}

// goldenModel are the flags of a model and its images.
func goldenModel() []string {
	return []string{"--model", testutil.Golden("model/tiny_jit.pt"), "--data-path", testutil.Golden("dataset")}
}

// filesBelow returns the contents of all files below a path, by relative name.
func filesBelow(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a program at work has removed it
		}
		if err != nil || d.IsDir() || strings.HasSuffix(path, ".command") { // as it was typed, for status
			return err
		}
		content, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		name, _ := filepath.Rel(dir, path)
		all[name] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// collectionsToRepair are commands that write a collection below dir.
var collectionsToRepair = []struct {
	name, path string
	args       []string
}{
	{"scores", "scores", []string{"collect", "--save-path"}},
	{"scores of every third, one at a time", "third", []string{"collect", "--sample-stride", "3", "--batch-size", "1", "--save-path"}},
	{"float16 with directions", "half", []string{"collect", "--dtype", "float16", "--expand", "--save-path"}},
	{"dense", "dense.dat", []string{"collect", "--mode", "neurons", "--save-path"}},
	{"activations", "acts.npy", []string{"collect", "--mode", "neuron_acts", "--save-path"}},
	{"heads", "heads", []string{"collect", "--mode", "heads", "--save-path"}},
	{"lens", "lens", []string{"collect", "--mode", "neurons+heads_lens", "--lens-idx", "1", "--save-path"}},
	{"statistics", "statistics", []string{"collect", "--stats-only", "--top-k", "5", "--save-path"}},
	{"a summary", "summary", []string{"collect", "--stats-only", "--no-features", "--top-k", "5", "--save-path"}},
	{"a shard of a summary", "summary.2-of-3", []string{"collect", "--shard", "2/3", "--stats-only", "--no-features", "--save-path"}},
	{"mean scores", "means", []string{"collect", "--mean", "--save-path"}},
	{"mean contributions", "means.npy", []string{"collect", "--mean", "--save-path"}},
	{"layer4", "layer4", []string{"collect", "--mode", "layer4", "--mean", "--save-path"}},
	{"a shard", "third.2-of-2", []string{"collect", "--shard", "2/2", "--save-path"}},
	{"a shard of statistics", "statistics.1-of-2", []string{"collect", "--shard", "1/2", "--stats-only", "--save-path"}},
	{"sink drops", "drops.npy", []string{"registers", "--diff-save-path"}},
	{"sink changes", "changes.npy", []string{"registers", "--mode", "contributions", "--diff-save-path"}},
}

// damages are done to a file.
var damages = []struct {
	name string
	do   func(path string, content []byte, rng *rand.Rand) error
}{
	{"flipped", func(path string, content []byte, rng *rand.Rand) error {
		content[rng.IntN(len(content))] ^= 1 << rng.IntN(8)
		return os.WriteFile(path, content, 0o666)
	}},
	{"cut", func(path string, content []byte, rng *rand.Rand) error {
		return os.WriteFile(path, content[:rng.IntN(len(content))], 0o666)
	}},
	{"missing", func(path string, _ []byte, _ *rand.Rand) error { return os.Remove(path) }},
}

// TestVerifyAndRepair damages every file of every form of collection in every way:
// verify says so, and repair gives the bytes back.
func TestVerifyAndRepair(t *testing.T) {
	for i, c := range collectionsToRepair {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, c.path)
			save := path
			if base, _, shard := strings.Cut(path, "-of-"); shard {
				save = strings.TrimSuffix(base, filepath.Ext(base)) // the command adds which it is
			}
			must(t, exitDone, slices.Concat(c.args, []string{save, "--dataset", "images", "--quiet"}, goldenModel())...)
			want := filesBelow(t, dir)
			must(t, exitDone, "verify", path, "--quiet")
			rng := rand.New(rand.NewPCG(1, uint64(i)))
			for name, content := range want {
				if strings.HasSuffix(name, ".json") {
					continue
				}
				for _, damage := range damages {
					if err := damage.do(filepath.Join(dir, name), []byte(content), rng); err != nil {
						t.Fatal(err)
					}
					_, said := must(t, exitFailed, "verify", dir, "--quiet")
					if !strings.Contains(said, filepath.Base(name)) {
						t.Errorf("%s is %s, and verify says\n%s", name, damage.name, said)
					}
					stdout, _ := must(t, exitDone, slices.Concat([]string{"verify", dir, "--repair", "--json", "--quiet"}, goldenModel())...)
					var result verify.Result
					if err := json.Unmarshal([]byte(stdout), &result); err != nil {
						t.Fatal(err)
					}
					if result.Counts[verify.StateRepaired] != 1 {
						t.Errorf("%s %s: %v, want one repaired", name, damage.name, result.Counts)
					}
					if got := filesBelow(t, dir); fmt.Sprint(got) != fmt.Sprint(want) {
						t.Fatalf("%s, which was %s, is repaired, and bytes differ", name, damage.name)
					}
				}
			}
		})
	}
}

// TestRepairRefuses offers a repair another model, other images, and images that
// have changed since.
func TestRepairRefuses(t *testing.T) {
	dir := t.TempDir()
	images := filepath.Join(dir, "pictures")
	if err := os.CopyFS(images, os.DirFS(testutil.Golden("dataset"))); err != nil {
		t.Fatal(err)
	}
	path, model := filepath.Join(dir, "scores"), testutil.Golden("model/tiny_jit.pt")
	must(t, exitDone, "collect", "--model", model, "--dataset", "images", "--data-path", images, "--save-path", path, "--quiet")
	payload := filepath.Join(path, "scores.npy")
	content, err := os.ReadFile(payload)
	if err != nil {
		t.Fatal(err)
	}
	content[1000] ^= 4
	if err := os.WriteFile(payload, content, 0o666); err != nil {
		t.Fatal(err)
	}
	spoiled := filesBelow(t, path)
	refused := func(what string, wanted []string, args ...string) {
		t.Helper()
		code, _, said := clipnh(append([]string{"verify", path, "--repair", "--quiet"}, args...)...)
		if code != exitStale {
			t.Errorf("%s: exit code %d, want %d", what, code, exitStale)
		}
		for _, want := range wanted {
			if !strings.Contains(said, want) {
				t.Errorf("%s: said\n%swant %q in it", what, said, want)
			}
		}
		if fmt.Sprint(filesBelow(t, path)) != fmt.Sprint(spoiled) {
			t.Errorf("%s: files have changed", what)
		}
	}
	refused("another model", []string{"made with other weights than this run uses"}, "--model", testutil.Golden("model/tiny_sd_bf16.pt"), "--data-path", images)

	var first string
	for name := range filesBelow(t, images) {
		if first == "" || name < first {
			first = name
		}
	}
	image := filepath.Join(images, first)
	good, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	changed := bytes.Clone(good)
	changed[len(changed)-3] ^= 1
	if err := os.WriteFile(image, changed, 0o666); err != nil {
		t.Fatal(err)
	}
	refused("a changed image", []string{first, "its bytes have changed"}, "--model", model, "--data-path", images)
	code, _, said := clipnh("verify", path, "--data-path", images, "--quiet")
	if code != exitFailed || !strings.Contains(said, first) {
		t.Errorf("verify with the images: exit code %d, said\n%s", code, said)
	}
	if err := os.Remove(image); err != nil {
		t.Fatal(err)
	}
	refused("fewer images", []string{"made with other images than this run uses"}, "--model", model, "--data-path", images)
	if err := os.WriteFile(image, good, 0o666); err != nil {
		t.Fatal(err)
	}
	must(t, exitDone, "verify", path, "--repair", "--quiet", "--model", model, "--data-path", images)
}

// TestVerifyFindsNumbersThatAreNone writes NaN and infinities where checksums are
// right or there are none.
func TestVerifyFindsNumbersThatAreNone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.npy")
	good, err := os.ReadFile(testutil.Golden("pc0_nh.npy"))
	if err != nil {
		t.Fatal(err)
	}
	bad := bytes.Clone(good)
	copy(bad[len(bad)-4*33:], "\x00\x00\x80\x7f") // +Inf in the last but one direction
	for _, tt := range []struct {
		content []byte
		code    int
		want    string
	}{{good, exitDone, "no manifest"}, {bad, exitFailed, "31] is +Inf, want finite numbers"}} {
		if err := os.WriteFile(path, tt.content, 0o666); err != nil {
			t.Fatal(err)
		}
		_, said := must(t, tt.code, "verify", path)
		if !strings.Contains(said, tt.want) {
			t.Errorf("said\n%swant %q in it", said, tt.want)
		}
	}
}
