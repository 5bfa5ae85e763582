package pipeline

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/par"
)

// How the embeddings of a dictionary are normalised, after their mean is taken
// away.
const (
	NormalizeColumns = "columns" // each dimension over the texts, as the reference has it
	NormalizeRows    = "rows"    // each text
	NormalizeNone    = "none"
)

// normalizeDictionary makes a dictionary of embeddings [M,O], in place: their
// mean is taken away, and rows or columns become unit vectors. Those that are
// zero stay so.
func normalizeDictionary(rows []float32, outDim int, how string) {
	M := len(rows) / outDim
	mean := make([]float64, outDim)
	for i, x := range rows {
		mean[i%outDim] += float64(x)
	}
	for o := range mean {
		mean[o] /= float64(M)
	}
	squares := make([]float64, outDim) // of the columns
	for i := range M {
		row := rows[i*outDim : (i+1)*outDim]
		for o, x := range row {
			c := float64(x) - mean[o]
			row[o] = float32(c)
			squares[o] += c * c
		}
		if how == NormalizeRows {
			makeUnit(row)
		}
	}
	if how != NormalizeColumns {
		return
	}
	for i := range rows {
		if s := squares[i%outDim]; s > 0 {
			rows[i] = float32(float64(rows[i]) / math.Sqrt(s))
		}
	}
}

// makeUnit divides a vector by its norm, if it has one.
func makeUnit(x []float32) {
	if n := norm(x); n > 0 {
		for i := range x {
			x[i] = float32(float64(x[i]) / n)
		}
	}
}

// codes are sparse combinations of texts, one for each unit, as directions.
type codes struct {
	start   []int     // [units+1], where each unit's entries begin
	column  []int32   // texts
	value   []float32 // coefficients
	texts   []float32 // dictionary, [M,O]
	outDim  int
	workers par.Team
}

// openCodes reads sparse codes and the dictionary that they are over.
func openCodes(path, textsPath, normalize string, units, outDim int, weights string, team par.Team) (*codes, error) {
	for _, p := range []string{path, textsPath} {
		if err := requireModel(p, weights); err != nil {
			return nil, err
		}
	}
	texts, shape, err := readTensor(textsPath)
	if err != nil {
		return nil, err
	}
	if len(shape) != 2 || shape[0] < 1 || shape[1] != outDim {
		return nil, fmt.Errorf("%s: shape %s, want [texts,%d]", textsPath, npy.ShapeString(shape), outDim)
	}
	normalizeDictionary(texts, outDim, normalize)
	a, err := npy.OpenArchive(path)
	if err != nil {
		return nil, err
	}
	defer a.Close()
	c := &codes{texts: texts, outDim: outDim, workers: team}
	if err := c.readSparse(a, units, shape[0]); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// read writes the units' combinations, made unit vectors.
func (c *codes) read(dst []float32, first int) error {
	O := c.outDim
	c.workers.For(len(dst)/O, func(lo, hi, _ int) {
		sum := make([]float64, O)
		for u := lo; u < hi; u++ {
			clear(sum)
			for i := c.start[first+u]; i < c.start[first+u+1]; i++ {
				x := float64(c.value[i])
				for o, t := range c.texts[int(c.column[i])*O : (int(c.column[i])+1)*O] {
					sum[o] += x * float64(t)
				}
			}
			row := dst[u*O : (u+1)*O]
			for o := range row {
				row[o] = float32(sum[o])
			}
			makeUnit(row)
		}
	})
	return nil
}

func (c *codes) close() error { return nil }

// readSparse reads a matrix [units,texts] as scipy.sparse.save_npz writes it,
// compressed by rows (csr) or by columns (csc). Besides one number for each
// unit it takes at most some ten times the memory of the archive's arrays.
func (c *codes) readSparse(a *npy.Archive, units, texts int) error {
	format, err := archiveText(a, "format")
	if err != nil {
		return err
	}
	if format != "csr" && format != "csc" {
		return fmt.Errorf("sparse format %q, want csr or csc", format)
	}
	shape, err := archiveInts(a, "shape")
	if err != nil {
		return err
	}
	if want := []int64{int64(units), int64(texts)}; !slices.Equal(shape, want) {
		return fmt.Errorf("shape %v, want %v: a row for each unit of the means, a column for each text", shape, want)
	}
	start, err := archiveInts(a, "indptr")
	if err != nil {
		return err
	}
	index, err := archiveInts(a, "indices")
	if err != nil {
		return err
	}
	data, err := a.Read("data")
	if err != nil {
		return err
	}
	value, err := data.Float32()
	if err != nil {
		return fmt.Errorf("data: %w", err)
	}
	major, minor := units, texts
	if format == "csc" {
		major, minor = texts, units
	}
	if err := checkSparse(start, index, value, major, minor); err != nil {
		return err
	}
	if format == "csr" {
		c.setRows(start, index, value)
	} else {
		c.setColumns(start, index, value, units)
	}
	return nil
}

// checkSparse checks the arrays of a compressed matrix.
func checkSparse(start, index []int64, value []float32, major, minor int) error {
	switch {
	case len(start) != major+1 || start[0] != 0 || start[major] != int64(len(index)):
		return errors.New("indptr does not span the entries")
	case len(index) != len(value):
		return fmt.Errorf("%d indices for %d entries", len(index), len(value))
	case !slices.IsSorted(start):
		return errors.New("indptr descends")
	}
	for i, at := range index {
		if at < 0 || at >= int64(minor) {
			return fmt.Errorf("index %d of entry %d, want 0 to %d", at, i, minor-1)
		}
		if value[i]-value[i] != 0 {
			return fmt.Errorf("entry %d is %g, want a finite number", i, value[i])
		}
	}
	return nil
}

func (c *codes) setRows(start, index []int64, value []float32) {
	c.value = value
	for _, s := range start {
		c.start = append(c.start, int(s))
	}
	for _, i := range index {
		c.column = append(c.column, int32(i))
	}
}

// setColumns takes entries by columns and sorts them by rows.
func (c *codes) setColumns(start, index []int64, value []float32, rows int) {
	c.start = make([]int, rows+1)
	for _, row := range index {
		c.start[row+1]++
	}
	for row := range rows {
		c.start[row+1] += c.start[row]
	}
	c.column, c.value = make([]int32, len(index)), make([]float32, len(index))
	next := slices.Clone(c.start)
	for column := range len(start) - 1 {
		for i := start[column]; i < start[column+1]; i++ {
			at := next[index[i]]
			next[index[i]]++
			c.column[at], c.value[at] = int32(column), value[i]
		}
	}
}

func archiveInts(a *npy.Archive, name string) ([]int64, error) {
	array, err := a.Read(name)
	if err != nil {
		return nil, err
	}
	ints, err := array.Int64()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return ints, nil
}

func archiveText(a *npy.Archive, name string) (string, error) {
	array, err := a.Read(name)
	if err != nil {
		return "", err
	}
	text, err := array.Strings()
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	return strings.Join(text, ""), nil
}
