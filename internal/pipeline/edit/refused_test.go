package edit

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/ptfile"
	"github.com/clipnh/clipnh/internal/testutil"
)

// TestRefused holds that what cannot be done is an error of one line, and that nothing is
// written then.
func TestRefused(t *testing.T) {
	means, shape := pipelinetest.ReadGolden(t, "means_nh.npy")
	other := slices.Clone(means)
	slices.Reverse(other)
	scoresOf := func(o origin.Origin) string {
		s, _ := pipelinetest.ReadGolden(t, "s.npy")
		return pipelinetest.ScoresFolder(t, s, o)
	}
	nan := slices.Clone(means)
	nan[77] = float32(math.NaN())
	for name, tc := range map[string]struct {
		change func(*Options)
		want   string
		is     error
	}{
		"nothing":        {func(o *Options) { o.Remove = nil }, "nothing to edit", nil},
		"no such head":   {func(o *Options) { o.Remove = []string{"h4n0"} }, `{remove}: unit "h4n0": want a pair, h0n0 to h3n255, or`, nil},
		"no such neuron": {func(o *Options) { o.Scale = []Scaled{{"n256", 2}} }, `{scale}: unit "n256": want`, nil},
		"no unit":        {func(o *Options) { o.Remove = []string{"water"} }, `unit "water"`, nil},
		"two factors":    {func(o *Options) { o.Scale = []Scaled{{"h1n70", 0.5}} }, "pair h1n70 has two factors: 0 by {remove} h1n70, 0.5 by {scale} h1n70=0.5", nil},
		"two scales":     {func(o *Options) { o.Scale = []Scaled{{"n9", 0.5}, {"h3n9", 1}} }, "pair h3n9 has two factors", nil},
		"scale and mask": {func(o *Options) {
			o.MaskPath, o.Scale = testutil.Golden("mask_n.npy"), []Scaled{{"n9", 0.5}, {"n10", 0.5}, {"n11", 0.5}}
		}, "has two factors", nil},
		"not finite":           {func(o *Options) { o.Scale = []Scaled{{"n9", math.NaN()}} }, "want a finite factor", nil},
		"too large":            {func(o *Options) { o.Scale = []Scaled{{"n9", 1e30}} }, "would be ", nil},
		"means of neurons":     {func(o *Options) { o.MeansPath = testutil.Golden("means_n.npy") }, "shape 256x32, want 4x256x32, means of pairs", nil},
		"means of another":     {func(o *Options) { o.MeansPath = saveNPY(t, shape, other) }, "means of another model", cache.ErrStale},
		"means with NaN":       {func(o *Options) { o.MeansPath = saveNPY(t, shape, nan) }, "element [0,2,13] is NaN", nil},
		"means that are none":  {func(o *Options) { o.MeansPath = testutil.Golden("model/tiny_jit.pt") }, "", nil},
		"scores of another":    {func(o *Options) { o.ScoresPath = scoresOf(origin.Origin{Weights: "other"}) }, "made with weights other", cache.ErrStale},
		"scores of a block":    {func(o *Options) { o.ScoresPath = scoresOf(origin.Origin{Block: "0"}) }, "block", cache.ErrStale},
		"no scores":            {func(o *Options) { o.ScoresPath = "missing" }, "missing", cache.ErrMissing},
		"mask of another size": {func(o *Options) { o.MaskPath = testutil.Golden("interop/bool.npy") }, "interop/bool.npy: shape", nil},
		"a model of no pool":   {func(o *Options) { o.Model = testutil.Golden("interop/fp32.pt") }, "tensor visual.conv1.weight is missing", nil},
		"no images":            {func(o *Options) { o.Images.Data = dataset.Options{Kind: dataset.Images, Path: "missing"} }, "missing", os.ErrNotExist},
		"images that are none": {func(o *Options) { o.Images.Data = dataset.Options{Kind: dataset.Images, Path: "testdata"} }, "testdata", nil},
		"no vocabulary":        {func(o *Options) { o.Texts, o.K, o.Vocab = []string{"dog"}, 1, "missing" }, "missing", os.ErrNotExist},
		"weights in a list":    {func(o *Options) { o.Model = inList(t) }, "is in a list, or under a number, want weights in dicts", nil},
	} {
		dir := t.TempDir()
		o := Options{
			Model: pipelinetest.TinyModel(), SavePath: filepath.Join(dir, "edited.pt"), Threads: 2, By: ByZero, Remove: []string{"h1n70"},
			Images: source.Options{Stride: 1, BatchSize: 8},
		}
		tc.change(&o)
		if o.MeansPath != "" || o.ScoresPath != "" {
			o.By = ByMean
		}
		_, err := Run(context.Background(), o, pipelinetest.Silent())
		switch {
		case err == nil:
			t.Errorf("%s: no error", name)
		case !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "\n"):
			t.Errorf("%s: %q, want one line with %q", name, err, tc.want)
		case tc.is != nil && !errors.Is(err, tc.is):
			t.Errorf("%s: %q is not %q", name, err, tc.is)
		}
		if left, _ := os.ReadDir(dir); len(left) > 0 {
			t.Errorf("%s: %s was written", name, left[0].Name())
		}
	}
}

