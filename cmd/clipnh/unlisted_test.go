package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/testutil"
)

// TestUnlisted: commands say with their status and in JSON what a listing left out.
func TestUnlisted(t *testing.T) {
	images, dir := pipelinetest.Palettes(t), t.TempDir()
	if err := os.WriteFile(filepath.Join(images, "b\n.jpg"), nil, 0o600); err != nil {
		t.Skip(err)
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	model := []string{"--model", testutil.Golden("model/tiny_jit.pt"), "--dataset", "images"}
	for _, args := range [][]string{
		append([]string{"collect", "--save-path", in("scores")}, model...),
		append([]string{"registers", "--diff-save-path", in("sink.npy")}, model...),
		{"data", "subset", "--number", "3", "--save-path", in("subset")},
	} {
		stdout, _ := must(t, exitSkipped, append(args, "--data-path", images, "--json")...)
		var result struct {
			Skipped []struct{ Name, Reason string }
		}
		if err := json.Unmarshal([]byte(stdout), &result); err != nil || len(result.Skipped) != 1 || result.Skipped[0].Name != `"b\n.jpg"` {
			t.Errorf("%q: %+v, %v", args, result, err)
		}
	}
}
