package imageprep

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

// TestForms compares images for models that are not prepared as CLIP is with those that Pillow
// and NumPy make; scripts/form_sweep.py writes the file.
func TestForms(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("testdata", "forms.txt"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	if len(lines) < 100 {
		t.Fatalf("%d lines", len(lines))
	}
	for _, line := range lines {
		var name, order, fit, mean, std, want string
		var in Input
		if _, err := fmt.Sscan(line, &name, &order, &fit, &in.Side, &mean, &std, &want); err != nil {
			t.Fatal(err)
		}
		var o Options
		var m, s [3]float32
		for _, step := range []func() error{
			func() (err error) { o.Order, err = ParseOrder(order); return err },
			func() (err error) { in.Fit, err = ParseFit(fit); return err },
			func() (err error) { m, err = ParseNumbers(mean); return err },
			func() (err error) { s, err = ParseNumbers(std); return err },
			func() (err error) { in.Channels, err = NewChannels(m, s); return err },
		} {
			if err := step(); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
		}
		f, err := Load(testutil.Golden("images/" + name))
		if err != nil {
			t.Fatal(err)
		}
		got := make([]float32, 3*in.Side*in.Side)
		if err := PreprocessFile(got, f, in, o); err != nil {
			t.Error(err)
			continue
		}
		var b bytes.Buffer
		if err := binary.Write(&b, binary.LittleEndian, got); err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(b.Bytes()); hex.EncodeToString(sum[:]) != want {
			t.Errorf("%s: SHA-256 %x", line, sum)
		}
	}
}

func TestChannels(t *testing.T) {
	mean, std := Channels{}.Numbers()
	if c, err := NewChannels(mean, std); err != nil || c != (Channels{}) {
		t.Errorf("CLIP's: %v, %v", c, err)
	}
	for _, n := range [][3]float32{mean, std} {
		if again, err := ParseNumbers(FormatNumbers(n)); err != nil || again != n {
			t.Errorf("%v: %v, %v", n, again, err)
		}
	}
	half := [3]float32{0.5, 0.5, 0.5}
	if c, err := NewChannels(half, half); err != nil || c != (Channels{half, half}) {
		t.Errorf("%v, %v", c, err)
	}
	nan := float32(math.NaN())
	for _, bad := range [][2][3]float32{{{nan, 0, 0}, half}, {{0, 257, 0}, half}, {half, {0, 1, 1}}, {half, {1, -1, 1}}, {half, {1, nan, 1}}, {half, {1, 1, 1000}}} {
		if c, err := NewChannels(bad[0], bad[1]); err == nil {
			t.Errorf("%v: %v", bad, c)
		}
	}
	for _, bad := range []string{"", "1", "1,2", "1,2,3,4", "a,b,c", "NaN,1,1", "1,Inf,1", "1e99,1,1"} {
		if n, err := ParseNumbers(bad); err == nil {
			t.Errorf("%q: %v", bad, n)
		}
	}
	if n, err := ParseNumbers(" 0.5, 1e-3 ,2"); err != nil || FormatNumbers(n) != "0.5,0.001,2" {
		t.Errorf("%v, %v", n, err)
	}
	if _, err := ParseFit("longest"); testutil.Line(err, `"longest", want shortest, squash, shortest-bilinear, squash-bilinear`) != nil {
		t.Error(err)
	}
}
