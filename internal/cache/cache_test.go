package cache

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/origin"
)

// files returns the contents of all files below dir by relative path.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		rel, _ := filepath.Rel(dir, path)
		out[rel] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func text(s string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, s)
		return err
	}
}

// hint returns the hint of err.
func adviceOf(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}

func TestCollectedFilesAreNumPys(t *testing.T) {
	dir := t.TempDir()
	j := job{path: filepath.Join(dir, "scores"), plan: testPlan("scores.npy"), extra: true, skipped: map[int]bool{4: true}}
	if err := j.run(osDisk{}); err != nil {
		t.Fatal(err)
	}
	a, err := Open(j.path)
	if err != nil {
		t.Fatal(err)
	}
	path, err := a.Payload("")
	if err != nil {
		t.Fatal(err)
	}
	data, shape, err := npy.ReadFloat32(path)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(shape, []int{9, 2, 3}) || !slices.Equal(shape, a.Manifest.Shape) {
		t.Errorf("shape %v in the file and %v in the manifest, want 9x2x3", shape, a.Manifest.Shape)
	}
	if data[4*6] != 5 || data[4*6+1] != 5.125 {
		t.Errorf("row 4 begins %v, want that of input 5: 5 5.125", data[4*6:4*6+2])
	}
	if want := []Skipped{{"4.png", "not an image"}}; !slices.Equal(a.Manifest.Skipped, want) {
		t.Errorf("skipped %v, want %v", a.Manifest.Skipped, want)
	}
	got := files(t, j.path)
	if len(got) != 3 || got["images.txt"] != "names\n" {
		t.Errorf("files %q, want scores.npy, images.txt, manifest.json", got)
	}
	if strings.Contains(got["manifest.json"], dir) {
		t.Errorf("the manifest has a path of this machine:\n%s", got["manifest.json"])
	}
	if damage, err := a.Verify(context.Background(), nil); err != nil || damage != nil {
		t.Errorf("verify: %v %v", damage, err)
	}

	raw := j
	raw.path, raw.plan, raw.extra = filepath.Join(dir, "dense.dat"), testPlan(""), false
	if err := raw.run(osDisk{}); err != nil {
		t.Fatal(err)
	}
	f, err := npy.OpenRaw(raw.path, shape)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	same := make([]float32, len(data))
	if err := f.ReadFloat32(same, 0); err != nil || !slices.Equal(same, data) {
		t.Errorf("the .dat file differs from the .npy file (%v)", err)
	}

	half := raw
	half.path, half.plan.DType = filepath.Join(dir, "half.npy"), npy.Float16
	if err := half.run(osDisk{}); err != nil {
		t.Fatal(err)
	}
	rounded, _, err := npy.ReadFloat32(half.path)
	if err != nil || !slices.Equal(rounded, data) { // these values fit
		t.Errorf("float16: %v, want %v (%v)", rounded, data, err)
	}
}

// TestResumeFromAnyLength truncates and corrupts an unfinished collection at random
// places. A crash should not do that, but a disk might.
func TestResumeFromAnyLength(t *testing.T) {
	j := jobs[0]
	want, _ := j.undisturbed(t)
	rng := rand.New(rand.NewPCG(1, 2))
	spoils := map[string]func(data []byte) []byte{
		"none": func(data []byte) []byte { return data },
		"cut":  func(data []byte) []byte { return data[:rng.IntN(len(data)+1)] },
		"more": func(data []byte) []byte { return append(data, make([]byte, rng.IntN(1000))...) },
		"flip": func(data []byte) []byte {
			data = bytes.Clone(data)
			data[rng.IntN(len(data))] ^= 1 << rng.IntN(8)
			return data
		},
	}
	for range seeds(200, 1000) {
		for how, spoil := range spoils {
			for _, name := range []string{"scores.npy.partial", "journal"} {
				m := newMemDisk(0)
				m.now["/d"] = nil
				w, err := openChunks(m, j.path, j.plan, false)
				if err != nil {
					t.Fatal(err)
				}
				appendSome(t, w, j, 1+rng.IntN(w.Chunks()))
				done := w.Done()
				if err := w.Close(); err != nil {
					t.Fatal(err)
				}
				spoiled := m.now[j.path+"/"+name]
				spoiled.data = spoil(spoiled.data)
				if _, err := openArtefact(m, j.path); !errors.Is(err, ErrMissing) && !errors.Is(err, ErrDamaged) {
					t.Errorf("%s %s: open: %v", how, name, err)
				}
				again := j
				w, err = openChunks(m, j.path, j.plan, false)
				switch {
				case err == nil:
					if (how == "none" || how == "more") && (w.Done() != done || w.Damaged() != 0) {
						t.Errorf("%s %s: %d chunks kept and %d damaged, want %d and 0", how, name, w.Done(), w.Damaged(), done)
					}
					if err := w.Close(); err != nil {
						t.Fatal(err)
					}
				case name == "journal" && errors.Is(err, ErrDamaged) && (how == "cut" || how == "flip"):
					// The first line is gone, and with it the plan.
					if adviceOf(err) == "" {
						t.Errorf("%v: no hint", err)
					}
					again.restart = true
				default:
					t.Fatalf("%s %s: %v", how, name, err)
				}
				if err := again.run(m); err != nil {
					t.Fatalf("%s %s: %v", how, name, err)
				}
				sameFiles(t, m.snapshot(), want)
			}
		}
	}
}

