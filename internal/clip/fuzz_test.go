package clip

import (
	"strings"
	"testing"
	"unicode"

	"github.com/clipnh/clipnh/internal/ptfile"
	"github.com/clipnh/clipnh/internal/testutil"
)

// inferFactor is what reading the sizes off a checkpoint may allocate in all for
// each byte of its tensors' names.
const inferFactor = 256

// FuzzInfer takes a tensor from the golden model, adds another one, and has the
// sizes read off what there is.
func FuzzInfer(f *testing.F) {
	file, err := ptfile.Open(testutil.Golden("model/tiny_sd_fp32.pt"))
	if err != nil {
		f.Fatal(err)
	}
	tensors := file.Tensors()
	if err := file.Close(); err != nil {
		f.Fatal(err)
	}
	f.Add(-1, "logit_scale", []byte{}, uint8(ptfile.Float32))
	for i, t := range tensors {
		if i%16 != 0 {
			continue
		}
		var shape []byte
		for _, d := range t.Shape {
			shape = append(shape, byte(d), byte(d>>8))
		}
		f.Add(i, t.Name, shape, uint8(ptfile.Float16))
		f.Add(i, "module."+t.Name, append(shape, 1, 0), uint8(t.DType))
		f.Add(-1, "state_dict."+t.Name, shape, uint8(ptfile.Int64))
	}
	f.Add(-1, "visual.layer1.1.conv1.weight", []byte{255, 255, 255, 255}, uint8(ptfile.Float32))
	f.Add(-1, "visual.class_embedding", []byte{}, uint8(ptfile.Float32))
	dir := f.TempDir() // without any file
	f.Fuzz(func(t *testing.T, drop int, name string, shape []byte, dtype uint8) {
		if strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) || len(name) > 1024 {
			return // ptfile lets no such name in
		}
		var tensors []ptfile.Tensor
		size := len(name)
		for i, tensor := range tensors {
			if i != drop {
				tensors = append(tensors, tensor)
				size += len(tensor.Name)
			}
		}
		added := ptfile.Tensor{Name: name, DType: ptfile.DType(dtype), Shape: make([]int, len(shape)/2)}
		for i := range added.Shape {
			added.Shape[i] = int(shape[2*i]) | int(shape[2*i+1])<<8
			if shape[2*i+1] == 255 { // so that large ones are met too
				added.Shape[i] <<= shape[2*i] % 48
			}
		}
		tensors = append(tensors, added)
		var c Config
		if testutil.Parsed(t, testutil.Multiple(size, inferFactor), func() (err error) {
			byName, _, err := canonical(tensors)
			if err == nil {
				assemble(byName)
				c, _, err = infer(byName, "", dir, Details{})
			}
			return err
		}) {
			if err := c.validate(); err != nil {
				t.Errorf("sizes that cannot be: %v", err)
			}
		}
	})
}
