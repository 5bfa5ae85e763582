package directions

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/mapping"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
)

// meddling is a context that does something to a file when it is asked for the second time
// whether it ended: once scores are open.
type meddling struct {
	context.Context
	asked int
	do    func()
}

func (m *meddling) Err() error {
	if m.asked++; m.asked == 2 {
		m.do()
	}
	return m.Context.Err()
}

// TestChangingScores holds that svd fails, and leaves nothing, when the scores are cut or
// written to while it reads them, and that it does not care about their being replaced.
func TestChangingScores(t *testing.T) {
	for name, test := range map[string]struct {
		do   func(path string) error
		want string
	}{
		"cut":        {func(path string) error { return os.Truncate(path, 4096) }, "became shorter"},
		"written to": {func(path string) error { later := time.Now().Add(time.Hour); return os.Chtimes(path, later, later) }, "changed while it was read"},
		"replaced": {func(path string) error {
			return errors.Join(os.Rename(path, path+".old"), os.WriteFile(path, make([]byte, 100), 0o666))
		}, ""},
		"removed": {os.Remove, ""},
	} {
		for _, neurons := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				if !mapping.Supported && test.want != "" {
					t.Skip("no mappings")
				}
				scores := pipelinetest.GoldenScores(t)
				path, out := filepath.Join(scores, artefact.ScoresFile), t.TempDir()
				ctx := &meddling{Context: context.Background(), do: func() {
					if err := test.do(path); err != nil {
						t.Error(err)
					}
				}}
				if neurons {
					ctx.asked = 1 // for all neurons of this model, it is asked once
				}
				_, err := SVD(ctx, SVDOptions{CollectPath: scores, Neurons: neurons, TopK: 20, OutPath: filepath.Join(out, "pcs.npy"), Threads: 2}, pipelinetest.Silent())
				left, _ := os.ReadDir(out)
				switch {
				case test.want == "" && (err != nil || len(left) != 2):
					t.Errorf("%v, and %d files", err, len(left))
				case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), path)):
					t.Errorf("error %v, want one that has %q and %q", err, test.want, path)
				case test.want != "" && len(left) != 0:
					t.Errorf("it left %v", left)
				}
			})
		}
	}
}
