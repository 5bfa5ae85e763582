package demo

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

// TestLayoutViT holds that the tiny vision transformer is the golden one, twice written.
func TestLayoutViT(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "vit")
	for _, again := range []bool{false, true} {
		laid, err := LayoutViT(dir)
		if err != nil || (laid.Written == 0) != again || laid.Written+laid.Kept != 12 {
			t.Errorf("again %v: %+v, %v", again, laid, err)
		}
	}
	same := map[string]string{ViTModel: "vit_sd16.pt", ViTClasses: "gelu/feature.npy", ViTTextsEmbeddings: "texts.npy"}
	for i := range 8 {
		same[fmt.Sprintf("%s/val/class%d/0%d.png", ViTImageNet, i, i)] = fmt.Sprintf("images/0%d.png", i)
	}
	for name, golden := range same {
		got, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		if err != nil {
			t.Fatal(err)
		}
		if want, err := os.ReadFile(testutil.GoldenViT(golden)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not %s, %v", name, golden, err)
		}
	}
}
