package collect

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/kernel/cpu"
	"github.com/clipnh/clipnh/internal/onnxtower"
	"github.com/clipnh/clipnh/internal/pipe"
	"github.com/clipnh/clipnh/internal/pipeline/device"
	"github.com/clipnh/clipnh/internal/pipeline/merge"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/pipeline/shard"
)

// helperBehaviour is how the helper behaves that this test binary is under the helper's
// name: "crash N" ends at batch N of the process, "add X" adds to the first score, "refuse"
// loads no graph.
const helperBehaviour = "CLIPNH_TEST_DEVICE"

func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "clipnh-ort" {
		if err := pipe.Serve(os.Stdin, os.Stdout, pipe.MemoryFile(), new(fakeRuntime)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// fakeRuntime computes what a graph should with our own tower.
type fakeRuntime struct {
	tower   clip.ImageTower
	graph   pipe.Graph
	batches int
}

func (f *fakeRuntime) Hello(pipe.Hello) (*pipe.Runtime, error) {
	return &pipe.Runtime{Name: "ONNX Runtime", Version: "9.9", Providers: []string{"CPUExecutionProvider", "CUDAExecutionProvider"}}, nil
}

func (f *fakeRuntime) Load(g pipe.Graph) error {
	if os.Getenv(helperBehaviour) == "refuse" {
		return errors.New("out of memory")
	}
	if info, err := os.Stat(g.Path); err != nil || info.Size() < 1000 {
		return fmt.Errorf("no graph: %v", err)
	}
	ck, err := clip.OpenWith(pipelinetest.TinyModel(), clip.Details{})
	if err != nil {
		return err
	}
	f.graph = g
	f.tower, err = clip.NewImageTower(ck, clip.ImageOptions{Batch: 8, Threads: 1})
	return err
}

func (f *fakeRuntime) Run(_ int, input []float32, outputs [][]float32) error {
	how, number, _ := strings.Cut(os.Getenv(helperBehaviour), " ")
	x, _ := strconv.ParseFloat(number, 32)
	if f.batches++; how == "crash" && f.batches == int(x) {
		os.Exit(9)
	}
	var out clip.Output
	for i, v := range f.graph.Outputs {
		switch v.Name {
		case onnxtower.Features:
			out.Features = outputs[i]
		case onnxtower.Scores:
			out.Scores = outputs[i]
		}
	}
	err := f.tower.Run(input, out)
	if how == "add" {
		out.Scores[0] += float32(x)
	}
	return err
}

// fakeDevice lets device.Open find this test binary as its helper.
func fakeDevice(t *testing.T) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the helper is found by a symbolic link")
	}
	own, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(own, filepath.Join(dir, "clipnh-ort")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	t.Setenv(device.Variable, pipelinetest.TinyModel()) // any file
}

// deviceImages are the options for the golden images.
func deviceImages(t *testing.T, file string) Options {
	o := goldenImages(t, file)
	o.Store = new(cache.Store)
	return o
}

// hintOf is the advice in an error.
func hintOf(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}

func file(t *testing.T, parts ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(parts...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestDevice collects on a device that computes as we do: the rows are ours, and the
// manifest says what computed them.
func TestDevice(t *testing.T) {
	fakeDevice(t)
	for _, mode := range []string{ModePairs, ModeHeads, ModeFeatures} {
		o := deviceImages(t, "own")
		o.Mode = mode
		own := run(t, o)
		if own.Device != nil {
			t.Errorf("%s: our own tower is the device %+v", mode, own.Device)
		}
		o.Device, o.SavePath = "ort-cpu", filepath.Join(filepath.Dir(o.SavePath), "device")
		of := run(t, o)
		if d := of.Device; d == nil || d.Name != "ort-cpu" || d.Runtime != "ONNX Runtime 9.9" || d.Images != 8 || d.Scores > 1e-6 || d.Features > 1e-6 {
			t.Errorf("%s: device %+v", mode, d)
		}
		payload := func(r *Result) []byte {
			a, err := cache.Open(r.Path)
			if err != nil {
				t.Fatal(err)
			}
			return file(t, r.Path, a.Manifest.Payloads[0].File)
		}
		if !bytes.Equal(payload(own), payload(of)) {
			t.Errorf("%s: the device's rows differ from ours", mode)
		}
		if text := string(file(t, own.Path, "manifest.json")); strings.Contains(text, "device") {
			t.Error("our own manifest speaks of a device")
		}
		a, err := cache.Open(of.Path)
		if err != nil {
			t.Fatal(err)
		}
		if d := a.Manifest.Origin.Device; d == nil || d.Name != "ort-cpu" || d.Provider != "CPUExecutionProvider" || d.Runtime != "ONNX Runtime 9.9" || d.Precision != "float32" {
			t.Errorf("%s: the manifest has %+v", mode, d)
		}
		for i, c := range a.Manifest.Payloads[0].Chunks {
			if c.Kernel != "ort-cpu" {
				t.Errorf("%s: chunk %d is said to be computed by %q", mode, i, c.Kernel)
			}
		}
		if err := Repair(context.Background(), a, RepairOptions{Model: o.Model, DataPath: o.Data.Path}, pipelinetest.Silent()); err == nil || !strings.Contains(err.Error(), "the device ort-cpu") {
			t.Errorf("%s: a repair without the device: %v", mode, err)
		}
	}
}

// TestDeviceCrashes ends the helper in the second chunk. The first stays, another run
// resumes, and the bytes are those of a run without a crash.
func TestDeviceCrashes(t *testing.T) {
	fakeDevice(t)
	o := deviceImages(t, "scores")
	o.Device = "ort-cpu"
	whole := o
	whole.SavePath += "_whole"
	run(t, whole)

	t.Setenv(helperBehaviour, "crash 7") // a blank image and the batch that is compared come first
	_, err := Run(context.Background(), o, pipelinetest.Silent())
	if !errors.Is(err, pipe.ErrLost) || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "device ort-cpu: run a batch: ") || !strings.Contains(err.Error(), "exit status 9") {
		t.Fatalf("a crash: %v", err)
	}
	if !strings.Contains(hintOf(err), "run the same command again to resume") {
		t.Errorf("a crash gives the hint %q", hintOf(err))
	}
	if _, err := cache.Open(o.SavePath); err == nil || !strings.Contains(err.Error(), "1 of 2 chunks") {
		t.Errorf("after the crash: %v", err)
	}
	t.Setenv(helperBehaviour, "")

	other := o
	other.Device = "cuda"
	if _, err := Run(context.Background(), other, pipelinetest.Silent()); !errors.Is(err, cache.ErrStale) || !strings.Contains(err.Error(), "made with device ort-cpu; this run uses cuda") {
		t.Errorf("resumed on another device: %v", err)
	}
	other.Device = ""
	if _, err := Run(context.Background(), other, pipelinetest.Silent()); !errors.Is(err, cache.ErrStale) || !strings.Contains(err.Error(), "device ort-cpu; this run uses none") {
		t.Errorf("resumed without a device: %v", err)
	}
	say, heard := pipelinetest.Heard()
	if _, err := Run(context.Background(), o, say); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(heard.String(), "resuming after 32 of 48") || !strings.Contains(heard.String(), "features differ from clipnh's own by up to 0 of the largest, scores by up to 0") {
		t.Errorf("the second run said %q", heard)
	}
	for _, name := range []string{"scores.npy", "manifest.json"} {
		if !bytes.Equal(file(t, o.SavePath, name), file(t, whole.SavePath, name)) {
			t.Errorf("%s has other bytes than without a crash", name)
		}
	}
}

// TestDeviceDiffers stops a run whose first images differ by more than rounding.
func TestDeviceDiffers(t *testing.T) {
	fakeDevice(t)
	for how, want := range map[string]string{"add 0.5": ", scores by up to 0.", "add NaN": ", scores by up to NaN"} {
		t.Setenv(helperBehaviour, how)
		o := deviceImages(t, "scores")
		o.Device = "cuda"
		_, err := Run(context.Background(), o, pipelinetest.Silent())
		if err == nil || !strings.Contains(err.Error(), "device cuda (CUDAExecutionProvider, ONNX Runtime 9.9)") || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "want at most 0.0002") {
			t.Errorf("%s: %v", how, err)
		}
		if _, err := cache.Open(o.SavePath); !errors.Is(err, cache.ErrMissing) {
			t.Errorf("%s: something was kept: %v", how, err)
		}
	}
}

func TestDeviceRefused(t *testing.T) {
	o := deviceImages(t, "scores")
	o.Device = "ort-cpu"
	refused := func(name, want, advice string) {
		t.Helper()
		_, err := Run(context.Background(), o, pipelinetest.Silent())
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(hintOf(err), advice) {
			t.Errorf("%s: %v, hint %q; want %q, %q", name, err, hintOf(err), want, advice)
		}
		if _, err := os.Stat(o.SavePath); err == nil {
			t.Errorf("%s: something was written", name)
		}
	}
	t.Setenv("PATH", t.TempDir())
	t.Setenv(device.Variable, "")
	refused("no helper", "device ort-cpu: the program clipnh-ort was not found: looked for ", "beside clipnh")
	fakeDevice(t)
	t.Setenv(device.Variable, "no/such.so")
	refused("no library", "CLIPNH_ONNXRUNTIME=no/such.so: no such file", "")
	fakeDevice(t)
	t.Setenv(helperBehaviour, "refuse")
	refused("no room for the model", "device ort-cpu: load the graph: the helper program says: out of memory", "choose another {device}")
	t.Setenv(helperBehaviour, "")
	o.Device = "coreml"
	refused("no provider", "device coreml: ONNX Runtime 9.9 has no CoreMLExecutionProvider; it has CPUExecutionProvider", "another {device}")
	o.Device = "gpu"
	refused("no such device", `{device} "gpu": want one of ort-cpu, cuda`, "")
	o.Device, o.Mode = "ort-cpu", ModeActivations
	refused("another mode", "{device} ort-cpu: {mode} neuron_acts of a CLIP-ResNet: a device computes scores and features", "")
}

// TestShardsOfOneDevice merges shards of a device without a word, though its rows and the
// files beside them were computed by different programs, and knows shards of other kernels.
func TestShardsOfOneDevice(t *testing.T) {
	fakeDevice(t)
	for name, change := range map[string]func(*Options){
		"rows":       func(*Options) {},
		"statistics": func(o *Options) { o.StatsOnly, o.TopK = true, 20 },
		"summary":    func(o *Options) { o.StatsOnly, o.NoFeatures, o.TopK = true, true, 20 },
	} {
		o := deviceImages(t, "scores")
		o.Device = "ort-cpu"
		change(&o)
		for i := range 2 {
			part := o
			part.Shard = shard.Shard{Number: i + 1, Of: 2}
			run(t, part)
		}
		m := merge.Options{SavePath: o.SavePath, Store: new(cache.Store), Threads: 1, Strict: true}
		say, heard := pipelinetest.Heard()
		if _, err := merge.Run(context.Background(), m, say); err != nil || strings.Contains(heard.String(), "families") {
			t.Errorf("%s: %v, said %q", name, err, heard)
		}
	}
	if cpu.Active() == cpu.Generic {
		return // this processor or build has one family of kernels
	}
	o := deviceImages(t, "scores")
	o.Device = "ort-cpu"
	for i, use := range []cpu.Level{cpu.Generic, cpu.Active()} {
		part := o
		part.Shard = shard.Shard{Number: i + 1, Of: 2}
		back := cpu.Force(use)
		run(t, part)
		back()
	}
	m := merge.Options{SavePath: o.SavePath, Store: new(cache.Store), Threads: 1, Strict: true}
	_, err := merge.Run(context.Background(), m, pipelinetest.Silent())
	if want := cpu.Active().String() + " ("; !errors.Is(err, cache.ErrStale) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "ort-cpu (") {
		t.Errorf("other kernels beside the device's rows: %v, want %q", err, want)
	}
}

