package artefact

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/ptfile"
	"github.com/clipnh/clipnh/internal/quantity"
)

// Embeddings are texts as vectors of the space that images and texts share.
type Embeddings struct {
	Path     string
	Rows     []float32 // [M,O]
	Texts    int       // M
	OutDim   int       // O
	Artefact *cache.Artefact
}

// Embeddings reads texts' embeddings, [M,O], from .npy or .pt, as they are: their
// lengths may differ. outDim is the O wanted, 0 for any.
func (r Reader) Embeddings(path string, facts Facts, outDim int) (*Embeddings, error) {
	a, err := r.Open(path, facts, KindEmbeddings)
	if err != nil {
		return nil, err
	}
	rows, shape, err := readTensor(path)
	if err == nil {
		err = a.Unreplaced()
	}
	if err != nil {
		return nil, err
	}
	want := "[texts,dimensions]"
	if outDim > 0 {
		want = fmt.Sprintf("[texts,%d]", outDim)
	}
	if len(shape) != 2 || Product(shape) == 0 || outDim > 0 && shape[1] != outDim {
		return nil, fmt.Errorf("%s: shape %s, want %s", path, npy.ShapeString(shape), want)
	}
	return &Embeddings{path, rows, shape[0], shape[1], a}, checkFinite(path, rows, shape)
}

// UnitEmbeddings is Embeddings with the rows as unit vectors, in case another
// program wrote them otherwise.
func (r Reader) UnitEmbeddings(path string, facts Facts, outDim int) (*Embeddings, error) {
	e, err := r.Embeddings(path, facts, outDim)
	if err != nil {
		return nil, err
	}
	for i := range e.Texts {
		row := e.Rows[i*e.OutDim : (i+1)*e.OutDim]
		n := decomp.Norm(row)
		if !(n > 0) || math.IsInf(n, 1) {
			return nil, fmt.Errorf("%s: row %d has no direction (it is zero)", path, i)
		}
		for o := range row {
			row[o] = float32(float64(row[o]) / n)
		}
	}
	return e, nil
}

// SaveEmbeddings writes embeddings [M,O] to .npy or .pt. compute is called while
// the file is locked, so that a second writer does not do the same work.
func (w Writer) SaveEmbeddings(path string, texts, outDim int, o origin.Origin, compute func() ([]float32, error)) error {
	shape := []int{texts, outDim}
	m := cache.Manifest{Kind: KindEmbeddings, Axes: []string{"M", "O"}, Shape: shape, DType: npy.Float32.String(), Origin: o}
	_, err := w.Store.Save(path, m, func(to io.Writer) error {
		rows, err := compute()
		if err != nil {
			return err
		}
		if filepath.Ext(path) == ".pt" {
			return ptfile.WriteTensor(to, shape, rows)
		}
		return npy.WriteFloat32(to, shape, rows)
	})
	return err
}

// IsEmbeddings reports whether a path names a kind of file that embeddings are
// kept in.
func IsEmbeddings(path string) bool {
	ext := filepath.Ext(path)
	return ext == ".npy" || ext == ".pt"
}

// readTensor reads a whole tensor from .npy, or from a .pt of one tensor, told
// apart by content.
func readTensor(path string) ([]float32, []int, error) {
	isNumPy, err := startsWith(path, "\x93NUMPY")
	if err != nil {
		return nil, nil, err
	}
	if isNumPy {
		return npy.ReadFloat32(path)
	}
	if strings.EqualFold(filepath.Ext(path), ".txt") {
		err := fmt.Errorf("%s: a list of texts, want their embeddings, .npy or .pt", path)
		return nil, nil, hint.With(err, fmt.Sprintf("run %q, and give what it writes", "clipnh embed {lines} "+path))
	}
	f, err := ptfile.Open(path)
	if err != nil {
		var advised interface{ Hint() string }
		if !errors.Is(err, fs.ErrNotExist) && (!errors.As(err, &advised) || advised.Hint() == "") {
			err = hint.With(err, `give embeddings, the .npy or .pt that "clipnh embed" wrote`)
		}
		return nil, nil, err
	}
	defer f.Close()
	tensors := f.Tensors()
	if len(tensors) != 1 {
		return nil, nil, fmt.Errorf("%s: %s, want one", path, quantity.Of(len(tensors), "tensor"))
	}
	data := make([]float32, tensors[0].Len())
	return data, tensors[0].Shape, f.Float32(tensors[0], data)
}

// CheckTensorFile returns an error unless all of a file of one tensor is finite. Of a file of
// several, a checkpoint, every tensor must be readable and have its checksum where the
// format has one; its values are the model's matter, as masks of -Inf are.
func CheckTensorFile(path string) error {
	f, err := ptfile.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if tensors := f.Tensors(); len(tensors) > 1 {
		var values []float32
		for _, t := range tensors {
			values = slices.Grow(values[:0], t.Len())[:t.Len()]
			if err := f.Float32(t, values); err != nil {
				return err
			}
		}
		return nil
	}
	data, shape, err := readTensor(path)
	if err != nil {
		return err
	}
	return checkFinite(path, data, shape)
}

// CheckTensors returns an error unless all floating-point tensors of a checkpoint are
// finite.
func CheckTensors(path string) error {
	f, err := ptfile.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	for _, t := range f.Tensors() {
		if !t.DType.IsFloat() {
			continue
		}
		data := make([]float32, t.Len())
		if err := f.Float32(t, data); err != nil {
			return err
		}
		if i := FirstNonFinite(data); i >= 0 {
			return NotFinite(path+": "+foreign.Name(t.Name), i, t.Shape, data[i])
		}
	}
	return nil
}

// startsWith reports whether a file begins with magic bytes.
func startsWith(path, magic string) (bool, error) {
	f, err := foreign.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	got := make([]byte, len(magic))
	if _, err := io.ReadFull(f, got); err != nil {
		return false, nil // shorter than that, or not to be read, which its reader says
	}
	return string(got) == magic, nil
}
