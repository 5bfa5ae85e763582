package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

// TestActivationOfTrainingCheckpoints holds that texts embedded with a training
// checkpoint come with a warning, as nothing in it tells its activation.
func TestActivationOfTrainingCheckpoints(t *testing.T) {
	for name, warned := range map[string]bool{"tiny_openclip.pt": true, "tiny_jit.pt": false, "tiny_sd_fp32.pt": false} {
		_, said := must(t, exitDone, "embed", "--model", testutil.Golden("model/"+name), "--vocab", testutil.Golden("text/toy_merges.txt.gz"),
			"--lines", testutil.Golden("text/words.txt"), "--embeddings-save-path", filepath.Join(t.TempDir(), "words.npy"), "--quiet")
		if got := strings.Contains(said, "a training checkpoint, which does not tell its activation: texts are embedded with QuickGELU"); got != warned {
			t.Errorf("%s: warned %t, want %t\n%s", name, got, warned, said)
		}
	}
}
