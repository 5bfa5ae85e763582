package collect

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/testutil"
)

// goldenPublished are the golden values of an activation that are kept of each image, [B,...],
// each image's times 100 and over the norm of its feature.
func goldenPublished(t *testing.T, activation, name string) ([]float32, []int) {
	t.Helper()
	read := func(name string) ([]float32, []int) {
		data, shape, err := npy.ReadFloat32(testutil.GoldenViT(activation + "/" + name + ".npy"))
		if err != nil {
			t.Fatal(err)
		}
		return data, shape
	}
	values, shape := read(name)
	features, of := read("feature")
	each, O := len(values)/of[0], of[1]
	for i := range values {
		b := i / each
		values[i] = float32(100 * float64(values[i]) / decomp.Norm(features[b*O:(b+1)*O]))
	}
	return values, shape
}

// publishedOptions are those of goldenViT for the published form of pairs.
func publishedOptions(t testing.TB, mode, file string) Options {
	o, layer := goldenViT(t, mode, file), 2
	o.NeuronLayer, o.Published = &layer, true
	return o
}

// TestCollectPublishedPairs compares the published form with the goldens of both activations:
// the effects of neurons in a file, and in a folder the scores, directions and common vectors
// that they are the sum of; and repairs both.
func TestCollectPublishedPairs(t *testing.T) {
	for _, activation := range clip.Activations() {
		of := func(mode, file string) Options {
			o := publishedOptions(t, mode, file)
			o.Details.Activation = activation
			return o
		}
		repair := RepairOptions{Model: testutil.GoldenViT("vit_sd32.pt"), DataPath: testutil.GoldenViT("images"), BatchSize: 2, Threads: 1}
		want, shape := goldenPublished(t, activation, "second_published") // [B,N,O]
		B, N, O := shape[0], shape[1], shape[2]
		dense := of(ModeNeurons, "neurons.npy")
		result := run(t, dense)
		neurons, gotShape := pipelinetest.ReadNPY(t, dense.SavePath)
		if err := testutil.Far(neurons, want, pipelinetest.Rounding); err != nil || !slices.Equal(gotShape, shape) || result.Kind != artefact.KindDense {
			t.Errorf("%s: neurons: %s %v: %v", activation, result.Kind, gotShape, err)
		}
		repairs(t, dense.SavePath, dense.SavePath, repair)

		folder := of(ModeNeurons, "published")
		if result = run(t, folder); result.Kind != artefact.KindPublished {
			t.Errorf("%s: a folder of %s", activation, result.Kind)
		}
		a, err := cache.Open(folder.SavePath)
		if err != nil {
			t.Fatal(err)
		}
		p, err := artefact.PublishedOf(a)
		if err != nil {
			t.Fatal(err)
		}
		H := p.OV.Heads
		directions, _, err := npy.ReadFloat32(testutil.GoldenViT(activation + "/second_directions_published.npy"))
		if err != nil {
			t.Fatal(err)
		}
		if err := testutil.Far(p.OV.AllDirections(par.NewTeam(1)), directions, pipelinetest.Rounding); err != nil {
			t.Errorf("%s: directions: %v", activation, err)
		}
		scores, common, sums := make([]float32, B*H*N), make([]float32, B*H*O), make([]float32, B*O)
		for i := range B * H {
			if err := p.Read(scores[i*N:(i+1)*N], common[i*O:(i+1)*O], i/H, i%H, 0); err != nil {
				t.Fatal(err)
			}
		}
		for i, c := range common {
			sums[i/(H*O)*O+i%O] += c
		}
		for name, got := range map[string][]float32{"second_scores": scores, "second_common": sums} {
			want, _ := goldenPublished(t, activation, name)
			if err := testutil.Far(got, want, pipelinetest.Rounding); err != nil {
				t.Errorf("%s: %s: %v", activation, name, err)
			}
		}
		effects := make([]float32, len(want)) // of what the folder has
		for b := range B {
			decomp.PublishedNeuronContributions(effects[b*N*O:(b+1)*N*O], scores[b*H*N:(b+1)*H*N], p.OV.AllDirections(par.NewTeam(1)), common[b*H*O:(b+1)*H*O], H, par.NewTeam(1))
		}
		if err := testutil.Far(effects, want, pipelinetest.Rounding); err != nil {
			t.Errorf("%s: scores times directions plus the common vector: %v", activation, err)
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		repairs(t, filepath.Join(folder.SavePath, artefact.PublishedFile), folder.SavePath, repair)
		repairs(t, filepath.Join(folder.SavePath, artefact.OutFile), folder.SavePath, repair)

		pairs := of(ModePairs, "pairs.npy")
		run(t, pairs)
		all, pairsShape := pipelinetest.ReadNPY(t, pairs.SavePath) // [B,H,N,O]
		sum := make([]float32, len(want))
		for i, x := range all {
			sum[i/(H*N*O)*N*O+i%(N*O)] += x
		}
		if err := testutil.Far(sum, want, pipelinetest.Rounding); err != nil || !slices.Equal(pairsShape, []int{B, H, N, O}) {
			t.Errorf("%s: pairs %v: %v", activation, pairsShape, err)
		}

		mean := of(ModeNeurons, "mean.npy")
		mean.Mean = true
		run(t, mean)
		got, _ := pipelinetest.ReadNPY(t, mean.SavePath)
		means := make([]float32, N*O)
		for i := range want {
			means[i%(N*O)] += want[i] / float32(B)
		}
		if err := testutil.Far(got, means, pipelinetest.Rounding); err != nil {
			t.Errorf("%s: means: %v", activation, err)
		}
	}
}

// TestPublishedPairsSameBytes holds that threads and batches of several, and other layers that
// are collected in the same pass, leave the bytes of the published form alone.
func TestPublishedPairsSameBytes(t *testing.T) {
	for _, file := range []string{"neurons.npy", "published"} {
		var want []byte
		for _, threads := range []int{1, 3} {
			o := publishedOptions(t, ModeNeurons, file)
			o.Threads, o.BatchSize = threads, 2*threads
			run(t, o)
			path := o.SavePath
			if !artefact.IsDense(path) {
				path = filepath.Join(path, artefact.PublishedFile)
			}
			got, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if want == nil {
				want = got
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s: other bytes with %d threads", file, threads)
			}
		}
	}
}

// TestPublishedPairsHalf compares a folder of float16 with one of float32.
func TestPublishedPairsHalf(t *testing.T) {
	o := publishedOptions(t, ModePairs, "float32")
	run(t, o)
	want, shape := pipelinetest.ReadNPY(t, filepath.Join(o.SavePath, artefact.PublishedFile))
	o.SavePath, o.DType = filepath.Join(t.TempDir(), "float16"), npy.Float16
	run(t, o)
	got, gotShape := pipelinetest.ReadNPY(t, filepath.Join(o.SavePath, artefact.PublishedFile))
	if err := testutil.Far(got, want, halfRounding); err != nil || !slices.Equal(gotShape, shape) {
		t.Errorf("%v: %v", gotShape, err)
	}
}

// TestPublishedPairsForms refuses to resume one form as the other, to take the published form
// for scores, and what has no published form.
func TestPublishedPairsForms(t *testing.T) {
	o := publishedOptions(t, ModeNeurons, "neurons.npy")
	run(t, o)
	o.Published = false
	if _, err := Run(t.Context(), o, pipelinetest.Silent()); !errors.Is(err, cache.ErrStale) {
		t.Errorf("another form of a file: %v", err)
	}
	folder := publishedOptions(t, ModePairs, "published")
	run(t, folder)
	if again := run(t, folder); !again.Complete {
		t.Error("the published form is not complete when it is collected again")
	}
	if _, err := (artefact.Reader{}).Scores(folder.SavePath, nil); !errors.Is(err, cache.ErrStale) || testutil.Line(err, "it holds scores in the published form, want scores") != nil {
		t.Errorf("taken for scores: %v", err)
	}
	folder.Published = false
	if _, err := Run(t.Context(), folder, pipelinetest.Silent()); err == nil {
		t.Error("scores were collected where the published form is")
	}
	for name, test := range map[string]struct {
		change func(*Options)
		want   string
	}{
		"statistics": {func(o *Options) { o.StatsOnly, o.TopK = true, 3 }, "{stats-only} is of scores alone, to which {form} published adds what pairs share: want {form} own"},
		"a mean":     {func(o *Options) { o.Mean = true }, "{form} published and {mean} make mean contributions: want a path that ends in .npy or .dat"},
		"a ResNet":   {func(o *Options) { *o = goldenImages(t, "resnet"); o.Published = true }, "and for its neurons, {mode} neurons+heads or neurons"},
		"no layer":   {func(o *Options) { o.NeuronLayer = nil }, "want the layer whose neurons to look at"},
	} {
		o := publishedOptions(t, ModePairs, "refused")
		test.change(&o)
		_, err := Run(t.Context(), o, pipelinetest.Silent())
		if bad := testutil.Line(err, test.want); bad != nil {
			t.Errorf("%s: %v", name, bad)
		}
		if _, err := os.Stat(o.SavePath); err == nil {
			t.Errorf("%s: left %s", name, o.SavePath)
		}
	}
}
