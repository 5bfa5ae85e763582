package clip

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/ptfile"
)

// A PoolEdit is what WriteEdited changes in the attention pool; see decomp.OV's
// EditedValue.
type PoolEdit struct {
	Factors    []float64 // of the columns of W_V, [H,C]
	BiasChange []float64 // added to c_proj's bias, [O]; nil leaves its bytes alone
}

const (
	valueName   = "visual.attnpool.v_proj.weight"
	outBiasName = "visual.attnpool.c_proj.bias"
)

// ValueType is the number type of W_V in the file.
func (ck *Checkpoint) ValueType() ptfile.DType { return ck.tensors[valueName].DType }

// OutBiasType is the number type of c_proj's bias in the file.
func (ck *Checkpoint) OutBiasType() ptfile.DType { return ck.tensors[outBiasName].DType }

// editedBiasType is that of a changed bias: one of half precision becomes float32, since
// rounding the sum of many means would change the features.
func (ck *Checkpoint) editedBiasType() ptfile.DType {
	if ck.OutBiasType() == ptfile.Float64 {
		return ptfile.Float64
	}
	return ptfile.Float32
}

// An Edition is a checkpoint prepared to be written again with a PoolEdit.
type Edition struct {
	// LeftOut are tensors that the new file does not have, by name: those that lists and
	// numbers lead to, as of an optimizer, and, where the format has no dicts in dicts,
	// those beside the dict of the weights.
	LeftOut []string
	// Unedited are other copies of W_V in the file, such as those of averaged weights,
	// which are written as they are.
	Unedited []string
	// Bytes are those of all tensors.
	Bytes int64

	entries []ptfile.Entry
}

// Edition prepares to write the checkpoint's tensors in their order, under their names and
// with their types and bytes, but for what e changes. flat asks for names without dicts
// around them, as safetensors has them; those of TorchScript archives always are. tell is
// told of bytes as they are written. A model whose weights lie in a list is refused.
func (ck *Checkpoint) Edition(ctx context.Context, e PoolEdit, flat bool, tell func(bytes int64)) (*Edition, error) {
	for _, p := range ck.Config.parameters() {
		if t := ck.tensors[p.name]; !t.HasKeys() {
			return nil, hinted{
				fmt.Errorf("%s: tensor %s is in a list, or under a number, want weights in dicts", ck.path, foreign.Name(t.Name)),
				"save its state dict alone from Python, with torch.save",
			}
		}
	}
	var container []string // that flat names leave away
	if flat {
		container = ck.container()
	}
	ed := &Edition{}
	value, bias := ck.tensors[valueName], ck.tensors[outBiasName]
	for _, t := range ck.file.Tensors() {
		keys, ok := t.Keys()
		if !ok || len(keys) <= len(container) || !slices.Equal(keys[:len(container)], container) {
			ed.LeftOut = append(ed.LeftOut, t.Name)
			continue
		}
		if keys = keys[len(container):]; flat || ck.Format() == ptfile.FormatTorchScript {
			keys = []string{strings.Join(keys, ".")}
		}
		entry := ptfile.Entry{Keys: keys, DType: t.DType, Shape: t.Shape}
		write := func(w io.Writer) error { return ck.file.Copy(w, t) }
		switch {
		case t.Name == value.Name:
			write = func(w io.Writer) error { return ck.writeValue(w, t, e.Factors) }
		case t.Name == bias.Name && e.BiasChange != nil:
			entry.DType = ck.editedBiasType()
			write = func(w io.Writer) error { return ck.writeBias(w, e.BiasChange) }
		case isValue(t.Name):
			ed.Unedited = append(ed.Unedited, t.Name)
		}
		bytes := int64(t.Len()) * int64(entry.DType.Size())
		entry.Write = func(w io.Writer) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			err := write(w)
			tell(bytes)
			return err
		}
		ed.entries = append(ed.entries, entry)
		ed.Bytes += bytes
	}
	return ed, nil
}

// Write writes the file by one of ptfile's writers.
func (ed *Edition) Write(w io.Writer, write func(io.Writer, []ptfile.Entry) error) error {
	return write(w, ed.entries)
}

// isValue reports whether a tensor has the name that W_V has in some naming, below any
// prefix.
func isValue(name string) bool {
	name = "." + unwrapped(name)
	return slices.ContainsFunc([]string{".attnpool.v_proj.weight", ".attnpool.qkv.weight", ".head.v.weight", ".head.qkv.weight"}, func(end string) bool {
		return strings.HasSuffix(name, end)
	})
}

// container are the keys of the dicts that all weights of the model are in.
func (ck *Checkpoint) container() []string {
	var common []string
	first := true
	for _, t := range ck.tensors {
		keys, _ := t.Keys()
		dicts := keys[:max(len(keys)-1, 0)]
		if first {
			common, first = dicts, false
		}
		n := 0
		for n < min(len(common), len(dicts)) && common[n] == dicts[n] {
			n++
		}
		common = common[:n]
	}
	return common
}

// writeValue writes the tensor of the file that W_V is, or is the last rows of, with the
// columns of W_V multiplied by factors [H,C]. Weights whose factor is 1 keep their bytes.
func (ck *Checkpoint) writeValue(w io.Writer, t ptfile.Tensor, factors []float64) error {
	C := ck.Config.Neurons()
	size, at := t.DType.Size(), C*C-t.Len() // below 0: queries and keys
	var buf []byte
	return ck.file.Copy(writerFunc(func(b []byte) (int, error) {
		buf = append(buf[:0], b...)
		for i := 0; i < len(buf); i, at = i+size, at+1 {
			if at < 0 {
				continue
			}
			row, n := at/C, at%C // row is h*D+d
			if f := factors[row/HeadWidth*C+n]; f != 1 {
				element := buf[i : i+size]
				t.DType.Put(element, t.DType.Value(element)*f)
			}
		}
		return w.Write(buf)
	}), t)
}

// writeBias writes c_proj's bias with change [O] added.
func (ck *Checkpoint) writeBias(w io.Writer, change []float64) error {
	t, d := ck.tensors[outBiasName], ck.editedBiasType()
	size, at := t.DType.Size(), 0
	return ck.file.Copy(writerFunc(func(b []byte) (int, error) {
		out := make([]byte, len(b)/size*d.Size())
		for i := range len(b) / size {
			d.Put(out[i*d.Size():], t.DType.Value(b[i*size:])+change[at])
			at++
		}
		if _, err := w.Write(out); err != nil {
			return 0, err
		}
		return len(b), nil
	}), t)
}

type writerFunc func(b []byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// CheckEdited returns an error unless all weights of W_V, edited by factors [H,C] to
// edited [C,C], and a changed bias are finite.
func (ck *Checkpoint) CheckEdited(edited []float32, bias []float32) error {
	for _, part := range []struct {
		name   string
		values []float32
		d      ptfile.DType
	}{{valueName, edited, ck.ValueType()}, {outBiasName, bias, ck.editedBiasType()}} {
		for i, x := range part.values {
			if x-x != 0 { // only NaN and the infinities
				return fmt.Errorf("%s: %s: element %d would be %g in %s, want finite weights", ck.path, foreign.Name(part.name), i, x, part.d)
			}
		}
	}
	return nil
}
