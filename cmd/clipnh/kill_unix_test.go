//go:build unix

package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/testutil"
)

// program returns the program as another process, started by the test.
func program(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), programEnv+"=1")
	return cmd
}

// treeHash sums up the names and contents of all files below dir, but for
// locks, which belong to no artefact.
func treeHash(t *testing.T, dir string) string {
	t.Helper()
	sum := sha256.New()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, ".lock") {
			return err
		}
		content, err := os.ReadFile(path)
		rel, _ := filepath.Rel(dir, path)
		fmt.Fprintf(sum, "%s %d\n", rel, len(content))
		sum.Write(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", sum.Sum(nil))
}

// manyDirections writes the golden directions of pairs twenty times over, longer
// each time, which are several batches and no two alike.
func manyDirections(t *testing.T) string {
	t.Helper()
	const times = 20
	golden, shape, err := npy.ReadFloat32(testutil.Golden("pc0_nh.npy"))
	if err != nil {
		t.Fatal(err)
	}
	var data []float32
	for i := range times {
		for _, x := range golden {
			data = append(data, x*(1+float32(i)/16))
		}
	}
	path := filepath.Join(t.TempDir(), "pcs.npy")
	err = cache.WriteFile(path, func(w io.Writer) error {
		return npy.WriteFloat32(w, []int{times * shape[0], shape[1], shape[2]}, data)
	})
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestKilled kills commands at random moments, by a signal that the program can
// catch or by one that it cannot, and gives the same command again until it is
// done: the bytes are those of an undisturbed run, each time with another number
// of threads.
func TestKilled(t *testing.T) {
	assets := filepath.Join("..", "..", "internal", "demo", "assets")
	collect := func(file string, extra ...string) func(dir string) []string {
		return func(dir string) []string {
			return append([]string{"collect", "--model", filepath.Join(assets, "tiny-clip.pt"), "--dataset", "imagenet_test",
				"--data-path", filepath.Join(assets, "imagenet"), "--save-path", filepath.Join(dir, file)}, extra...)
		}
	}
	pcs := manyDirections(t)
	sparse := func(dir string) []string {
		return []string{"sparse", "--pcs-path", pcs, "--text-descs-embeddings-path", testutil.Golden("text/words.npy"),
			"--text-descs-list-path", testutil.Golden("text/words.txt"), "--num-components", "8",
			"--descriptions-save-path", filepath.Join(dir, "texts.json"), "--decomposition-save-path", filepath.Join(dir, "codes.npz")}
	}
	for _, test := range []struct {
		name string
		args func(dir string) []string
	}{
		{"collect scores", collect("scores")},
		{"collect mean", collect("mean", "--mean")},
		{"collect statistics", collect("statistics", "--stats-only", "--top-k", "5")},
		{"collect activations", collect("acts.npy", "--mode", "neuron_acts", "--sample-stride", "3")},
		{"collect dense", collect("neurons.dat", "--mode", "neurons", "--sample-stride", "3")},
		{"sparse", sparse},
	} {
		command := func(dir string, threads int) []string {
			return append(test.args(dir), "--threads", fmt.Sprint(threads), "--quiet")
		}
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			whole := filepath.Join(dir, "whole")
			if err := os.Mkdir(whole, 0o777); err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			if out, err := program(command(whole, 2)...).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			took := time.Since(start)
			want := treeHash(t, whole)

			random := rand.New(rand.NewPCG(1, 2))
			kills := 0
			for trial := range 4 {
				cut := filepath.Join(dir, fmt.Sprint("cut", trial))
				if err := os.Mkdir(cut, 0o777); err != nil {
					t.Fatal(err)
				}
				for attempt := 0; ; attempt++ {
					if attempt == 20 {
						t.Fatal("20 runs did not finish what one does")
					}
					cmd := program(command(cut, 1+random.IntN(4))...)
					var said bytes.Buffer
					cmd.Stderr = &said
					if err := cmd.Start(); err != nil {
						t.Fatal(err)
					}
					if attempt < 3 {
						signal := []syscall.Signal{syscall.SIGKILL, syscall.SIGINT, syscall.SIGTERM}[random.IntN(3)]
						time.AfterFunc(time.Duration(random.Float64()*float64(took)), func() { cmd.Process.Signal(signal) })
					}
					err := cmd.Wait()
					if err == nil {
						break
					}
					var exit *exec.ExitError
					if !errors.As(err, &exit) {
						t.Fatal(err)
					}
					// Killed, or interrupted and said so.
					status := exit.Sys().(syscall.WaitStatus)
					if !status.Signaled() && status.ExitStatus() != exitInterrupted {
						t.Fatalf("%v: %s", err, said.String())
					}
					kills++
				}
				if got := treeHash(t, cut); got != want {
					t.Errorf("trial %d: other bytes than those of an undisturbed run", trial)
				}
			}
			t.Logf("%d runs killed or interrupted", kills)
		})
	}
}