// appendSome adds n chunks of the job.
func appendSome(t *testing.T, w *ChunkWriter, j job, n int) {
	t.Helper()
	for range n {
		rows, skipped := j.chunk(w.Done())
		if err := w.AppendInputs(j.sums(w.Done()), skipped, func(put func([]float32) error) error { return put(rows) }); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOpenChunksRefuses(t *testing.T) {
	dir := t.TempDir()
	j := job{path: filepath.Join(dir, "scores"), plan: testPlan("scores.npy")}
	other := func(change func(*Plan)) Plan {
		p := j.plan
		change(&p)
		return p
	}
	tests := []struct {
		plan Plan
		want string
	}{
		{other(func(p *Plan) { p.Origin.Model = "RN101" }), "made with model RN50; this run uses RN101"},
		{other(func(p *Plan) { p.Inputs = 11 }), "made with inputs 10; this run uses 11"},
		{other(func(p *Plan) { p.ChunkInputs = 4 }), "made with chunk inputs 3; this run uses 4"},
		{other(func(p *Plan) { p.DType = npy.Float16 }), "made with dtype float32; this run uses float16"},
		{other(func(p *Plan) { p.Row = []int{2, 4} }), "made with shape [0,2,3]; this run uses [0,2,4]"},
		{other(func(p *Plan) { p.Origin.SVD = &origin.SVD{TopK: 60} }), "made without pc idx; this run uses 0; also differing: top k pca"},
		{other(func(p *Plan) { p.Origin.Precision = origin.BFloat16 }), "made without precision; this run uses bf16"},
		{other(func(p *Plan) { p.Origin.Model = "" }), "made with model RN50; this run uses none"},
		{other(func(p *Plan) {
			p.Tool = "newer"
			p.Origin.Weights = strings.Repeat("ab", 32)
		}), "made without weights, which this run uses; also differing: tool"},
	}
	refuse := func(when string) {
		t.Helper()
		for _, tt := range tests {
			_, err := new(Store).OpenChunks(j.path, tt.plan, false)
			var mismatch *MismatchError
			if !errors.As(err, &mismatch) || !errors.Is(err, ErrStale) || !strings.HasSuffix(err.Error(), tt.want) || adviceOf(err) == "" {
				t.Errorf("%s: got %v, want %q", when, err, tt.want)
			}
		}
	}
	w, err := new(Store).OpenChunks(j.path, j.plan, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := new(Store).OpenChunks(j.path, j.plan, false); !errors.Is(err, ErrLocked) {
		t.Errorf("a second writer: %v, want %v", err, ErrLocked)
	}
	if _, err := new(Store).OpenChunks(j.path, j.plan, true); !errors.Is(err, ErrLocked) {
		t.Errorf("a second writer that starts over: %v, want %v", err, ErrLocked)
	}
	appendSome(t, w, j, 1)
	if _, err := w.Finish(); err == nil || !strings.Contains(err.Error(), "1 of 4 chunks") {
		t.Errorf("finished with 1 of 4 chunks: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	refuse("unfinished")
	if _, err := Open(j.path); !errors.Is(err, ErrMissing) || !strings.Contains(err.Error(), "1 of 4 chunks is done") || adviceOf(err) == "" {
		t.Errorf("open an unfinished artefact: %v", err)
	}
	if err := j.run(osDisk{}); err != nil {
		t.Fatal(err)
	}
	refuse("finished")
	if _, err := new(Store).OpenChunks(j.path, j.plan, false); !errors.Is(err, ErrComplete) {
		t.Errorf("a second run: %v, want %v", err, ErrComplete)
	}

	// Files that are not ours stay, even with restart.
	foreign := filepath.Join(dir, "photos")
	if err := os.Mkdir(foreign, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(foreign, "images.txt"), filepath.Join(dir, "dense.dat")} {
		if err := os.WriteFile(path, []byte("mine"), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for _, restart := range []bool{false, true} {
		if _, err := new(Store).OpenChunks(foreign, j.plan, restart); !errors.Is(err, ErrExists) || adviceOf(err) == "" {
			t.Errorf("a folder of other things: %v, want %v", err, ErrExists)
		}
		if _, err := new(Store).OpenChunks(filepath.Join(dir, "dense.dat"), testPlan(""), restart); !errors.Is(err, ErrExists) {
			t.Errorf("a file of other things: %v, want %v", err, ErrExists)
		}
	}
	if _, err := new(Store).OpenChunks(foreign, testPlan(""), false); err == nil {
		t.Error("a folder was taken for a file")
	}
	for _, change := range []func(*Plan){
		func(p *Plan) { p.Inputs = 0 },
		func(p *Plan) { p.ChunkInputs = 0 },
		func(p *Plan) { p.DType = npy.Float64 },
		func(p *Plan) { p.Axes = nil },
		func(p *Plan) { p.Row = []int{1 << 31, 1 << 31} },
		func(p *Plan) { p.Origin.Mask = &origin.Mask{Percentile: math.NaN()} },
	} {
		if w, err := new(Store).OpenChunks(filepath.Join(dir, "new"), other(change), false); err == nil {
			w.Close()
			t.Errorf("plan %+v: no error", other(change))
		}
	}
}

func TestAppendRefuses(t *testing.T) {
	plan := testPlan("scores.npy")
	plan.DType = npy.Float16
	w, err := new(Store).OpenChunks(filepath.Join(t.TempDir(), "scores"), plan, false)
	if err != nil {
		t.Fatal(err)
	}
	stop := errors.New("stop")
	tests := []struct {
		name    string
		skipped int
		fill    func(put func([]float32) error) error
		want    string
	}{
		{"too few", 0, func(put func([]float32) error) error { return put(make([]float32, 17)) }, "1 value less than 3 rows of 6"},
		{"too many", 0, func(put func([]float32) error) error { put(make([]float32, 12)); put(make([]float32, 12)); return nil }, "more values than 3 rows of 6"},
		{"skipped", 1, func(put func([]float32) error) error { return put(make([]float32, 18)) }, "more values than 2 rows"},
		{"all skipped and more", 4, func(put func([]float32) error) error { return nil }, "4 inputs skipped of 3"},
		{"too large", 0, func(put func([]float32) error) error { put(slices.Repeat([]float32{1e6}, 18)); return nil }, "does not fit in float16"},
		{"fill fails", 0, func(func([]float32) error) error { return stop }, "stop"},
	}
	for _, tt := range tests {
		err := w.AppendFunc(make([]Skipped, tt.skipped), tt.fill)
		if err == nil || !strings.Contains(err.Error(), tt.want) || w.Done() != 0 {
			t.Errorf("%s: got %v with %d chunks, want %q", tt.name, err, w.Done(), tt.want)
		}
	}
	// The valid chunk stays after each of them, even one without rows.
	if err := w.Append(nil, make([]Skipped, 3)); err != nil || w.Done() != 1 || w.Rows() != 0 {
		t.Errorf("%v, %d chunks, %d rows", err, w.Done(), w.Rows())
	}
	for _, name := range []string{"", ".", "..", "a/b", "../b", "/b", "scores.npy", "manifest.json", "journal", ".lock", "x.tmp", "scores.npy.partial"} {
		if err := w.AddFile(name, text("x")); err == nil {
			t.Errorf("added a file %q", name)
		}
	}
	if err := w.AddFile("x", text("x")); err != nil {
		t.Error(err)
	}
	if err := w.AddFile("x", text("x")); err == nil {
		t.Error("added a file twice")
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := w.Append(nil, nil); err == nil {
		t.Error("appended to a closed writer")
	}
}
