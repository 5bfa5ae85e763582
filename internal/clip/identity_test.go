package clip

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

// TestTensorsSHA256 holds that the hash of the weights does not depend on the format, the
// prefix and the number type of the file, and that it is the documented one.
func TestTensorsSHA256(t *testing.T) {
	hash := func(name string) string {
		t.Helper()
		sum, err := open(t, testutil.Golden("model/"+name)).TensorsSHA256(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		return sum
	}
	ck := open(t, testutil.Golden("model/tiny_jit.pt"))
	var names []string
	for _, p := range ck.Config.parameters() {
		names = append(names, p.name)
	}
	slices.Sort(names)
	var lines strings.Builder
	var r reader
	for _, name := range names {
		values, err := r.read(ck, name)
		if err != nil {
			t.Fatal(err)
		}
		h := sha256.New()
		for _, x := range values {
			h.Write(binary.LittleEndian.AppendUint32(nil, math.Float32bits(x)))
		}
		fmt.Fprintf(&lines, "%s %v %x\n", name, ck.tensors[name].Shape, h.Sum(nil))
	}
	sum := sha256.Sum256([]byte(lines.String()))
	want := hex.EncodeToString(sum[:])
	for _, name := range []string{"tiny_jit.pt", "tiny_legacy.pt", "tiny_openclip.pt", "tiny_sd_fp32.pt", "tiny_sd_fp16.pt", "tiny_sd_mixed.pt"} {
		if got := hash(name); got != want {
			t.Errorf("%s: %s, want %s as of all formats", name, got, want)
		}
	}
	if hash("tiny_sd_bf16.pt") == want {
		t.Error("rounded weights have the same hash")
	}
}

// TestTensorsSHA256InBlocks compares parts of a tensor, as large ones are read, with the
// whole.
func TestTensorsSHA256InBlocks(t *testing.T) {
	ck := open(t, testutil.Golden("model/tiny_sd_fp16.pt"))
	of := ck.tensors["visual.layer4.0.conv2.weight"]
	whole := make([]float32, of.Len())
	if err := ck.file.Float32(of, whole); err != nil {
		t.Fatal(err)
	}
	row := of.Len() / of.Shape[0]
	for lo := 0; lo < of.Shape[0]; lo += 5 {
		hi := min(lo+5, of.Shape[0])
		part := of.Rows(lo, hi)
		values := make([]float32, part.Len())
		if err := ck.file.Float32(part, values); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(values, whole[lo*row:hi*row]) {
			t.Errorf("rows %d to %d are others than in the whole", lo, hi)
		}
	}
}
