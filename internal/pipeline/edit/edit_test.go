package edit

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/ptfile"
	"github.com/clipnh/clipnh/internal/testutil"
	"github.com/clipnh/clipnh/internal/unit"
)

// exact is what float32 leaves of features, relative to the largest; half what rounding
// scaled weights to half precision does, which removing does not.
const (
	exact = 1e-5
	half  = 2e-3
)

// tinyShape are the pairs of the golden model.
var tinyShape = unit.Shape{4, 256}

// golden is an edit of testdata/goldens.py.
type golden struct {
	Name  string
	Units map[string]float64
	By    string
}

// options are those of the golden edit.
func (g golden) options(model, save, scores string) Options {
	o := Options{Model: model, SavePath: save, Threads: 2, By: g.By}
	if g.By == ByMean {
		o.ScoresPath = scores
	}
	if g.Units == nil {
		o.MaskPath = testutil.Golden("mask_nh.npy")
	}
	for name, factor := range g.Units {
		if factor == 0 {
			o.Remove = append(o.Remove, name)
		} else {
			o.Scale = append(o.Scale, Scaled{name, factor})
		}
	}
	return o
}

func goldens(t testing.TB) (edits []golden, features []float32) {
	t.Helper()
	data, err := os.ReadFile("testdata/edits.json")
	if err == nil {
		err = json.Unmarshal(data, &edits)
	}
	if err != nil {
		t.Fatal(err)
	}
	features, _ = pipelinetest.ReadNPY(t, "testdata/features.npy")
	return edits, features
}

// models are the golden model in every form that is read, but for bf16's, whose weights are
// others.
func models(t testing.TB) map[string]string {
	all := map[string]string{}
	for _, name := range []string{"tiny_sd_fp32.pt", "tiny_sd_fp16.pt", "tiny_sd_mixed.pt", "tiny_legacy.pt", "tiny_openclip.pt", "tiny_jit.pt"} {
		all[name] = testutil.Golden("model/" + name)
	}
	all["safetensors"] = pipelinetest.Renamed(t, func(name string) []string { return []string{"visual_encoder." + name} })
	all["shards"] = shards(t)
	return all
}

// shards writes the golden model as two files of tensors and their index.
func shards(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	f := openFile(t, testutil.Golden("model/tiny_sd_fp32.pt"))
	where, parts := map[string]string{}, [2][]ptfile.Entry{}
	for i, tensor := range f.Tensors() {
		where[tensor.Name] = fmt.Sprintf("model-%05d-of-00002.safetensors", 1+i%2)
		parts[i%2] = append(parts[i%2], ptfile.Entry{
			Keys: []string{tensor.Name}, DType: tensor.DType, Shape: tensor.Shape, Write: func(w io.Writer) error { return f.Copy(w, tensor) },
		})
	}
	for i, entries := range parts {
		var b bytes.Buffer
		if err := ptfile.WriteSafetensors(&b, entries); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, fmt.Sprintf("model-%05d-of-00002.safetensors", 1+i)), b.Bytes())
	}
	index, err := json.Marshal(map[string]any{"weight_map": where})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "model.safetensors.index.json")
	write(t, path, index)
	return path
}

func write(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o666); err != nil {
		t.Fatal(err)
	}
}

