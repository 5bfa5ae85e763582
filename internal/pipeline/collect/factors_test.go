package collect

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/testutil"
)

// expand multiplies the factors of a folder with its matrices, and returns the parts.
func expand(t *testing.T, folder string) ([]float32, []int) {
	t.Helper()
	factors, shape := pipelinetest.ReadNPY(t, filepath.Join(folder, artefact.FactorsFile))
	matrices, of := pipelinetest.ReadNPY(t, filepath.Join(folder, artefact.MatricesFile))
	f := decomp.Factors{Heads: of[0] * of[1], Width: of[2], OutDim: of[3], Matrices: matrices}
	n := len(shape)
	if shape[1] != of[0] || shape[n-2] != of[1] || shape[n-1] != of[2] {
		t.Fatalf("factors %v and matrices %v", shape, of)
	}
	places := artefact.Product(shape[2 : n-2])
	rows := places * of[1] // of a layer
	parts := make([]float32, shape[0]*shape[1]*rows*of[3])
	for i := range shape[0] * shape[1] {
		f.Expand(parts[i*rows*of[3]:(i+1)*rows*of[3]], factors[i*rows*of[2]:(i+1)*rows*of[2]], places, i%of[0]*of[1], of[1], par.Team{})
	}
	return parts, append(shape[:n-1:n-1], of[3])
}

// TestCollectFactors holds that factors times matrices are the goldens of both activations, as
// float16, which is what is kept where nothing else is asked for, and as float32.
func TestCollectFactors(t *testing.T) {
	for _, activation := range clip.Activations() {
		for mode, golden := range map[string]string{ModeHeads: "first_heads", ModeTokens: "first_tokens"} {
			want, shape, err := npy.ReadFloat32(testutil.GoldenViT(activation + "/" + golden + ".npy"))
			if err != nil {
				t.Fatal(err)
			}
			for dtype, within := range map[npy.DType]float64{{}: 1e-3, npy.Float32: 1e-5} {
				o := goldenViT(t, mode, "parts")
				o.Details.Activation, o.DType = activation, dtype
				result := run(t, o)
				if result.Kind != mode || !result.Factors {
					t.Errorf("%s: %+v", mode, result)
				}
				if half := dtype != npy.Float32; half != (result.Loss != nil) || half && (result.Loss.Parts == 0 || result.Loss.Parts > within || result.Loss.Images != shape[0]) {
					t.Errorf("%s of %v: loss %v", mode, dtype, result.Loss)
				}
				got, gotShape := expand(t, o.SavePath)
				if err := testutil.Far(got, want, within); err != nil || !slices.Equal(gotShape, shape) {
					t.Errorf("%v %s of %v: %v %v", activation, mode, dtype, gotShape, err)
				}
				repair := RepairOptions{Model: testutil.GoldenViT("vit_sd32.pt"), DataPath: testutil.GoldenViT("images"), BatchSize: 2, Threads: 1}
				repairs(t, filepath.Join(o.SavePath, artefact.FactorsFile), o.SavePath, repair)
				repairs(t, filepath.Join(o.SavePath, artefact.MatricesFile), o.SavePath, repair)
			}
		}
	}
}

// TestReadFactoredHeads reads heads that are kept as factors as what they stand for, all of an
// image and some.
func TestReadFactoredHeads(t *testing.T) {
	o := goldenViT(t, ModeHeads, "heads")
	run(t, o)
	p, err := (artefact.Reader{}).Parts(o.SavePath, nil, artefact.KindHeads)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	want, shape := readGoldenViT(t, "first_heads")
	if !slices.Equal(p.Shape, shape) || p.Kind != artefact.KindHeads || !p.Half() {
		t.Fatalf("%s %v", p.Kind, p.Shape)
	}
	each := p.Each()
	got := make([]float32, len(want))
	if err := p.Read(got, 0, shape[0], 0, each); err != nil {
		t.Fatal(err)
	}
	if err := testutil.Far(got, want, 1e-3); err != nil {
		t.Error(err)
	}
	for _, cut := range [][2]int{{0, 1}, {shape[3], 3 * shape[3]}, {shape[3] - 1, 4*shape[3] + 2}, {each - 1, each}} {
		width := cut[1] - cut[0]
		some := make([]float32, 3*width)
		if err := p.Read(some, 2, 3, cut[0], cut[1]); err != nil {
			t.Fatal(err)
		}
		for b := range 3 {
			if !slices.Equal(some[b*width:(b+1)*width], got[(2+b)*each+cut[0]:(2+b)*each+cut[1]]) {
				t.Errorf("numbers %v of image %d are others than in all", cut, 2+b)
			}
		}
	}

	// Along a vector, of the factors alone.
	vector, random := make([]float32, shape[3]), rand.New(rand.NewPCG(1, 2))
	for i := range vector {
		vector[i] = float32(random.NormFloat64())
	}
	along, products := make([]float32, shape[0]*each/shape[3]), make([]float32, shape[0]*each/shape[3])
	if err := p.Along(vector).Read(along, shape[0], 0, shape[0], new(artefact.AlongBuffer)); err != nil {
		t.Fatal(err)
	}
	for i := range products {
		image, head := i%shape[0], i/shape[0]
		products[i] = kernel.Dot(got[image*each+head*shape[3]:][:shape[3]], vector)
	}
	if err := testutil.Far(along, products, 1e-5); err != nil {
		t.Errorf("along a vector: %v", err)
	}
}

