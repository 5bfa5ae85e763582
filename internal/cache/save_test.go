package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/origin"
)

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
		if _, err := new(Store).OpenChunks(j.path, j.plan, false); !errors.Is(err, ErrDamaged) || !isIncomplete(err, j.path) {
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
	hash, err := new(Store).Save(path, m, func(w io.Writer) error { return npy.WriteFloat32(w, m.Shape, make([]float32, 24)) })
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
	again, err := new(Store).Save(filepath.Join(dir, "other.npy"), m, func(w io.Writer) error { return npy.WriteFloat32(w, m.Shape, make([]float32, 24)) })
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
		{[]Fact{fact("origin.parents.scores", a.Hash())}, "made with other scores than this run uses"},
		{[]Fact{fact("origin.mode", "n"), fact("origin.model", "RN101")}, "made with model RN50; this run uses RN101; also differing: mode"},
		{[]Fact{fact("shape", []int{2, 3, 5})}, "made with shape [2,3,4]; this run uses [2,3,5]"},
		{[]Fact{fact("origin.svd.top_k_pca", 20)}, "made with top k pca 50; this run uses 20"},
		{[]Fact{fact("origin.model", "")}, "made with model RN50; this run uses none"},
		{[]Fact{fact("origin.precision", "bf16")}, "made without precision; this run uses bf16"},
		{[]Fact{{Field: "origin.precision", Want: "bf16", OrUnknown: true}}, ""},
		{[]Fact{{Field: "origin.model", Want: "RN101", OrUnknown: true}}, "made with model RN50; this run uses RN101"},
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
		{"newer", `"version": 4`, `"version": 5`, "unsupported version 5, want 1 to 4"},
		{"newer, with new fields", `"version": 4`, `"version": 5, "colour": 3`, "unsupported version 5"},
		{"older", `"version": 4`, `"version": 0`, "unsupported version 0"},
		{"other format", `"clipnh"`, `"else"`, `format "else"`},
		{"unknown field", `"version": 4`, `"version": 4, "colour": 3`, "unknown field"},
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
	if err := new(Store).WriteFile(path, fail); !errors.Is(err, stop) || len(files(t, dir)) != 0 {
		t.Errorf("%v, files %q", err, files(t, dir))
	}
	if err := new(Store).WriteFile(path, text("one")); err != nil {
		t.Fatal(err)
	}
	if err := new(Store).WriteFile(path, fail); !errors.Is(err, stop) || files(t, dir)["out.txt"] != "one" || len(files(t, dir)) != 1 {
		t.Errorf("%v, files %q", err, files(t, dir))
	}
	// While one writer runs, others are refused.
	err := new(Store).WriteFile(path, func(io.Writer) error {
		if err := new(Store).WriteFile(path, text("two")); !errors.Is(err, ErrLocked) {
			t.Errorf("a second writer: %v, want %v", err, ErrLocked)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := new(Store).WriteFile(filepath.Join(dir, "none", "out.txt"), text("x")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in a folder that is not there: %v", err)
	}
	if err := new(Store).WriteFile(dir, text("x")); err == nil {
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

// isIncomplete reports whether an error says of the artefact at path what its manifest is, by
// which commands advise how to repair it.
func isIncomplete(err error, path string) bool {
	var cut *IncompleteError
	return errors.As(err, &cut) && cut.Path == path && cut.Manifest.Kind != "" && adviceOf(err) == ""
}

// TestSmallFilesShareBuffers: many small files, as those of a report, do not take a block of
// memory each.
func TestSmallFilesShareBuffers(t *testing.T) {
	const files = 64
	s, dir := new(Store), t.TempDir()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for i := range files {
		err := s.WriteFile(filepath.Join(dir, fmt.Sprint(i)), func(w io.Writer) error {
			_, err := fmt.Fprint(w, i)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > files*blockSize/2 {
		t.Errorf("%d files took %d bytes", files, took)
	}
	for i := range files {
		if got, err := os.ReadFile(filepath.Join(dir, fmt.Sprint(i))); err != nil || string(got) != fmt.Sprint(i) {
			t.Errorf("file %d has %q (%v)", i, got, err)
		}
	}
}
