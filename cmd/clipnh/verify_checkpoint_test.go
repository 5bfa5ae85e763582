package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

// TestVerifyCheckpoints holds that a checkpoint beside artefacts is not called damaged
// unless it is.
func TestVerifyCheckpoints(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"tiny_jit.pt", "tiny_legacy.pt", "tiny_sd_fp16.pt"} {
		data, err := os.ReadFile(testutil.Golden("model/" + name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	stdout, stderr := must(t, exitDone, "verify", dir)
	if strings.Contains(stdout+stderr, "damaged") || strings.Count(stdout, "unknown") != 3 {
		t.Errorf("sound checkpoints:\n%s%s", stdout, stderr)
	}
	path := filepath.Join(dir, "tiny_sd_fp16.pt")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(path, data, 0o666); err != nil {
		t.Fatal(err)
	}
	stdout, stderr = must(t, exitFailed, "verify", dir)
	if !strings.Contains(stderr, "CRC-32") || strings.Count(stdout, "damaged") != 1 {
		t.Errorf("a damaged checkpoint:\n%s%s", stdout, stderr)
	}
}
