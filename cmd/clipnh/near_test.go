package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

// TestNearPaths holds that a path of which a name is mistyped is called by its flag, with what may
// have been meant, before what would make it; and that other paths have no such hint.
func TestNearPaths(t *testing.T) {
	dir := t.TempDir()
	in := func(path string) string { return filepath.Join(dir, filepath.FromSlash(path)) }
	for _, name := range []string{"caches/val", "caches/many", "report"} {
		if err := os.MkdirAll(in(name), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"clip.pt", "words.txt", "caches/pc0.npy", "caches/pc0.npy.json", "caches/many/a1", "caches/many/a2", "caches/many/a3", "caches/many/a4"} {
		if err := os.WriteFile(in(name), nil, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		line, says string
		meant      string // empty: no hint
	}{
		{"info --model clpi.pt", "info: --model clpi.pt: no such file", "clip.pt"},
		{"svd --scores caches/vla --mean-save-path m.npy", "svd: --scores caches/vla: missing", "caches/val"},
		{"svd --scores cachse/val --mean-save-path m.npy", "svd: --scores cachse/val: missing", "caches/val"},
		{"svd --scores cachse/nothing --mean-save-path m.npy", "svd: --scores cachse/nothing: missing", ""},
		{"svd --scores caches/pco.npy --mean-save-path m.npy", "svd: --scores caches/pco.npy: missing", "caches/pc0.npy"},
		{"svd --scores caches/many/aa --mean-save-path m.npy", "svd: --scores caches/many/aa: missing", ""},
		{"svd --scores caches/pc1.npy --mean-save-path m.npy", "svd: --scores caches/pc1.npy: missing", ""},
		{"svd --scores nowhere --mean-save-path m.npy", "svd: --scores nowhere: missing", ""},
		{"explore reprot", "explore: reprot: missing", "report"},
		{"describe h1n2 --codes caches/pc0.npy --text-descs-list-path wrods.txt", "--text-descs-list-path wrods.txt: no such file", "words.txt"},
	} {
		args := strings.Fields(test.line)
		for i, arg := range args {
			if i > 0 && strings.ContainsAny(arg, "./") || slices.Contains([]string{"nowhere", "reprot"}, arg) {
				args[i] = in(arg)
			}
		}
		_, _, stderr := clipnh(args...)
		stderr = strings.ReplaceAll(filepath.ToSlash(stderr), filepath.ToSlash(dir)+"/", "")
		_, hints, _ := strings.Cut(stderr, "\nhint: ")
		if !strings.Contains(stderr, test.says) || strings.Contains(hints, "did you mean") != (test.meant != "") || test.meant != "" && !strings.HasPrefix(hints, `did you mean "`+test.meant+`"?`) {
			t.Errorf("%s: %s\nwant %q and %q", test.line, stderr, test.says, test.meant)
		}
	}
}

// TestStdinAsImage: - in place of an image is said to be no standard input.
func TestStdinAsImage(t *testing.T) {
	t.Chdir(t.TempDir())
	_, stderr := must(t, exitFailed, "classify", "-", "--model", testutil.Golden("model/tiny_jit.pt"), "--classes", "a,b", "--imagenet-zeroshot-path", testutil.Golden("text/classes.npy"))
	if want := "error: classify: -: no such file or directory\nhint: standard input is not read here; a file that is called - is ./-\n"; !strings.Contains(stderr, want) {
		t.Errorf("%s, want %s", stderr, want)
	}
}

// TestPathOfOwnName holds that a file that is called as a command is not what an error of that
// command is about.
func TestPathOfOwnName(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, name := range []string{"svd", "mask", "data list"} {
		if err := os.WriteFile(name, nil, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for _, line := range []string{"svd --scores x --mode z", "mask --mode neur_reprs", "data list"} {
		if _, _, stderr := clipnh(append(strings.Fields(line), "--json")...); !strings.Contains(stderr, `"message"`) || strings.Contains(stderr, `"path"`) {
			t.Errorf("%s: %s, want no path", line, stderr)
		}
	}
}

// TestArtefactsForCheckpoints holds that info, given what another command wrote, says what that is
// and which commands look at it.
func TestArtefactsForCheckpoints(t *testing.T) {
	dir := t.TempDir()
	scores, means := filepath.Join(dir, "scores"), filepath.Join(dir, "means.npy")
	must(t, exitDone, append([]string{"collect", "--dataset", "images", "--save-path", scores, "--quiet"}, goldenModel()...)...)
	must(t, exitDone, "svd", "--scores", scores, "--mean-save-path", means, "--quiet")
	for path, want := range map[string]string{
		scores: "hint: " + scores + ` holds scores, no checkpoint: "clipnh verify ` + scores + `" checks it, "clipnh status ` + scores + `" says how much of it there is`,
		means:  "hint: " + means + ` holds means, no checkpoint: "clipnh verify ` + means + "\" checks it\n",
	} {
		if _, stderr := must(t, exitUsage, "info", path); !strings.Contains(stderr, want) {
			t.Errorf("%s, want %s", stderr, want)
		}
	}
	if _, stderr := must(t, exitMissing, "status", dir); !strings.HasSuffix(stderr, "\nhint: give a collection in it: "+scores+"\n") {
		t.Errorf("status of a folder of collections: %s", stderr)
	}
}

// TestReportAside: where the project's images stand aside, which a report then lacks, report says so.
func TestReportAside(t *testing.T) {
	t.Chdir(t.TempDir())
	must(t, exitDone, append([]string{"collect", "--dataset", "images", "--mode", "heads", "--save-path", "heads", "--quiet"}, goldenModel()...)...)
	if err := os.WriteFile("clipnh.yaml", []byte("scores: others\ndata-path: "+testutil.Golden("dataset")+"\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	const want = "note: clipnh.yaml:2 has data-path, which is not used: "
	if _, stderr := must(t, exitDone, "report", "--scores", "heads", "--out", "report"); strings.Count(stderr, want) != 1 {
		t.Errorf("%s, want %s", stderr, want)
	}
	if _, stderr := must(t, exitDone, "report", "--scores", "heads", "--out", "report", "--verbose"); strings.Count(stderr, want) != 1 {
		t.Errorf("verbose: %s, want %s once", stderr, want)
	}
	if _, stderr := must(t, exitDone, "report", "--scores", "heads", "--data-path", testutil.Golden("dataset"), "--dataset", "images", "--out", "report"); strings.Contains(stderr, want) {
		t.Errorf("given: %s", stderr)
	}
}
