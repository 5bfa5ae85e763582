package pipeline

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/omp"
)

// decomposition is the codes of a file's units over a list of words.
//
// On disk it is a .npz that scipy.sparse.load_npz reads, a matrix [U,M] by columns,
// with two more arrays, which SciPy passes over: residuals, and stops, which is -1
// for units that were not to be coded.
type decomposition struct {
	rows *npy.Sparse // by row [U,M], words ascending

	// What a decomposition of another program does not have; else [U].
	residuals []float32 // norms of what the words leave
	stops     []int8    // omp.Stop, or uncoded

	artefact *cache.Artefact // that it was read from, nil for that of another program
}

// uncoded is the stop of units that were not to be coded.
const uncoded = -1

// newDecomposition puts the codes of some units, ascending, into those of all.
func newDecomposition(codes *omp.Codes, units []int, of int) *decomposition {
	m := omp.CSR(codes)
	d := &decomposition{
		rows:      &npy.Sparse{Rows: of, Cols: codes.Words, ByRow: true, Data: m.Data, Indices: m.Indices, Starts: make([]int32, of+1)},
		residuals: make([]float32, of),
		stops:     slices.Repeat([]int8{uncoded}, of),
	}
	next := 0
	for u := range of {
		if next < len(units) && units[next] == u {
			d.residuals[u], d.stops[u] = codes.Residuals[next], int8(codes.Stops[next])
			next++
		}
		d.rows.Starts[u+1] = m.Starts[next]
	}
	return d
}

// save writes the decomposition as an artefact.
func (d *decomposition) save(path string, origin cache.Origin) error {
	m := cache.Manifest{Kind: kindCodes, Axes: []string{"U", "M"}, Shape: []int{d.rows.Rows, d.rows.Cols}, DType: npy.Float32.String(), Origin: origin}
	_, err := cache.Save(path, m, func(w io.Writer) error {
		a := npy.NewArchiveWriter(w, true)
		if err := a.WriteSparse(d.rows.Columnwise()); err != nil {
			return err
		}
		residuals, err := a.Create("residuals")
		if err != nil {
			return err
		}
		if err := npy.WriteFloat32(residuals, []int{len(d.residuals)}, d.residuals); err != nil {
			return err
		}
		stops, err := a.Create("stops")
		if err != nil {
			return err
		}
		if err := npy.Write(stops, []int{len(d.stops)}, d.stops); err != nil {
			return err
		}
		return a.Close()
	})
	return err
}

// The largest decomposition that is read: twice the pairs of RN50x64, and 35
// times the reference's list of words.
const (
	mostUnits = 1 << 19
	mostTexts = 1 << 20
)

// readDecomposition reads a decomposition, ours or the reference's.
func readDecomposition(path string) (*decomposition, error) {
	artefact, err := openOurs(path, kindCodes)
	if err != nil {
		if errors.Is(err, cache.ErrMissing) {
			err = hinted{err, fmt.Sprintf("run \"clipnh sparse --decomposition-save-path %s\" first", path)}
		}
		return nil, err
	}
	a, err := npy.OpenArchive(path)
	if err != nil {
		return nil, err
	}
	defer a.Close()
	m, err := a.ReadSparse(mostUnits, mostTexts)
	if err != nil {
		return nil, err
	}
	d := &decomposition{rows: m.Rowwise(), artefact: artefact}
	for _, x := range m.Data {
		if x-x != 0 {
			return nil, fmt.Errorf("%s: a coefficient is %g, want finite ones", path, x)
		}
	}
	if artefact == nil {
		return d, nil
	}
	residuals, err := a.Read("residuals", 8*int64(m.Rows))
	if err != nil {
		return nil, err
	}
	if d.residuals, err = residuals.Float32(); err != nil {
		return nil, fmt.Errorf("%s: residuals: %w", path, err)
	}
	if i := notFinite(d.residuals); i >= 0 {
		return nil, fmt.Errorf("%s: residual of unit %d is %g, want finite ones", path, i, d.residuals[i])
	}
	stops, err := a.Read("stops", 8*int64(m.Rows))
	if err != nil {
		return nil, err
	}
	numbers, err := stops.Int64()
	if err != nil {
		return nil, fmt.Errorf("%s: stops: %w", path, err)
	}
	if len(d.residuals) != m.Rows || len(numbers) != m.Rows {
		return nil, fmt.Errorf("%s: %d residuals and %d stops, want %d", path, len(d.residuals), len(numbers), m.Rows)
	}
	d.stops = make([]int8, m.Rows)
	for i, n := range numbers {
		if n < uncoded || n > int64(omp.Dependent) {
			return nil, fmt.Errorf("%s: stop of unit %d is %d, want %d to %d", path, i, n, uncoded, omp.Dependent)
		}
		d.stops[i] = int8(n)
	}
	return d, nil
}

// A Term is a word and its coefficient in a code.
type Term struct {
	Index       int     `json:"index"` // in the list of words
	Word        string  `json:"word"`
	Coefficient float32 `json:"coefficient"`
}

// terms are the code of a unit by descending absolute coefficient; equal ones in
// the order of the words.
func (d *decomposition) terms(unit int, words []string) []Term {
	indices, values := d.rows.Slice(unit)
	terms := make([]Term, len(indices))
	for i, at := range indices {
		terms[i] = Term{int(at), words[at], values[i]}
	}
	slices.SortFunc(terms, func(a, b Term) int {
		return cmp.Or(cmp.Compare(math.Abs(float64(b.Coefficient)), math.Abs(float64(a.Coefficient))), cmp.Compare(a.Index, b.Index))
	})
	return terms
}

// writeDescriptions writes the codes as the reference has them,
//
//	{"unit": [[word index, coefficient, word], ...], ...}
//
// by descending absolute coefficient, a unit a line. Units that were not to be
// coded are left out.
func (d *decomposition) writeDescriptions(to io.Writer, words []string) error {
	quoted := make([][]byte, len(words))
	for i, word := range words {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if err := e.Encode(word); err != nil {
			return err
		}
		quoted[i] = bytes.TrimSpace(b.Bytes())
	}
	w := bufio.NewWriter(to)
	separator := "{\n"
	var line []byte
	for u := range d.rows.Rows {
		if d.stops[u] == uncoded {
			continue
		}
		line = append(append(line[:0], separator...), '"')
		line = append(strconv.AppendInt(line, int64(u), 10), `": [`...)
		for i, t := range d.terms(u, words) {
			if i > 0 {
				line = append(line, ", "...)
			}
			line = strconv.AppendInt(append(line, '['), int64(t.Index), 10)
			line = strconv.AppendFloat(append(line, ", "...), float64(t.Coefficient), 'g', -1, 32)
			line = append(append(append(line, ", "...), quoted[t.Index]...), ']')
		}
		if _, err := w.Write(append(line, ']')); err != nil {
			return err
		}
		separator = ",\n"
	}
	if _, err := w.WriteString("\n}\n"); err != nil {
		return err
	}
	return w.Flush()
}
