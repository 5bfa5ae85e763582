package directions

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/kernel/cpu"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/pipeline/collect"
	"github.com/clipnh/clipnh/internal/pipeline/collecttest"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
)

// frozen are the SHA-256 of the payloads that the build of 2026-11-28 before vision transformers
// (the parent of commit de34d377) wrote of the example's ResNet, with plain Go on amd64:
//
//	export CLIPNH_CPU=generic
//	DATA="--dataset imagenet_val --data-path internal/demo/assets/imagenet --sample-stride 100"
//	clipnh collect --model internal/demo/assets/tiny-clip.pt $DATA --save-path scores
//	clipnh collect --model internal/demo/assets/tiny-clip.pt $DATA --dtype float16 --save-path half
//	clipnh collect --model internal/demo/assets/tiny-clip.pt $DATA --stats-only --top-k 4 --save-path stats
//	clipnh svd --collect-save-path scores --top-k-pca 2 --mode MODE --out-save-path pc_MODE.npy \
//	  --mean-save-path mean_MODE.npy --norm-save-path norm_MODE.npy      # of nh and n
//	sha256sum *.npy */*.npy
//
// A change that is meant to change bytes puts those of the new build here, and says so in the
// changelog.
var frozen = map[string]string{
	"half/bias.npy":               "5c69ef042ec9bbf587c5eddeb8d37281c07d1dfbda3545cc5eb33c1f8414919e",
	"half/directions.out.npy":     "7bc1785d3dfb49700bf088be0986cd7518f11d1587a693135718f3bcfbfbbc0f",
	"half/directions.value.npy":   "467a97899860ec2e9b8663cd8f10bc957e1bb10f92ee19c7cb3b2f0ec0cd040d",
	"half/scores.npy":             "3dc94cf9d069643b473fa4c6a2691bbef5ce6119ae8d8690cb91efb4ff2482c8",
	"mean_n.npy":                  "8e0aa0b2bbc6f297f6527f986a3d11279075c139fe15351bb8a2309e766a0bfe",
	"mean_nh.npy":                 "0c684576621a8a578e85a3228c2798881ee3d390486ebf2faadc5ed365312e7f",
	"norm_n.npy":                  "8c6e2e068c34e6f72138b3f4b0f60f18426513f58f1eeb32ee586a6a524fc2a2",
	"norm_nh.npy":                 "39763bcc72ae2d104858edf66cec7c896d5e2fd77766f804ce2f9295c0cb827e",
	"pc_n.npy":                    "cf8446a375a1955c97211947b0f8ced74734ac9f41e2417bb9a30d2ac194eaf7",
	"pc_nh.npy":                   "17ba26b621bd7253fb24125057439f0562704a090cee14dd6a46fb91fadd8ef8",
	"scores/bias.npy":             "5c69ef042ec9bbf587c5eddeb8d37281c07d1dfbda3545cc5eb33c1f8414919e",
	"scores/directions.out.npy":   "7bc1785d3dfb49700bf088be0986cd7518f11d1587a693135718f3bcfbfbbc0f",
	"scores/directions.value.npy": "467a97899860ec2e9b8663cd8f10bc957e1bb10f92ee19c7cb3b2f0ec0cd040d",
	"scores/scores.npy":           "cdfe90ed41f30232069df8c856a5b53880aa966ec08a41ea04655c2bb0c53787",
	"stats/bias.npy":              "5c69ef042ec9bbf587c5eddeb8d37281c07d1dfbda3545cc5eb33c1f8414919e",
	"stats/directions.out.npy":    "7bc1785d3dfb49700bf088be0986cd7518f11d1587a693135718f3bcfbfbbc0f",
	"stats/directions.value.npy":  "467a97899860ec2e9b8663cd8f10bc957e1bb10f92ee19c7cb3b2f0ec0cd040d",
	"stats/features.npy":          "3160cc8ad00f2ce124efbacbc4bf584bf2a069f00155ce1f3798c7297961524c",
	"stats/largest.images.npy":    "3c27ed50dc79440ede344b071b11c8cf2168b7dfc8d4a81d8fa3c9a6d0eb6417",
	"stats/largest.npy":           "704bf376d07e0cbeb6b75cb3d186829c2e6d9ac61e455e8a937c45c4ce886cb7",
	"stats/smallest.images.npy":   "f68552e2b1f9d853e868184bf5ad485ba0c2d1b64aac92a2d6877ecf825498f7",
	"stats/smallest.npy":          "bd23032a2fa855ff707173d50cde222bf237e0c60c8b1f1a80f68c62af7c9d68",
	"stats/sums.low.npy":          "938767578dcc94f7e6f2c340d75edaf4a747d4265e7eb5ad1ea4af203e08b5e6",
	"stats/sums.npy":              "bead7b79ffcdc1ea5c46cd4a1aa01114e64460229397044efc47df09d32c636e",
}

// TestFrozenBytes holds that what is made of a ResNet has the bytes that it had before this program
// knew vision transformers.
func TestFrozenBytes(t *testing.T) {
	if runtime.GOARCH != "amd64" || fuses(1+1.0/(1<<30), 1-1.0/(1<<30), -1) {
		t.Skip("the compiler fuses multiplications and additions here, or gonum has other assembly: the last bits are those of amd64 (GOAMD64=v1) only")
	}
	defer cpu.Force(cpu.Generic)()
	dir, assets := t.TempDir(), filepath.Join("..", "..", "demo", "assets")
	at := func(name string) string { return filepath.Join(dir, name) }
	o := collect.Options{
		Model: filepath.Join(assets, "tiny-clip.pt"), Data: dataset.Options{Kind: dataset.ImageNetVal, Path: filepath.Join(assets, "imagenet")},
		Stride: 100, BatchSize: 8, Threads: 2, Mode: collect.ModePairs, SavePath: at("scores"),
	}
	collecttest.Collect(t, o)
	half := o
	half.DType, half.SavePath = npy.Float16, at("half")
	collecttest.Collect(t, half)
	stats := o
	stats.StatsOnly, stats.TopK, stats.SavePath = true, 4, at("stats")
	collecttest.Collect(t, stats)
	for _, mode := range []string{"nh", "n"} {
		_, err := SVD(context.Background(), SVDOptions{
			CollectPath: at("scores"), Neurons: mode == "n", TopK: 2, Threads: 2,
			OutPath: at("pc_" + mode + ".npy"), MeanPath: at("mean_" + mode + ".npy"), NormPath: at("norm_" + mode + ".npy"),
		}, pipelinetest.Silent())
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range frozen {
		data, err := os.ReadFile(at(filepath.FromSlash(name)))
		if err != nil {
			t.Error(err)
			continue
		}
		sum := sha256.Sum256(data)
		if got := hex.EncodeToString(sum[:]); got != want {
			t.Errorf("%s: SHA-256 %s, want %s", name, got, want)
		}
	}
}

// fuses reports whether x*y + z is rounded once, of numbers of which it then is not 0.
//
//go:noinline
func fuses(x, y, z float64) bool { return x*y+z != 0 }
