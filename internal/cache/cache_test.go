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
	for range 200 {
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
		}), "made without weights; this run uses abababababab; also differing: tool"},
	}
	refuse := func(when string) {
		t.Helper()
		for _, tt := range tests {
			_, err := OpenChunks(j.path, tt.plan, false)
			var mismatch *MismatchError
			if !errors.As(err, &mismatch) || !errors.Is(err, ErrStale) || !strings.HasSuffix(err.Error(), tt.want) || adviceOf(err) == "" {
				t.Errorf("%s: got %v, want %q", when, err, tt.want)
			}
		}
	}
	w, err := OpenChunks(j.path, j.plan, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenChunks(j.path, j.plan, false); !errors.Is(err, ErrLocked) {
		t.Errorf("a second writer: %v, want %v", err, ErrLocked)
	}
	if _, err := OpenChunks(j.path, j.plan, true); !errors.Is(err, ErrLocked) {
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
	if _, err := Open(j.path); !errors.Is(err, ErrMissing) || !strings.Contains(err.Error(), "1 of 4 chunks are done") || adviceOf(err) == "" {
		t.Errorf("open an unfinished artefact: %v", err)
	}
	if err := j.run(osDisk{}); err != nil {
		t.Fatal(err)
	}
	refuse("finished")
	if _, err := OpenChunks(j.path, j.plan, false); !errors.Is(err, ErrComplete) {
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
		if _, err := OpenChunks(foreign, j.plan, restart); !errors.Is(err, ErrExists) || adviceOf(err) == "" {
			t.Errorf("a folder of other things: %v, want %v", err, ErrExists)
		}
		if _, err := OpenChunks(filepath.Join(dir, "dense.dat"), testPlan(""), restart); !errors.Is(err, ErrExists) {
			t.Errorf("a file of other things: %v, want %v", err, ErrExists)
		}
	}
	if _, err := OpenChunks(foreign, testPlan(""), false); err == nil {
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
		if w, err := OpenChunks(filepath.Join(dir, "new"), other(change), false); err == nil {
			w.Close()
			t.Errorf("plan %+v: no error", other(change))
		}
	}
}

func TestAppendRefuses(t *testing.T) {
	plan := testPlan("scores.npy")
	plan.DType = npy.Float16
	w, err := OpenChunks(filepath.Join(t.TempDir(), "scores"), plan, false)
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
		{"too few", 0, func(put func([]float32) error) error { return put(make([]float32, 17)) }, "1 values less than 3 rows of 6"},
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

func TestVerifyFindsDamage(t *testing.T) {
	dir := t.TempDir()
	j := job{path: filepath.Join(dir, "scores"), plan: testPlan("scores.npy"), extra: true}
	if err := j.run(osDisk{}); err != nil {
		t.Fatal(err)
	}
	a, err := Open(j.path)
	if err != nil {
		t.Fatal(err)
	}
	const header, chunk = 128, 3 * 6 * 4
	for _, tt := range []struct {
		file   string
		offset int
		chunk  int
	}{{"scores.npy", 70, -1}, {"scores.npy", header, 0}, {"scores.npy", header + 2*chunk + 1, 2}, {"images.txt", 0, -1}} {
		path := filepath.Join(j.path, tt.file)
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		spoiled := bytes.Clone(whole)
		spoiled[tt.offset] ^= 4
		if err := os.WriteFile(path, spoiled, 0o666); err != nil {
			t.Fatal(err)
		}
		damage, err := a.Verify(context.Background(), nil)
		if err != nil || len(damage) != 1 || damage[0].File != path || damage[0].Chunk != tt.chunk || !errors.Is(damage[0].Err, ErrDamaged) {
			t.Errorf("%s at %d: found %v (%v), want chunk %d", tt.file, tt.offset, damage, err, tt.chunk)
		}
		if err := os.Truncate(path, int64(len(whole)-1)); err != nil {
			t.Fatal(err)
		}
		if damage, err := a.Verify(context.Background(), nil); err != nil || len(damage) == 0 {
			t.Errorf("%s cut: found nothing (%v)", tt.file, err)
		}
		if _, err := Open(j.path); !errors.Is(err, ErrDamaged) {
			t.Errorf("opened with a short %s: %v", tt.file, err)
		}
		if _, err := OpenChunks(j.path, j.plan, false); !errors.Is(err, ErrDamaged) || adviceOf(err) == "" {
			t.Errorf("went on with a short %s: %v", tt.file, err)
		}
		if err := os.WriteFile(path, whole, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var read int64
	if _, err := a.Verify(ctx, func(n int64) { read += n }); err != nil || read != 128+10*6*4+int64(len("names\n")) {
		t.Errorf("verify read %d bytes (%v)", read, err)
	}
	cancel()
	if _, err := a.Verify(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("verify went on after its context ended: %v", err)
	}
	if err := os.Remove(filepath.Join(j.path, "images.txt")); err != nil {
		t.Fatal(err)
	}
	if damage, err := a.Verify(context.Background(), nil); err != nil || len(damage) != 1 {
		t.Errorf("a payload that is gone: %v, %v", damage, err)
	}
	if _, err := Open(j.path); !errors.Is(err, ErrDamaged) {
		t.Errorf("opened without a payload: %v", err)
	}
}

func TestSaveAndExpect(t *testing.T) {
	dir := t.TempDir()
	parent := job{path: filepath.Join(dir, "scores"), plan: testPlan("scores.npy")}
	if err := parent.run(osDisk{}); err != nil {
		t.Fatal(err)
	}
	scores, err := Open(parent.path)
	if err != nil {
		t.Fatal(err)
	}
	m := Manifest{
		Kind: "directions", Tool: "test", Axes: []string{"H", "C", "O"}, Shape: []int{2, 3, 4}, DType: "float32",
		Origin: origin.Origin{Model: "RN50", Parents: map[string]string{"scores": scores.Hash()}, SVD: &origin.SVD{TopK: 50}},
	}
	path := filepath.Join(dir, "pcs.npy")
	hash, err := Save(path, m, func(w io.Writer) error { return npy.WriteFloat32(w, m.Shape, make([]float32, 24)) })
	if err != nil {
		t.Fatal(err)
	}
	a, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if a.Hash() != hash || hash == scores.Hash() {
		t.Errorf("hash %s, want %s", a.Hash(), hash)
	}
	if payload, err := a.Payload(""); err != nil || payload != path {
		t.Errorf("payload %s (%v), want %s", payload, err, path)
	}
	if _, err := a.Payload("images.txt"); !errors.Is(err, ErrMissing) {
		t.Errorf("a payload that never was: %v", err)
	}
	if damage, err := a.Verify(context.Background(), nil); err != nil || damage != nil {
		t.Errorf("verify: %v %v", damage, err)
	}
	// The artefact contains no path: it is the same in another folder.
	again, err := Save(filepath.Join(dir, "other.npy"), m, func(w io.Writer) error { return npy.WriteFloat32(w, m.Shape, make([]float32, 24)) })
	if err != nil || again != hash {
		t.Errorf("saved twice: hash %s, want %s (%v)", again, hash, err)
	}

	fact := func(field string, want any) Fact { return Fact{Field: field, Want: want} }
	for _, tt := range []struct {
		facts []Fact
		error string
	}{
		{nil, ""},
		{[]Fact{fact("origin.parents.scores", scores.Hash()), fact("origin.model", "RN50"), fact("origin.svd.top_k_pca", 50)}, ""},
		{[]Fact{fact("origin.weights_sha256", ""), fact("origin.images.sample_stride", "")}, ""},
		{[]Fact{fact("origin.parents.scores", a.Hash())}, "made with scores " + scores.Hash()[:12] + "; this run uses " + a.Hash()[:12]},
		{[]Fact{fact("origin.mode", "n"), fact("origin.model", "RN101")}, "made with model RN50; this run uses RN101; also differing: mode"},
		{[]Fact{fact("shape", []int{2, 3, 5})}, "made with shape [2,3,4]; this run uses [2,3,5]"},
		{[]Fact{fact("origin.svd.top_k_pca", 20)}, "made with top k pca 50; this run uses 20"},
		{[]Fact{fact("origin.model", "")}, "made with model RN50; this run uses none"},
		{[]Fact{fact("origin.precision", "bf16")}, "made without precision; this run uses bf16"},
		{[]Fact{{"origin.precision", "bf16", true}}, ""},
		{[]Fact{{"origin.model", "RN101", true}}, "made with model RN50; this run uses RN101"},
	} {
		err := a.Expect(nil, tt.facts...)
		if tt.error == "" && err != nil || tt.error != "" && (!errors.Is(err, ErrStale) || !strings.HasSuffix(err.Error(), tt.error)) {
			t.Errorf("got %v, want %q", err, tt.error)
		}
	}
	var asked *MismatchError
	tolerant := func(e *MismatchError) error { asked = e; return nil }
	if err := a.Expect(tolerant, fact("origin.model", "RN101")); err != nil || asked == nil {
		t.Errorf("a mismatch that is tolerated: %v, asked about %v", err, asked)
	}

	other := m.Origin
	other.SVD = nil
	if err := a.IsOf("directions", m.Origin); err != nil {
		t.Error(err)
	}
	for _, tt := range []struct {
		kind   string
		origin origin.Origin
		want   string
	}{
		{"means", m.Origin, "made with kind directions; this run uses means"},
		{"directions", other, "made with pc idx 0; this run uses none; also differing: top k pca"},
		{"directions", origin.Origin{Model: "RN50", SVD: m.Origin.SVD}, "this run uses none"},
	} {
		if err := a.IsOf(tt.kind, tt.origin); !errors.Is(err, ErrStale) || !strings.HasSuffix(err.Error(), tt.want) {
			t.Errorf("got %v, want %q", err, tt.want)
		}
	}

	bare := filepath.Join(dir, "bare.dat")
	if err := os.WriteFile(bare, []byte("1234"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(bare); !errors.Is(err, ErrNoManifest) || errors.Is(err, ErrMissing) {
		t.Errorf("a file without manifest: %v", err)
	}
	for _, none := range []string{filepath.Join(dir, "none"), t.TempDir()} {
		if _, err := Open(none); !errors.Is(err, ErrMissing) {
			t.Errorf("%s: %v, want %v", none, err, ErrMissing)
		}
	}
}

func TestManifestVersions(t *testing.T) {
	m := Manifest{Format: Format, Version: Version, Kind: "means", Shape: []int{1}, Payloads: []Payload{{Bytes: 4, SHA256: strings.Repeat("0", 64)}}}
	m, err := m.sealed()
	if err != nil {
		t.Fatal(err)
	}
	good, err := m.encode()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, old, new, want string }{
		{"good", "", "", ""},
		{"newer", `"version": 3`, `"version": 4`, "unsupported version 4, want 1 to 3"},
		{"newer, with new fields", `"version": 3`, `"version": 4, "colour": 3`, "unsupported version 4"},
		{"older", `"version": 3`, `"version": 0`, "unsupported version 0"},
		{"other format", `"clipnh"`, `"else"`, `format "else"`},
		{"unknown field", `"version": 3`, `"version": 3, "colour": 3`, "unknown field"},
		{"other kind", `"means"`, `"norms"`, "the manifest's CRC-32C is not the one in it"},
		{"path out of the folder", `"bytes": 4`, `"file": "../x", "bytes": 4`, "bad file name"},
		{"no checksum", strings.Repeat("0", 64), "00", "bad sha256"},
		{"negative size", `"bytes": 4`, `"bytes": -4`, "negative size"},
		{"not JSON", "{", "[", "invalid character"},
	} {
		data := []byte(strings.Replace(string(good), tt.old, tt.new, 1))
		_, err := decodeManifest(data)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
		if strings.Contains(tt.want, "version") && (!errors.Is(err, ErrVersion) || adviceOf(err) == "") {
			t.Errorf("%s: %v is not %v with a hint", tt.name, err, ErrVersion)
		}
	}
	if _, err := decodeManifest(append(good, "{}"...)); err == nil {
		t.Error("read a manifest with text after it")
	}
}

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out.txt")
	stop := errors.New("stop")
	fail := func(w io.Writer) error {
		io.WriteString(w, "half")
		return stop
	}
	if err := WriteFile(path, fail); !errors.Is(err, stop) || len(files(t, dir)) != 0 {
		t.Errorf("%v, files %q", err, files(t, dir))
	}
	if err := WriteFile(path, text("one")); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(path, fail); !errors.Is(err, stop) || files(t, dir)["out.txt"] != "one" || len(files(t, dir)) != 1 {
		t.Errorf("%v, files %q", err, files(t, dir))
	}
	// While one writer runs, others are refused.
	err := WriteFile(path, func(io.Writer) error {
		if err := WriteFile(path, text("two")); !errors.Is(err, ErrLocked) {
			t.Errorf("a second writer: %v, want %v", err, ErrLocked)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(filepath.Join(dir, "none", "out.txt"), text("x")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in a folder that is not there: %v", err)
	}
	if err := WriteFile(dir, text("x")); err == nil {
		t.Error("wrote over a folder")
	}
}

func TestFree(t *testing.T) {
	dir := t.TempDir()
	a, err := Free(dir)
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip(err)
	}
	if err != nil || a == 0 {
		t.Fatalf("%d bytes free: %v", a, err)
	}
	if b, err := Free(filepath.Join(dir, "not", "yet")); err != nil || b == 0 {
		t.Errorf("below a folder that is not there: %d bytes, %v", b, err)
	}
}

func TestListHash(t *testing.T) {
	if ListHash([]string{"ab", "c"}) == ListHash([]string{"a", "bc"}) || ListHash(nil) == ListHash([]string{""}) {
		t.Error("different lists have one hash")
	}
}
