package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/pipe"
	"github.com/clipnh/clipnh/internal/pipeline/collect"
	"github.com/clipnh/clipnh/internal/pipeline/device"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/testutil"
)

// Under the program's name this test binary is the program.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "clipnh-ort" {
		main()
	}
	os.Exit(m.Run())
}

// installed puts the program into PATH.
func installed(t *testing.T) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the program is found by a symbolic link")
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
}

// TestCollect collects in ONNX Runtime what our own tower gives, up to rounding.
// CLIPNH_TEST_DEVICES names more devices than ort-cpu to try, with commas.
func TestCollect(t *testing.T) {
	if os.Getenv(device.Variable) == "" {
		t.Skip("no ONNX Runtime: make test-onnx fetches it and runs this test")
	}
	installed(t)
	dir, layer := t.TempDir(), 1
	devices := []string{"ort-cpu"}
	if more := os.Getenv("CLIPNH_TEST_DEVICES"); more != "" {
		devices = append(devices, strings.Split(more, ",")...)
	}
	resNet := collect.Options{Model: pipelinetest.TinyModel(), Data: dataset.Options{Kind: dataset.Images, Path: testutil.Golden("dataset")}, Stride: 4, BatchSize: 5, Threads: 2, Mode: collect.ModePairs, Store: new(cache.Store)}
	vit := resNet
	vit.Model, vit.NeuronLayer, vit.Details.Heads = testutil.GoldenViT("vit_sd32.pt"), &layer, 4
	features := vit
	features.NeuronLayer, features.Mode = nil, collect.ModeFeatures
	for name, o := range map[string]collect.Options{"scores.npy of a ResNet": resNet, "scores.npy of a transformer": vit, "features.npy of a transformer": features} {
		file, kind, _ := strings.Cut(name, " ")
		values := func(device string) []float32 {
			o.Device, o.SavePath = device, filepath.Join(dir, file+kind+device)
			if _, err := collect.Run(context.Background(), o, pipelinetest.Silent()); err != nil {
				t.Fatalf("%s on %q: %v", name, device, err)
			}
			x, _, err := npy.ReadFloat32(filepath.Join(o.SavePath, file))
			if err != nil {
				t.Fatal(err)
			}
			return x
		}
		own := values("")
		for _, d := range devices {
			if err := testutil.Far(values(d), own, 5e-5); err != nil {
				t.Errorf("%s on %s: %v", name, d, err)
			}
		}
	}
	report := device.Look()
	if report.Error != "" || !strings.HasPrefix(report.Runtime, "ONNX Runtime 1.") || !report.Devices[0].Available {
		t.Errorf("devices: %+v", report)
	}
}

// TestOtherLibrary gives the program a file that is no library.
func TestOtherLibrary(t *testing.T) {
	installed(t)
	t.Setenv(device.Variable, pipelinetest.TinyModel())
	if _, err := device.Open("ort-cpu", 1); err == nil || !strings.Contains(err.Error(), "device ort-cpu: open ") || strings.Contains(err.Error(), "\n") {
		t.Errorf("a checkpoint as a library: %v", err)
	}
	if r := device.Look(); r.Error == "" || r.Hint == "" || r.Runtime != "" || r.Devices[0].Available {
		t.Errorf("devices: %+v", r)
	}
}

func TestRun(t *testing.T) {
	var stderr bytes.Buffer
	if code := run(nil, strings.NewReader(""), nil, io.Discard, &stderr); code != 2 || !strings.Contains(stderr.String(), "clipnh info --devices") {
		t.Errorf("exit code %d, %q", code, stderr.String())
	}
	stderr.Reset()
	if code := run([]string{"serve"}, strings.NewReader("no frame, but a text"), nil, io.Discard, &stderr); code != 1 || !strings.Contains(stderr.String(), "no frame") {
		t.Errorf("exit code %d, %q", code, stderr.String())
	}
	if code := run([]string{"serve"}, strings.NewReader(""), nil, io.Discard, io.Discard); code != 0 {
		t.Errorf("exit code %d when there are no requests", code)
	}
}

func TestBackendRefuses(t *testing.T) {
	b := new(backend)
	if err := b.Load(pipe.Graph{}); err == nil {
		t.Error("a graph was loaded without a library")
	}
	if _, err := b.Hello(pipe.Hello{Library: "no/such.so"}); err == nil {
		t.Error("a library that is not there was opened")
	}
}
