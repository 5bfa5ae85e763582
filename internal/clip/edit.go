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

// An Edition is a checkpoint prepared to be written again with an Edit.
type Edition struct {
	// LeftOut are tensors that the new file does not have, by name: those that lists and
	// numbers lead to, as of an optimizer, and, where the format has no dicts in dicts,
	// those beside the dict of the weights.
	LeftOut []string
	// Unedited are other copies of the edited weights in the file, such as those of averaged weights,
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
func (ck *Checkpoint) Edition(ctx context.Context, e *Edit, flat bool, tell func(bytes int64)) (*Edition, error) {
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
	matrix, bias := ck.tensors[e.matrix], ck.tensors[e.bias]
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
		case t.Name == matrix.Name:
			write = func(w io.Writer) error { return ck.writeMatrix(w, t, e) }
		case t.Name == bias.Name && e.biasChange != nil:
			entry.DType = biasType(t.DType)
			write = func(w io.Writer) error { return ck.writeBias(w, t, e.biasChange) }
		case e.isCopy(t.Name):
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

// copies are the ends of the names that the edited matrix has in some naming.
func (e *columnEdit) copies() []string {
	if layer, ok := strings.CutPrefix(e.matrix, "visual.transformer.resblocks."); ok {
		number, of, _ := strings.Cut(layer, ".")
		theirs := map[string]string{"mlp.c_proj.weight": "mlp.fc2.weight", "attn.out_proj.weight": "self_attn.out_proj.weight"}
		return []string{"." + e.matrix, ".vision_model.encoder.layers." + number + "." + theirs[of]}
	}
	return []string{".attnpool.v_proj.weight", ".attnpool.qkv.weight", ".head.v.weight", ".head.qkv.weight"}
}

// isCopy reports whether a tensor has such a name, below any prefix.
func (e *columnEdit) isCopy(name string) bool {
	name = "." + unwrapped(name)
	return slices.ContainsFunc(e.copies(), func(end string) bool { return strings.HasSuffix(name, end) })
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

// writeMatrix writes the tensor of the file that the edited matrix is, or is the last rows
// of, with the columns multiplied. Weights whose factor is 1 keep their bytes.
func (ck *Checkpoint) writeMatrix(w io.Writer, t ptfile.Tensor, e *Edit) error {
	size, at := t.DType.Size(), ck.tensors[e.matrix].Len()-t.Len() // below 0: queries and keys
	var buf []byte
	return ck.file.Copy(writerFunc(func(b []byte) (int, error) {
		buf = append(buf[:0], b...)
		for i := 0; i < len(buf); i, at = i+size, at+1 {
			if at < 0 {
				continue
			}
			if f := e.factor(at); f != 1 {
				element := buf[i : i+size]
				t.DType.Put(element, t.DType.Value(element)*f)
			}
		}
		return w.Write(buf)
	}), t)
}

// writeBias writes a bias with change added.
func (ck *Checkpoint) writeBias(w io.Writer, t ptfile.Tensor, change []float64) error {
	d := biasType(t.DType)
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
