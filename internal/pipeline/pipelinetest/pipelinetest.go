// Package pipelinetest has what tests of several stages share: the golden model,
// images and artefacts.
package pipelinetest

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/testutil"
	"github.com/clipnh/clipnh/internal/textlist"
	"github.com/clipnh/clipnh/internal/ui"
)

// WriteNPY writes a .npy file of another program, without a manifest, and returns its path.
func WriteNPY(t testing.TB, shape []int, data []float32) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "array.npy")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(npy.WriteFloat32(f, shape, data), f.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

// ReadNPY reads a whole .npy file and its shape.
func ReadNPY(t testing.TB, path string) ([]float32, []int) {
	t.Helper()
	data, shape, err := npy.ReadFloat32(path)
	if err != nil {
		t.Fatal(err)
	}
	return data, shape
}

// Spoiled is a folder of the golden images of which two cannot be read.
func Spoiled(t *testing.T) string {
	dir := t.TempDir()
	files, err := filepath.Glob(filepath.Join(testutil.Golden("dataset"), "*.png"))
	if err != nil || len(files) != 48 {
		t.Fatal(files, err)
	}
	for i, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		switch i {
		case 3:
			data = data[:len(data)/2]
		case 40:
			data = []byte("not an image")
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(path)), data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// Rounding is the goldens' tolerance for what goes through a tower.
const Rounding = 1e-4

// Silent is a ui.Reporter that nobody watches.
func Silent() ui.Reporter { return ui.NewPrinter(io.Discard, io.Discard, time.Now) }

// Heard is a ui.Reporter whose messages can be read.
func Heard() (ui.Reporter, *strings.Builder) {
	var b strings.Builder
	return ui.NewPrinter(io.Discard, &b, time.Now), &b
}

// ReadGolden reads a golden .npy file and its shape.
func ReadGolden(t testing.TB, name string) ([]float32, []int) {
	t.Helper()
	data, shape, err := npy.ReadFloat32(testutil.Golden(name))
	if err != nil {
		t.Fatal(err)
	}
	return data, shape
}

// GoldenJSON decodes a golden JSON file into v.
func GoldenJSON(t testing.TB, name string, v any) {
	t.Helper()
	data, err := os.ReadFile(testutil.Golden(name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, v); err != nil {
		t.Fatal(err)
	}
}

// TinyModel is the path of the golden checkpoint.
func TinyModel() string { return testutil.Golden("model/tiny_jit.pt") }

// GoldenNames are the golden images in name order.
func GoldenNames(t testing.TB) []string {
	t.Helper()
	entries, err := os.ReadDir(testutil.Golden("dataset"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// LabelledNames are the golden images as items of a data set that has a folder
// for each class, in the order of the goldens, and their labels.
func LabelledNames(t testing.TB) ([]dataset.Item, []int) {
	t.Helper()
	a, err := npy.ReadFile(testutil.Golden("labels.npy"))
	if err != nil {
		t.Fatal(err)
	}
	labels, err := a.Int64()
	if err != nil {
		t.Fatal(err)
	}
	var items []dataset.Item
	var ints []int
	for i, name := range GoldenNames(t) {
		items = append(items, dataset.Item{Name: fmt.Sprintf("c%d/%s", labels[i], name)})
		ints = append(ints, int(labels[i]))
	}
	return items, ints
}

// LabelledFolder lays the golden images out by class.
func LabelledFolder(t testing.TB) dataset.Options {
	t.Helper()
	dir := t.TempDir()
	items, _ := LabelledNames(t)
	for _, item := range items {
		path := filepath.Join(dir, "val", filepath.FromSlash(item.Name))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(testutil.Golden("dataset/" + filepath.Base(path)))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	var classes strings.Builder
	for c := range 10 {
		fmt.Fprintf(&classes, "c%d\tclass %d\n", c, c)
	}
	if err := os.WriteFile(filepath.Join(dir, "classes.txt"), []byte(classes.String()), 0o666); err != nil {
		t.Fatal(err)
	}
	return dataset.Options{Kind: dataset.ImageNetVal, Path: dir}
}

// Interrupting is a ui.Reporter that cancels a context when so many units of the
// first task are done.
type Interrupting struct {
	ui.Reporter
	After  int64
	Cancel context.CancelFunc
}

func (r *Interrupting) Progress() ui.Progress { return r }

func (r *Interrupting) Start(int64, ui.Unit, string) {}

func (r *Interrupting) Done() {}

func (r *Interrupting) Add(n int64) {
	if r.After -= n; r.After <= 0 {
		r.Cancel()
	}
}

func tinyOV(t testing.TB) *decomp.OV {
	t.Helper()
	ck, err := clip.OpenWith(TinyModel(), clip.Details{})
	if err != nil {
		t.Fatal(err)
	}
	defer ck.Close()
	ov, err := ck.OV()
	if err != nil {
		t.Fatal(err)
	}
	return ov
}

// GoldenScores writes the golden scores as a folder, as collect would.
func GoldenScores(t testing.TB) string {
	t.Helper()
	s, _ := ReadGolden(t, "s.npy")
	return ScoresFolder(t, s, origin.Origin{})
}

// ScoresFolder writes scores of the golden images and model as a folder.
func ScoresFolder(t testing.TB, s []float32, origin origin.Origin) string {
	t.Helper()
	_, shape := ReadGolden(t, "s.npy")
	items, _ := LabelledNames(t)
	items = items[:len(s)/(shape[1]*shape[2])]
	names := make([]string, len(items))
	for i, item := range items {
		names[i] = item.Name
	}
	return ScoresOf(t, tinyOV(t), names, s, origin)
}

// ScoresOf writes scores [B,H,C] of some images and an OV as a folder.
func ScoresOf(t testing.TB, ov *decomp.OV, names []string, s []float32, origin origin.Origin) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "scores")
	w, err := new(cache.Store).OpenChunks(path, cache.Plan{
		Kind: artefact.KindScores, Axes: []string{"B", "H", "C"}, Row: []int{ov.Heads, ov.Neurons}, DType: npy.Float32, Origin: origin,
		Inputs: len(names), ChunkInputs: len(names), Payload: artefact.ScoresFile,
	}, false)
	if err != nil {
		t.Fatal(err)
	}
	list := func(to io.Writer) error {
		_, err := io.WriteString(to, strings.Join(names, "\n")+"\n")
		return err
	}
	if err := errors.Join(w.Append(s, nil), artefact.AddOV(w, ov, false, par.NewTeam(1)), w.AddFile(artefact.ImagesFile, list)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Finish(); err != nil {
		t.Fatal(err)
	}
	return path
}

// GoldenDense writes the golden contributions out: s·v + b in float64, as
// float32 without header. Neurons sums them over heads.
func GoldenDense(t testing.TB, neurons bool) (path string, shape []int) {
	t.Helper()
	s, ss := ReadGolden(t, "s.npy")
	v, vs := ReadGolden(t, "v.npy")
	b, _ := ReadGolden(t, "b.npy")
	B, H, C, O := ss[0], ss[1], ss[2], vs[2]
	var data []float32
	for i := range B {
		sum := make([]float64, C*O)
		for h := range H {
			for n := range C {
				for o := range O {
					r := float64(s[(i*H+h)*C+n])*float64(v[(h*C+n)*O+o]) + float64(b[h*O+o])
					if !neurons {
						data = append(data, float32(r))
					}
					sum[n*O+o] += r
				}
			}
		}
		if neurons {
			for _, r := range sum {
				data = append(data, float32(r))
			}
		}
	}
	path, shape = filepath.Join(t.TempDir(), "reprs.dat"), []int{B, H, C, O}
	if neurons {
		shape = []int{B, C, O}
	}
	raw := make([]byte, 0, 4*len(data))
	for _, x := range data {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(x))
	}
	if err := os.WriteFile(path, raw, 0o666); err != nil {
		t.Fatal(err)
	}
	return path, shape
}

// GoldenBools reads a golden .npy file of bools.
func GoldenBools(t testing.TB, name string) []bool {
	t.Helper()
	a, err := npy.ReadFile(testutil.Golden(name))
	if err != nil {
		t.Fatal(err)
	}
	b, err := a.Bool()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Templates returns the templates of a list.
func Templates(t testing.TB, path string) []textlist.Template {
	t.Helper()
	list, err := textlist.ReadList(path)
	if err != nil {
		t.Fatal(err)
	}
	templates, err := textlist.ParseTemplates(list.Texts)
	if err != nil {
		t.Fatal(err)
	}
	return templates
}