// TestShardsOfDevices merges shards of different devices only if that is asked for.
func TestShardsOfDevices(t *testing.T) {
	fakeDevice(t)
	o := deviceImages(t, "scores")
	for i, name := range []string{"", "ort-cpu"} {
		part := o
		part.Device, part.Shard = name, shard.Shard{Number: i + 1, Of: 2}
		run(t, part)
	}
	m := merge.Options{SavePath: o.SavePath, Store: new(cache.Store), Threads: 1}
	_, err := merge.Run(context.Background(), m, pipelinetest.Silent())
	if !errors.Is(err, cache.ErrStale) || !strings.Contains(err.Error(), "were computed on different devices: ") || !strings.Contains(hintOf(err), "{force}") {
		t.Fatalf("different devices: %v, hint %q", err, hintOf(err))
	}
	m.Force = true
	say, heard := pipelinetest.Heard()
	r, err := merge.Run(context.Background(), m, say)
	if err != nil || r.Images != 48 || !strings.Contains(heard.String(), "different devices") {
		t.Fatalf("merged: %+v, %v; said %q", r, err, heard)
	}
	a, err := cache.Open(o.SavePath)
	if err != nil {
		t.Fatal(err)
	}
	if d := a.Manifest.Origin.Device; d == nil || d.Name != "several" {
		t.Errorf("the whole says %+v", d)
	}
	if err := artefact.VerifyChecksums(a); err != nil {
		t.Error(err)
	}
}
