package collect

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/testutil"
)

// halfRounding is that of values of one size as float16.
const halfRounding = 1.0 / (1 << 11)

// goldenParts are the golden parts of a mode, [B,...,O]; published, those of features as unit
// vectors.
func goldenParts(t *testing.T, mode string, published bool) ([]float32, []int) {
	t.Helper()
	files := map[string]string{ModeHeads: "first_heads", ModeMLPs: "first_mlps", ModeTokens: "first_tokens", ModeClass: "first_tokens"}
	parts, shape := readGoldenViT(t, files[mode])
	if mode == ModeClass { // the first of T tokens, summed over heads
		B, L, T, H, O := shape[0], shape[1], shape[2], shape[3], shape[4]
		class := make([]float32, B*L*O)
		for i := range class {
			for h := range H {
				class[i] += parts[(i/O*T*H+h)*O+i%O]
			}
		}
		parts, shape = class, []int{B, L, O}
	}
	if published {
		features, of := readGoldenViT(t, "feature")
		each, O := len(parts)/of[0], of[1]
		for i := range parts {
			b := i / each
			parts[i] = float32(float64(parts[i]) / decomp.Norm(features[b*O:(b+1)*O]))
		}
	}
	return parts, shape
}

// TestCollectPublished compares every mode of parts, as they are and in the published form, in
// a file, in a folder and as float16, with the goldens, and repairs the published form.
func TestCollectPublished(t *testing.T) {
	for _, mode := range []string{ModeHeads, ModeMLPs, ModeTokens, ModeClass} {
		for _, published := range []bool{false, true} {
			want, shape := goldenParts(t, mode, published)
			for _, half := range []bool{false, true} {
				o := goldenViT(t, mode, "parts")
				o.Published, o.WrittenOut, o.DType = published, true, npy.Float32
				if half {
					o.DType = npy.Float16
				}
				run(t, o)
				a, err := cache.Open(o.SavePath)
				if err != nil {
					t.Fatal(err)
				}
				path, err := a.Payload("")
				if err != nil {
					t.Fatal(err)
				}
				tolerance := pipelinetest.Rounding
				if half {
					tolerance = halfRounding
				}
				got, gotShape := pipelinetest.ReadNPY(t, path)
				if err := testutil.Far(got, want, tolerance); err != nil || !slices.Equal(gotShape, shape) {
					t.Errorf("%s, published %v, float16 %v: %v %v", mode, published, half, gotShape, err)
				}
				repairs(t, path, o.SavePath, RepairOptions{Model: testutil.GoldenViT("vit_sd32.pt"), DataPath: testutil.GoldenViT("images"), BatchSize: 2, Threads: 1})
				if half {
					continue
				}
				o.SavePath = filepath.Join(t.TempDir(), "attn.npy")
				run(t, o)
				dense, denseShape := pipelinetest.ReadNPY(t, o.SavePath)
				if !slices.Equal(dense, got) || !slices.Equal(denseShape, shape) {
					t.Errorf("%s, published %v: a file has other values than a folder", mode, published)
				}
			}
		}
	}
}

// TestCollectForms refuses to resume one form as the other, and the published form of what
// has none.
func TestCollectForms(t *testing.T) {
	o := goldenViT(t, ModeHeads, "heads")
	run(t, o)
	o.Published = true
	if _, err := Run(t.Context(), o, pipelinetest.Silent()); !errors.Is(err, cache.ErrStale) {
		t.Errorf("another form: %v", err)
	}
	for name, change := range map[string]func(*Options){
		"features":        func(o *Options) { o.Mode = ModeFeatures },
		"a ResNet's head": func(o *Options) { *o = goldenImages(t, "heads"); o.Mode = ModeHeads },
	} {
		o := goldenViT(t, ModeHeads, "refused")
		change(&o)
		o.Published = true
		_, err := Run(t.Context(), o, pipelinetest.Silent())
		if bad := testutil.Line(err, "{form} published is for the parts of a vision transformer's features, {mode} heads, mlps, tokens or cls_attn, and for its neurons, {mode} neurons+heads or neurons"); bad != nil {
			t.Errorf("%s: %v", name, bad)
		}
	}
}
