package ptfile

import (
	"archive/zip"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strconv"
)

// WriteTensor writes data as torch.save writes a float32 tensor of that shape,
// row-major; torch.load reads it back. Equal arguments give equal bytes.
// It panics when len(data) is not the product of shape.
func WriteTensor(w io.Writer, shape []int, data []float32) error {
	if elements(shape) != len(data) {
		panic("ptfile: length of data is not the product of shape")
	}
	z := zip.NewWriter(w)
	records := []struct {
		name  string
		write func(io.Writer) error
	}{
		{"archive/data.pkl", func(w io.Writer) error { return writeString(w, "\x80\x02"+tensorPickle("0", Float32, shape)+".") }},
		{"archive/data/0", func(w io.Writer) error { return writeFloats(w, data) }},
		{"archive/version", func(w io.Writer) error { return writeString(w, "3\n") }},
	}
	for _, rec := range records {
		// Stored, without a time: torch reads no other method.
		entry, err := z.CreateHeader(&zip.FileHeader{Name: rec.name, Method: zip.Store})
		if err == nil {
			err = rec.write(entry)
		}
		if err != nil {
			return fmt.Errorf("write %s: %w", rec.name, err)
		}
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("write zip directory: %w", err)
	}
	return nil
}

func writeString(w io.Writer, s string) error {
	_, err := io.WriteString(w, s)
	return err
}

// tensorPickle is what a pickle has for a row-major tensor over the whole of a storage.
func tensorPickle(storage string, d DType, shape []int) string {
	const (
		emptyHooks = "ccollections\nOrderedDict\n)R"
		newFalse   = "\x89" // requires_grad
		binPersID  = "Q"
		reduce     = "R"
	)
	class := "ctorch\n" + dtypes[d].storage + "\n"
	return "ctorch._utils\n_rebuild_tensor_v2\n" +
		"(" +
		"(" + pickleString("storage") + class + pickleString(storage) + pickleString("cpu") + pickleInt(elements(shape)) + "t" + binPersID +
		pickleInt(0) + pickleTuple(shape) + pickleTuple(contiguous(shape)) + newFalse + emptyHooks +
		"t" + reduce
}

func pickleString(s string) string {
	return "X" + string(binary.LittleEndian.AppendUint32(nil, uint32(len(s)))) + s
}

func pickleTuple(list []int) string {
	s := "("
	for _, n := range list {
		s += pickleInt(n)
	}
	return s + "t"
}

// pickleInt is n, which is not negative, as BININT or, when it needs more than
// 32 bits, as decimal LONG.
func pickleInt(n int) string {
	if n <= math.MaxInt32 {
		return "J" + string(binary.LittleEndian.AppendUint32(nil, uint32(n)))
	}
	return "L" + strconv.Itoa(n) + "L\n"
}

func writeFloats(w io.Writer, data []float32) error {
	chunk := make([]byte, 0, chunkBytes)
	for len(data) > 0 {
		n := min(len(data), chunkBytes/4)
		chunk = chunk[:0]
		for _, x := range data[:n] {
			chunk = binary.LittleEndian.AppendUint32(chunk, math.Float32bits(x))
		}
		if _, err := w.Write(chunk); err != nil {
			return err
		}
		data = data[n:]
	}
	return nil
}