// inList writes the golden model's tensors in a dict whose only key is the number 0.
func inList(t testing.TB) string {
	t.Helper()
	f := openFile(t, testutil.Golden("model/tiny_sd_fp32.pt"))
	var entries []ptfile.Entry
	for _, tensor := range f.Tensors() {
		entries = append(entries, ptfile.Entry{
			Keys: []string{"", tensor.Name}, DType: tensor.DType, Shape: tensor.Shape, Write: func(w io.Writer) error { return f.Copy(w, tensor) },
		})
	}
	var b bytes.Buffer
	if err := ptfile.WriteZip(&b, entries); err != nil {
		t.Fatal(err)
	}
	archive, err := zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	at, err := archive.File[0].DataOffset()
	if err != nil {
		t.Fatal(err)
	}
	file := b.Bytes()
	pickle := file[at : at+int64(archive.File[0].UncompressedSize64)]
	key := bytes.Index(pickle, []byte("X\x00\x00\x00\x00"))
	pickle[key] = 'J' // the empty text becomes the number
	was := binary.LittleEndian.AppendUint32(nil, archive.File[0].CRC32)
	is := binary.LittleEndian.AppendUint32(nil, crc32.ChecksumIEEE(pickle))
	path := filepath.Join(t.TempDir(), "list.pt")
	write(t, path, bytes.ReplaceAll(file, was, is))
	return path
}

// TestReplaces holds that a checkpoint of another edit is replaced in a restart only, that
// other files and the model itself never are, and that an interrupted run leaves nothing.
func TestReplaces(t *testing.T) {
	dir := t.TempDir()
	o := Options{Model: pipelinetest.TinyModel(), SavePath: filepath.Join(dir, "edited.pt"), Threads: 1, By: ByZero, Remove: []string{"n5"}}
	first := run(t, o)
	run(t, o) // the same again
	o.Remove = []string{"n6"}
	if _, err := Run(context.Background(), o, pipelinetest.Silent()); !errors.Is(err, cache.ErrStale) {
		t.Errorf("a checkpoint of another edit: %v, want %v", err, cache.ErrStale)
	}
	o.Writer.Restart = true
	if second := run(t, o); second.SHA256 == first.SHA256 {
		t.Error("another edit has the same bytes")
	}
	again := o
	again.Model = o.SavePath
	if _, err := Run(context.Background(), again, pipelinetest.Silent()); err == nil || !strings.Contains(err.Error(), "it is the model that is edited") {
		t.Errorf("the model itself: %v", err)
	}
	o.SavePath = filepath.Join(dir, "other.pt")
	write(t, o.SavePath, []byte("something"))
	if _, err := Run(context.Background(), o, pipelinetest.Silent()); !errors.Is(err, cache.ErrExists) {
		t.Errorf("another program's file: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	o.SavePath = filepath.Join(dir, "interrupted.pt")
	if _, err := Run(ctx, o, &pipelinetest.Interrupting{Reporter: pipelinetest.Silent(), After: 1000, Cancel: cancel}); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	left, err := filepath.Glob(filepath.Join(dir, "interrupted*"))
	if err != nil || len(left) > 0 && fmt.Sprint(left) != fmt.Sprint([]string{o.SavePath + ".lock"}) {
		t.Errorf("an interrupted run left %v", left)
	}
}
