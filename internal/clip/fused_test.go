package clip

import (
	"bytes"
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/ptfile"
	"github.com/clipnh/clipnh/internal/testutil"
)

// fused returns the golden image tower under timm's names, with one projection of queries,
// keys and values in its attention pool.
func fused(t *testing.T) (separate, all map[string]stored) {
	t.Helper()
	separate = map[string]stored{}
	for name, s := range goldenTensors(t) {
		if strings.HasPrefix(name, "visual.") {
			separate[fromOpenAI(name)] = s
		}
	}
	all = maps.Clone(separate)
	for _, part := range []string{"weight", "bias"} {
		one := stored{}
		for _, p := range []string{"head.q.", "head.k.", "head.v."} {
			s := all[p+part]
			one.shape = slices.Clone(s.shape)
			one.data = append(one.data, s.data...)
			delete(all, p+part)
		}
		one.shape[0] *= 3
		all["head.qkv."+part] = one
	}
	return separate, all
}

// TestFusedProjection holds that a pool with one projection of queries, keys and values is
// that with three: the hash of its tensors, and every intermediate, bit for bit.
func TestFusedProjection(t *testing.T) {
	separate, all := fused(t)
	images, shape := golden(t, "dataset_pre4.npy")
	run := func(all map[string]stored) (string, map[string][]float32) {
		ck := open(t, writeSafetensors(t, all))
		sum, err := ck.TensorsSHA256(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if err := ck.Verify(context.Background()); err != nil {
			t.Error(err)
		}
		tw := tower(t, ck, ImageOptions{Batch: 4, Threads: 1, AllAttention: true, TokenValues: true})
		c := tw.Config()
		B, H, T, C := shape[0], c.Heads(), c.Tokens(), c.Neurons()
		out := Output{
			Features: make([]float32, B*c.OutDim), Scores: make([]float32, B*H*C),
			Attention: make([]float32, B*H*T), Tokens: make([]float32, B*T*C),
			AllAttention: make([]float32, B*H*T*T), TokenValues: make([]float32, B*T*C),
		}
		if err := tw.Run(images, out); err != nil {
			t.Fatal(err)
		}
		ov, err := ck.OV()
		if err != nil {
			t.Fatal(err)
		}
		v := ov.AllDirections(par.NewTeam(1))
		return sum, map[string][]float32{
			"features": out.Features, "scores": out.Scores, "attention": out.Attention, "tokens": out.Tokens, "v": v,
			"attention of all tokens": out.AllAttention, "token values": out.TokenValues, "constant": ov.Constant(),
		}
	}
	wantSum, want := run(separate)
	gotSum, got := run(all)
	if gotSum != wantSum {
		t.Errorf("hash of the tensors %s, want %s", gotSum, wantSum)
	}
	for name, values := range want {
		if !slices.Equal(got[name], values) {
			t.Errorf("%s differ", name)
		}
	}
	closeTo(t, "features", got["features"], "features.npy", rounding)
}

// TestFusedEdition holds that an edit of values leaves the queries and keys before them
// alone, and changes the values as in a pool of three projections.
func TestFusedEdition(t *testing.T) {
	separate, all := fused(t)
	read := func(tensors map[string]stored) map[string][]float32 {
		ck := open(t, writeSafetensors(t, tensors))
		c := ck.Config
		factors := make([]float64, c.Heads()*c.Neurons())
		for i := range factors {
			factors[i] = 1 - float64(i%3)/4
		}
		pairs, err := ck.Pairs(nil)
		if err != nil {
			t.Fatal(err)
		}
		edit, err := pairs.Weights().Edit(factors, nil)
		if err != nil {
			t.Fatal(err)
		}
		ed, err := ck.Edition(context.Background(), edit, true, func(int64) {})
		if err != nil {
			t.Fatal(err)
		}
		var file bytes.Buffer
		if err := ed.Write(&file, ptfile.WriteSafetensors); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "edited.safetensors")
		if err := os.WriteFile(path, file.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		edited := open(t, path)
		values := map[string][]float32{}
		for _, p := range edited.Config.parameters() {
			if values[p.name], err = edited.keep(p.name); err != nil {
				t.Fatal(err)
			}
		}
		return values
	}
	want, got := read(separate), read(all)
	if slices.Equal(want[valueName], separate["head.v.weight"].data) {
		t.Fatal("the edit changes nothing")
	}
	for name, values := range want {
		if !slices.Equal(got[name], values) {
			t.Errorf("%s is not as in a pool of three projections", name)
		}
	}
}

// TestBadProjections refuses fused projections of other shapes, beside separate ones, and
// of a pool that rotates them.
func TestBadProjections(t *testing.T) {
	_, all := fused(t)
	C := all["head.qkv.bias"].shape[0] / 3
	with := func(name string, s stored) map[string]stored {
		other := maps.Clone(all)
		other[name] = s
		return other
	}
	values := func(shape ...int) stored { return stored{shape, make([]float32, elements(shape))} }
	rotary := maps.Clone(all)
	delete(rotary, "head.pos_embed")
	for want, tensors := range map[string]map[string]stored{
		"head.qkv.weight: shape [769 256], want queries, keys and values": with("head.qkv.weight", values(3*C+1, C)),
		"head.qkv.bias: shape [], want queries, keys and values":          with("head.qkv.bias", values()),
		"visual.attnpool.q_proj.weight: shape [255 256], want [256 256]":  with("head.qkv.weight", values(3*C-3, C)),
		"visual.attnpool.q_proj.weight: shape [256], want [256 256]":      with("head.qkv.weight", values(3*C)),
		"head.k.bias and head.qkv.bias both stand for":                    with("head.k.bias", values(C)),
		"head.cls_token: a tensor that no CLIP-ResNet":                    with("head.cls_token", values(1, C)),
		"attention pool with rotary position embeddings":                  rotary,
	} {
		if _, err := OpenWith(writeSafetensors(t, tensors), Details{}); testutil.Line(err, want) != nil {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
