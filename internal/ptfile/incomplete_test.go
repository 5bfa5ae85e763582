package ptfile

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

// TestIncomplete: a file of each format that ends too early, as after a download that broke
// off, is said to be incomplete, and how to have the rest.
func TestIncomplete(t *testing.T) {
	header := `{"a":{"dtype":"F32","shape":[100],"data_offsets":[0,400]}}`
	whole := map[string][]byte{
		"safetensors": append([]byte{byte(len(header)), 0, 0, 0, 0, 0, 0, 0}, header+strings.Repeat("x", 400)...),
	}
	for _, name := range []string{"tiny_jit.pt", "tiny_sd_fp16.pt", "tiny_legacy.pt"} {
		content, err := os.ReadFile(testutil.Golden("model/" + name))
		if err != nil {
			t.Fatal(err)
		}
		whole[name] = content
	}
	for name, content := range whole {
		for _, part := range []int{len(content) / 2, len(content) - 1} {
			path := filepath.Join(t.TempDir(), "part.pt")
			if err := os.WriteFile(path, content[:part], 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Open(path)
			var h interface{ Hint() string }
			if !errors.As(err, &h) || !strings.Contains(h.Hint(), "the file is incomplete") {
				t.Errorf("%d bytes of %d of %s: %v, want a hint", part, len(content), name, err)
			}
		}
	}
}