func openFile(t testing.TB, path string) *ptfile.File {
	t.Helper()
	f, err := ptfile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func run(t testing.TB, o Options) *Result {
	t.Helper()
	r, err := Run(context.Background(), o, pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// images are features [B,O] and scores [B,H,C] of the four preprocessed golden images.
type images struct {
	features, scores []float32
	ov               *decomp.OV
}

func look(t testing.TB, model string) images {
	t.Helper()
	ck, err := clip.OpenWith(model, clip.Details{})
	if err != nil {
		t.Fatal(err)
	}
	defer ck.Close()
	tower, err := clip.NewResNetTower(ck, clip.ImageOptions{Batch: 4, Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	pixels, shape := pipelinetest.ReadGolden(t, "dataset_pre4.npy")
	c := tower.Config()
	seen := images{make([]float32, shape[0]*c.OutDim), make([]float32, shape[0]*c.Heads()*c.Neurons()), tower.OV()}
	if err := tower.Run(pixels, clip.Output{Features: seen.features, Scores: seen.scores}); err != nil {
		t.Fatal(err)
	}
	return seen
}

// far compares features, relative to the largest.
func far(t testing.TB, name string, got, want []float32, tolerance float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d numbers, want %d", name, len(got), len(want))
	}
	largest, worst := 0.0, 0.0
	for i, w := range want {
		largest = max(largest, math.Abs(float64(w)))
		worst = max(worst, math.Abs(float64(got[i])-float64(w)))
	}
	if !(worst <= tolerance*largest) {
		t.Errorf("%s: off by %.2g of the largest, want %.2g", name, worst/largest, tolerance)
	}
}

// TestGoldens edits the golden model in every form, writes it in both formats, and compares
// the features of the written checkpoints with those of PyTorch.
func TestGoldens(t *testing.T) {
	edits, want := goldens(t)
	scores := pipelinetest.GoldenScores(t)
	each := len(want) / len(edits)
	for name, model := range models(t) {
		for i, g := range edits {
			ends := []string{".pt", ".safetensors"}
			if i > 0 {
				ends = ends[i%2 : i%2+1] // both for one edit; the others take turns
			}
			for _, end := range ends {
				save := filepath.Join(t.TempDir(), "edited"+end)
				r := run(t, g.options(model, save, scores))
				tolerance := pipelinetest.Rounding
				if strings.HasPrefix(g.Name, "scale") && r.DType == "float16" {
					tolerance = half // a weight times 1.25 has more bits
				}
				far(t, fmt.Sprint(name, ", ", g.Name, end), look(t, save).features, want[i*each:(i+1)*each], tolerance)
			}
		}
	}
}

// TestAblation compares an edited checkpoint's features with those that decomp's ablation
// makes of the unedited model's scores, for masks of pairs and of neurons, by mean and by
// zero, in each precision.
func TestAblation(t *testing.T) {
	H, C := tinyShape[0], tinyShape[1]
	means, _ := pipelinetest.ReadGolden(t, "means_nh.npy")
	for _, name := range []string{"tiny_sd_fp32.pt", "tiny_sd_fp16.pt", "tiny_sd_bf16.pt"} {
		for _, mask := range []string{"mask_nh.npy", "mask_n.npy"} {
			for _, by := range []string{ByMean, ByZero} {
				if by == ByMean && strings.Contains(name, "bf16") {
					continue // the golden means are of other weights
				}
				model, save := testutil.Golden("model/"+name), filepath.Join(t.TempDir(), "edited.pt")
				o := Options{Model: model, SavePath: save, Threads: 2, By: by, MaskPath: testutil.Golden(mask)}
				if by == ByMean {
					o.MeansPath = testutil.Golden("means_nh.npy")
				}
				run(t, o)
				before, O := look(t, model), 32
				ablation := decomp.NewAblation(pipelinetest.GoldenBools(t, mask), O)
				rows := means
				if by == ByZero { // a score of zero leaves the share of the bias
					rows = nil
					for u := range H * C {
						rows = append(rows, before.ov.Bias[u/C*O:(u/C+1)*O]...)
					}
				}
				ablation.AddMeans(0, rows)
				want, n := make([]float32, 4*O), 4
				before.ov.AblatedFeatures(want, make([]float32, n*C), make([]float32, n*H*C), before.scores, n, ablation, par.NewTeam(2))
				far(t, fmt.Sprint(name, ", ", mask, " by ", by), look(t, save).features, want, exact)
			}
		}
	}
}

// contents are the tensors of a file with their bytes, in its order.
func contents(t testing.TB, path string) (names []string, tensors map[string]string) {
	t.Helper()
	f := openFile(t, path)
	tensors = map[string]string{}
	for _, tensor := range f.Tensors() {
		if !tensor.HasKeys() {
			continue
		}
		var b bytes.Buffer
		if err := f.Copy(&b, tensor); err != nil {
			t.Fatal(err)
		}
		names = append(names, tensor.Name)
		tensors[tensor.Name] = fmt.Sprint(tensor.DType, tensor.Shape, b.String())
	}
	return names, tensors
}

// TestUntouched holds that what is not edited keeps its name, place, type and bytes: all
// tensors where nothing changes, and all but two elsewhere.
func TestUntouched(t *testing.T) {
	scores := pipelinetest.GoldenScores(t)
	for name, model := range models(t) {
		for kind, changed := range map[string][]string{
			"nothing": nil, "by zero": {"attnpool.v_proj.weight"}, "by mean": {"attnpool.v_proj.weight", "attnpool.c_proj.bias"},
		} {
			for _, end := range []string{".pt", ".safetensors"} {
				save := filepath.Join(t.TempDir(), "edited"+end)
				o := Options{Model: model, SavePath: save, Threads: 2, By: ByZero, Scale: []Scaled{{"n3", 1}}}
				if kind != "nothing" {
					o.Remove = []string{"h1n70"}
				}
				if kind == "by mean" {
					o.By, o.ScoresPath = ByMean, scores
				}
				r := run(t, o)
				if (r.Columns == 0) != (kind == "nothing") {
					t.Errorf("%s, %s: %d columns changed", name, kind, r.Columns)
				}
				was, before := contents(t, model)
				is, after := contents(t, save)
				flat := func(name string) string { return name }
				if name == "tiny_openclip.pt" && end == ".safetensors" {
					flat = func(name string) string { return strings.TrimPrefix(name, "state_dict.") }
				}
				for i := range was {
					was[i] = flat(was[i])
				}
				if !slices.Equal(is, was) {
					t.Fatalf("%s as %s: names %q, want %q", name, end, is, was)
				}
				for tensor, bytes := range before {
					tensor = flat(tensor)
					edited := slices.ContainsFunc(changed, func(end string) bool { return strings.HasSuffix(tensor, end) })
					if (after[tensor] == bytes) == edited {
						t.Errorf("%s as %s, %s: %s: same bytes %v", name, end, kind, tensor, after[tensor] == bytes)
					}
				}
			}
		}
	}
}

// TestSameBytes holds that a checkpoint does not depend on the number of threads, nor on
// the folder.
func TestSameBytes(t *testing.T) {
	edits, _ := goldens(t)
	scores := pipelinetest.GoldenScores(t)
	var want []byte
	for _, threads := range []int{1, 2, 64} {
		o := edits[len(edits)-1].options(pipelinetest.TinyModel(), filepath.Join(t.TempDir(), "edited.pt"), scores)
		o.Threads = threads
		run(t, o)
		var all []byte
		for _, path := range []string{o.SavePath, o.SavePath + ".json"} {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, data...)
		}
		if want == nil {
			want = all
		}
		if !bytes.Equal(all, want) {
			t.Errorf("%d threads: other bytes", threads)
		}
	}
}
