package device

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
)

func touch(t *testing.T, parts ...string) string {
	t.Helper()
	path := filepath.Join(parts...)
	if err := os.WriteFile(path, nil, 0o777); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLibraryIn(t *testing.T) {
	for _, tt := range []struct {
		system string
		names  []string
		want   string
	}{
		{"linux", []string{"libonnxruntime.so.1.20.0", "libonnxruntime.so", "libonnxruntime.so.1"}, "libonnxruntime.so"},
		{"linux", []string{"libonnxruntime.so.1.20.0", "libonnxruntime.so.1"}, "libonnxruntime.so.1"},
		{"linux", []string{"libonnxruntime.so.1.19.0", "libonnxruntime.so.1.20.0", "onnxruntime.dll"}, "libonnxruntime.so.1.20.0"},
		{"darwin", []string{"libonnxruntime.1.30.0.dylib", "libonnxruntime.so"}, "libonnxruntime.1.30.0.dylib"},
		{"darwin", []string{"libonnxruntime.dylib", "libonnxruntime.1.30.0.dylib"}, "libonnxruntime.dylib"},
		{"windows", []string{"libonnxruntime.so", "onnxruntime.dll"}, "onnxruntime.dll"},
		{"windows", []string{"libonnxruntime.so"}, ""},
		{"linux", nil, ""},
	} {
		dir := t.TempDir()
		for _, name := range tt.names {
			touch(t, dir, name)
		}
		want := tt.want
		if want != "" {
			want = filepath.Join(dir, want)
		}
		if got := libraryIn(dir, tt.system); got != want {
			t.Errorf("%s, %q: found %q, want %q", tt.system, tt.names, got, want)
		}
	}
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	t.Setenv(Variable, "")
	p, err := Find()
	if err != nil || p.Helper != "" || len(p.HelperLooked) != 2 || !slices.Contains(p.LibraryLooked, Variable+" (not set)") {
		t.Errorf("nothing: %+v, %v", p, err)
	}
	library := touch(t, dir, "other.so")
	t.Setenv(Variable, library)
	helper := touch(t, dir, helperName)
	p, err = Find()
	if err != nil || p.Library != library || len(p.LibraryLooked) != 1 || p.Helper != helper && p.Helper != helper+".exe" {
		t.Errorf("both: %+v, %v", p, err)
	}
	t.Setenv(Variable, dir)
	if _, err = Find(); err == nil || !strings.Contains(err.Error(), Variable+"="+dir+": no such file") {
		t.Errorf("a folder: %v", err)
	}
	if r := Look(); r.Error == "" || len(r.Devices) != len(Names()) {
		t.Errorf("%+v", r)
	}
}

// TestStatus says of providers that are files of their own whether they are there.
func TestStatus(t *testing.T) {
	dir := t.TempDir()
	library := touch(t, dir, "libonnxruntime.so.1")
	kinds, have := map[string]Kind{}, []string{}
	for _, k := range Kinds() {
		kinds[k.Name] = k
		have = append(have, k.Provider)
	}
	shared, cuda := "libonnxruntime_providers_shared.so", "libonnxruntime_providers_cuda.so"
	check := func(what string, s Status, lacking ...string) {
		t.Helper()
		for i, name := range lacking {
			lacking[i] = filepath.Join(dir, name)
		}
		if !s.Built || !slices.Equal(s.Lacking, lacking) || s.Available != (len(lacking) == 0) || (s.Unseen != "") != (s.Available && s.Name != "ort-cpu") {
			t.Errorf("%s: %+v, want it to lack %q", what, s, lacking)
		}
	}
	check("nothing", kinds["cuda"].status(library, have, "linux"), shared, cuda)
	check("nothing, Windows", kinds["cuda"].status(library, have, "windows"), "onnxruntime_providers_shared.dll", "onnxruntime_providers_cuda.dll")
	for _, name := range []string{"ort-cpu", "webgpu", "coreml", "directml"} {
		check(name, kinds[name].status(library, have, "linux"))
	}
	touch(t, dir, shared)
	check("one of two", kinds["cuda"].status(library, have, "linux"), cuda)
	touch(t, dir, cuda)
	check("both", kinds["cuda"].status(library, have, "linux"))
	if runtime.GOOS != "windows" {
		link := filepath.Join(t.TempDir(), "libonnxruntime.so")
		if err := os.Symlink(library, link); err != nil {
			t.Fatal(err)
		}
		check("by a link", kinds["cuda"].status(link, have, "linux"))
	}
	if s := kinds["cuda"].status(library, have[:1], "linux"); s.Built || s.Available || len(s.Lacking) > 0 || s.Unseen != "" {
		t.Errorf("not built: %+v", s)
	}
}

// TestTower refuses what a graph does not have, before anything is started.
func TestTower(t *testing.T) {
	ck, err := clip.OpenWith(pipelinetest.TinyModel(), clip.Details{})
	if err != nil {
		t.Fatal(err)
	}
	defer ck.Close()
	d := new(Device)
	for _, o := range []clip.ImageOptions{{Precision: kernel.BFloat16}, {KeepBlocks: true}, {AllAttention: true}, {Lenses: []int{0}}, {FirstOrder: true}} {
		if _, err := d.Tower(ck, o); err == nil {
			t.Errorf("%+v: a tower was made", o)
		}
	}
	tower, err := d.Tower(ck, clip.ImageOptions{Batch: 2, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	own, err := clip.NewImageTower(ck, clip.ImageOptions{Batch: 1, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	if tower.ImageLen() != own.ImageLen() || tower.ScoresLen() != own.ScoresLen() || tower.Config() != own.Config() {
		t.Error("the tower's sizes are not those of our own")
	}
	if err := tower.Run(nil, clip.Output{Scores: []float32{}}); err != nil {
		t.Errorf("no images: %v", err)
	}
}
