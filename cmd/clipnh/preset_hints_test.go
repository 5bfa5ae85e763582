package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

// TestPresetImagesAreNamed: an error that is about other images says that these are from the
// project file.
func TestPresetImagesAreNamed(t *testing.T) {
	assets, err := filepath.Abs(filepath.Join("..", "..", "internal", "demo", "assets"))
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	for folder, numbers := range map[string][]string{"mine": {"01", "02"}, "other": {"03", "04"}} {
		if err := os.Mkdir(folder, 0o777); err != nil {
			t.Fatal(err)
		}
		for _, n := range numbers {
			name := "DEMO_test_000000" + n + ".JPEG"
			data, err := os.ReadFile(filepath.Join(assets, "imagenet", "test", name))
			if err == nil {
				err = os.WriteFile(filepath.Join(folder, name), data, 0o666)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	model := filepath.Join(assets, "tiny-clip.pt")
	must(t, exitDone, "collect", "--model", model, "--dataset", "images", "--data-path", "mine", "--save-path", "dense.npy", "--quiet")
	yaml := []byte("model: " + model + "\nvocab: " + filepath.Join(assets, "bpe_demo_vocab.txt.gz") + "\ndata-path: other\ndataset: images\n")
	if err := os.WriteFile("clipnh.yaml", yaml, 0o666); err != nil {
		t.Fatal(err)
	}
	const want = "hint: --data-path is from clipnh.yaml:3\n"
	must(t, exitDone, "search", "--scores", "dense.npy", "--text", "yellow") // whose images stand aside
	// A path that another flag has on the command line is not the project file's fault.
	code, _, said := clipnh("explain", "mine/DEMO_test_00000001.JPEG", "--classes", "a,b", "--save-dir", model)
	if want := "--save-dir " + model + ": a file, want a folder"; code != exitFailed || !strings.Contains(said, want) || strings.Contains(said, "is from clipnh.yaml") {
		t.Errorf("status %d, want %d and %q alone:\n%s", code, exitFailed, want, said)
	}
	if err := os.WriteFile("clipnh.yaml", append(yaml, "scores: dense.npy\n"...), 0o666); err != nil {
		t.Fatal(err)
	}
	code, _, said = clipnh("search", "--text", "yellow")
	if code != exitStale || !strings.Contains(said, want) {
		t.Errorf("status %d, want %d and %q:\n%s", code, exitStale, want, said)
	}
}

// TestDifferingPresets says of a value that nobody typed where it is from, also where an
// artefact differs in it and the error does not name the flag.
func TestDifferingPresets(t *testing.T) {
	inProject(t, "model: "+testutil.Golden("model/tiny_jit.pt"), "collect:", "  mode: heads", "  save-path: parts")
	data := testutil.Golden("dataset")
	must(t, exitDone, "collect", "--mode", "neurons+heads", "-d", data, "--save-path", "scores", "--sample-stride", "12", "--quiet")
	if _, said := must(t, exitFailed, "collect", "-d", data, "--save-path", "scores", "--sample-stride", "12"); !strings.Contains(said, "hint: --mode is from clipnh.yaml:3\n") {
		t.Errorf("another kind: %s", said)
	}
	must(t, exitDone, "collect", "-d", data, "--save-path", "means.npy", "--mode", "neurons", "--sample-stride", "12", "--quiet")
	if code, _, said := clipnh("collect", "-d", data, "--save-path", "means.npy", "--sample-stride", "12"); code == exitDone || !strings.Contains(said, "hint: --mode is from clipnh.yaml:3\n") {
		t.Errorf("another mode: status %d: %s", code, said)
	}
}