// TestCollectFactorsResumes holds that a run which was interrupted goes on to the same bytes.
func TestCollectFactorsResumes(t *testing.T) {
	images := manyImages(t)
	for _, mode := range []string{ModeHeads, ModeTokens, ModeMLPs} {
		whole := goldenViT(t, mode, "whole")
		whole.Data.Path = images
		run(t, whole)
		o := goldenViT(t, mode, "begun")
		o.Data.Path = images
		interruptedRun(t, func(ctx context.Context, say *pipelinetest.Interrupting) error {
			_, err := Run(ctx, o, say)
			return err
		}, 5)
		if result := run(t, o); result.Complete || result.Images != ChunkImages+2 {
			t.Errorf("%s: %+v", mode, result)
		}
		sameFolder(t, o.SavePath, whole.SavePath)
	}
}

// sameFolder holds that two folders have the same files.
func sameFolder(t *testing.T, a, b string) {
	t.Helper()
	files, err := os.ReadDir(b)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		of, err := os.ReadFile(filepath.Join(a, f.Name()))
		want, failed := os.ReadFile(filepath.Join(b, f.Name()))
		if err := errors.Join(err, failed); err != nil || !bytes.Equal(of, want) {
			t.Errorf("%s of %s differs from that of %s, %v", f.Name(), a, b, err)
		}
	}
}

// TestCollectAsBegun holds that folders as older builds began them are taken up as they are,
// unless another type is asked for.
func TestCollectAsBegun(t *testing.T) {
	kinds := map[string]string{ModeHeads: artefact.KindHeads, ModeTokens: artefact.KindTokens, ModeMLPs: artefact.KindMLPs, ModeClass: artefact.KindClassParts}
	for mode, kind := range kinds {
		old := goldenViT(t, mode, "parts")
		old.WrittenOut, old.DType = true, npy.Float32
		run(t, old)
		o := old
		o.WrittenOut, o.DType = false, npy.DType{}
		if again := run(t, o); !again.Complete || again.Kind != kind || again.Factors {
			t.Errorf("%s: %+v", mode, again)
		}
		o.DType = npy.Float16
		if _, err := Run(t.Context(), o, pipelinetest.Silent()); !errors.Is(err, cache.ErrStale) {
			t.Errorf("%s as float16: %v", mode, err)
		}
		o.DType, o.Restart = npy.DType{}, true
		a := run(t, o)
		if factored := mode == ModeHeads || mode == ModeTokens; factored != a.Factors || a.Kind != kind || a.Complete {
			t.Errorf("%s, started over: %+v", mode, a)
		}
	}
}

// TestCollectOldFolder reads heads that a build before there were factors wrote, and finds them
// complete.
func TestCollectOldFolder(t *testing.T) {
	o := goldenViT(t, ModeHeads, "heads")
	if err := os.CopyFS(o.SavePath, os.DirFS("testdata/dense-heads")); err != nil {
		t.Fatal(err)
	}
	p, err := (artefact.Reader{}).Parts(o.SavePath, nil, artefact.KindHeads)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	want, shape := readGoldenViT(t, "first_heads")
	got := make([]float32, len(want))
	if err := p.Read(got, 0, shape[0], 0, p.Each()); err != nil {
		t.Fatal(err)
	}
	if err := testutil.Far(got, want, pipelinetest.Rounding); err != nil || !slices.Equal(p.Shape, shape) || p.Half() {
		t.Errorf("%v: %v", p.Shape, err)
	}
	o.Images.MaxPixels = imageprep.DefaultMaxPixels // which is in its manifest
	if again := run(t, o); !again.Complete || again.Factors || !slices.Equal(again.Shape, shape) {
		t.Errorf("again: %+v", again)
	}
}
