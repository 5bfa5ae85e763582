package arch

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// run runs a command of the repository and returns what it prints.
func run(t *testing.T, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir, cmd.Env = root, append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// covered matches a line of "go tool covdata func" for a function that ran.
var covered = regexp.MustCompile(`(?m)^(\S+?):\d+:\s+\*?(\S+)\s+(\d+\.\d)%$`)

// TestNamedFunctionsRun runs the commands that ARCHITECTURE.md follows, built so that
// they count what runs: every function in its tables must have.
func TestNamedFunctionsRun(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program")
	}
	dir := t.TempDir()
	in := func(name ...string) string { return filepath.Join(append([]string{dir}, name...)...) }
	counts := in("counts")
	if err := os.Mkdir(counts, 0o777); err != nil {
		t.Fatal(err)
	}
	program, env := in("clipnh"), []string{"GOCOVERDIR=" + counts, "CLIPNH_HOME=" + in("home")}
	run(t, nil, "go", "build", "-cover", "-ldflags=-s -w", "-o", program, "./cmd/clipnh")
	run(t, env, program, "demo", "--files-only", "--dir", in("demo"))
	// Only what the two commands run counts.
	if err := os.RemoveAll(counts); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(counts, 0o777); err != nil {
		t.Fatal(err)
	}
	weights := in("demo", "tiny-clip.pt")
	run(t, env, program, "collect", "--model", weights, "--data-path", in("demo", "imagenet"), "--dataset", "images", "--sample-stride", "20", "--save-path", in("photos"))
	run(t, nil, program, "svd", "--collect-save-path", in("photos"), "--out-save-path", in("pc0.npy"))
	scenes, err := filepath.Glob(in("demo", "VOC2010", "JPEGImages", "*.jpg"))
	if err != nil || len(scenes) == 0 {
		t.Fatalf("no scene in the demo: %v", err)
	}
	run(t, env, program, "segment", "--image", scenes[0], "--classes", "car,grass", "--model", weights,
		"--vocab", in("demo", "bpe_demo_vocab.txt.gz"), "--pcs-path", in("pc0.npy"), "--show-dir", in("out"))

	ran := map[string]bool{}
	for _, m := range covered.FindAllStringSubmatch(run(t, nil, "go", "tool", "covdata", "func", "-i="+counts), -1) {
		if m[3] != "0.0" {
			ran[strings.TrimPrefix(m[1], module)+" "+m[2]] = true
		}
	}
	rows := namedFunctions(t)
	for _, row := range rows {
		if !ran[row.file+" "+row.function] {
			t.Errorf("ARCHITECTURE.md follows an image or an artefact through %s of %s, which did not run", row.function, row.file)
		}
	}
	if len(rows) < 40 {
		t.Errorf("%d functions in the tables of ARCHITECTURE.md, want at least 40", len(rows))
	}
}
