package artefact

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/omp"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/unit"
)

// Codes are the sparse codes of units over a list of words.
//
// On disk they are a .npz that scipy.sparse.load_npz reads, a matrix [U,M] by
// columns, with two more arrays, which SciPy passes over: residuals, and stops,
// which is -1 for units that were not to be coded.
type Codes struct {
	Path string
	Rows *npy.Sparse // by row [U,M], words ascending

	// What codes of another program do not have; else [U].
	Residuals []float32 // norms of what the words leave
	Stops     []int8    // omp.Stop, or Uncoded

	Artefact *cache.Artefact // nil for those of another program
	Kernel   string          // of codes to be written, who computed them; see cache.Families
}

// Uncoded is the stop of units that were not to be coded.
const Uncoded = -1

// NewCodes puts the codes of some units, ascending, into those of all.
func NewCodes(codes *omp.Codes, units []int, of int) *Codes {
	m := omp.CSR(codes)
	c := &Codes{
		Rows:      &npy.Sparse{Rows: of, Cols: codes.Words, ByRow: true, Data: m.Data, Indices: m.Indices, Starts: make([]int32, of+1)},
		Residuals: make([]float32, of),
		Stops:     slices.Repeat([]int8{Uncoded}, of),
	}
	next := 0
	for u := range of {
		if next < len(units) && units[next] == u {
			c.Residuals[u], c.Stops[u] = codes.Residuals[next], int8(codes.Stops[next])
			next++
		}
		c.Rows.Starts[u+1] = m.Starts[next]
	}
	return c
}

// Save writes the codes.
func (c *Codes) Save(store *cache.Store, path string, o origin.Origin) error {
	m := cache.Manifest{Kind: KindCodes, Axes: []string{"U", "M"}, Shape: []int{c.Rows.Rows, c.Rows.Cols}, DType: npy.Float32.String(), Origin: o, Payloads: []cache.Payload{{Kernel: c.Kernel}}}
	_, err := store.Save(path, m, func(w io.Writer) error {
		a := npy.NewArchiveWriter(w, true)
		if err := a.WriteSparse(c.Rows.Columnwise()); err != nil {
			return err
		}
		residuals, err := a.Create("residuals")
		if err != nil {
			return err
		}
		if err := npy.WriteFloat32(residuals, []int{len(c.Residuals)}, c.Residuals); err != nil {
			return err
		}
		stops, err := a.Create("stops")
		if err != nil {
			return err
		}
		if err := npy.Write(stops, []int{len(c.Stops)}, c.Stops); err != nil {
			return err
		}
		return a.Close()
	})
	return err
}

// The largest codes that are read: twice the pairs of RN50x64, and 35 times the
// reference's list of words.
const (
	mostUnits = 1 << 19
	mostTexts = 1 << 20
)

// Codes reads codes, ours or the reference's.
func (r Reader) Codes(path string, facts Facts) (*Codes, error) {
	artefact, err := r.Open(path, facts, KindCodes)
	if err != nil {
		return nil, err
	}
	a, err := npy.OpenArchive(path)
	if err != nil {
		return nil, err
	}
	defer a.Close()
	if err := artefact.Unreplaced(); err != nil {
		return nil, err
	}
	m, err := a.ReadSparse(mostUnits, mostTexts)
	if err != nil {
		return nil, err
	}
	if i := FirstNonFinite(m.Data); i >= 0 {
		return nil, fmt.Errorf("%s: coefficient %d is %g, want finite ones", path, i, m.Data[i])
	}
	c := &Codes{Path: path, Rows: m.Rowwise(), Artefact: artefact}
	if artefact == nil {
		return c, nil
	}
	return c, c.readStops(a)
}

// readStops reads what only our codes have.
func (c *Codes) readStops(a *npy.Archive) error {
	residuals, err := a.Read("residuals", 8*int64(c.Rows.Rows))
	if err != nil {
		return err
	}
	if c.Residuals, err = residuals.Float32(); err != nil {
		return fmt.Errorf("%s: residuals: %w", c.Path, err)
	}
	if i := FirstNonFinite(c.Residuals); i >= 0 {
		return fmt.Errorf("%s: residual of unit %d is %g, want finite ones", c.Path, i, c.Residuals[i])
	}
	stops, err := a.Read("stops", 8*int64(c.Rows.Rows))
	if err != nil {
		return err
	}
	numbers, err := stops.Int64()
	if err != nil {
		return fmt.Errorf("%s: stops: %w", c.Path, err)
	}
	rows := c.Rows.Rows
	if len(c.Residuals) != rows || len(numbers) != rows {
		return fmt.Errorf("%s: %s and %s, want %d", c.Path, quantity.Of(len(c.Residuals), "residual"), quantity.Of(len(numbers), "stop"), rows)
	}
	c.Stops = make([]int8, rows)
	for i, n := range numbers {
		if n < Uncoded || n > int64(omp.Dependent) {
			return fmt.Errorf("%s: stop of unit %d is %d, want %d to %d", c.Path, i, n, Uncoded, omp.Dependent)
		}
		c.Stops[i] = int8(n)
	}
	return nil
}

// Want returns an error unless there is a row for each unit and a column for each
// word.
func (c *Codes) Want(units, words int) error {
	if c.Rows.Rows != units || c.Rows.Cols != words {
		return fmt.Errorf("%s: %s over %s, want %d over %d, as the components and the word list have", c.Path, quantity.Of(c.Rows.Rows, "unit"), quantity.Of(c.Rows.Cols, "word"), units, words)
	}
	return nil
}

// WantUnits returns an error if the codes say that they are of neurons where pairs are wanted,
// or the other way round.
func (c *Codes) WantUnits(pairs bool) error {
	if of := c.Units().Shape; of != nil && of.IsPairs() != pairs {
		return otherUnits(c.Path, inWords(KindCodes), of.IsPairs())
	}
	return nil
}

// Units is what the rows are of, without a shape where the file does not say.
func (c *Codes) Units() unit.Layered {
	if c.Artefact == nil || c.Artefact.Manifest.Origin.Code == nil {
		return unit.Layered{}
	}
	units := unit.Layered{Layers: LayersOf(c.Artefact)}
	switch code := c.Artefact.Manifest.Origin.Code; {
	case code.Neurons < 1:
	case code.Heads < 1:
		units.Shape = unit.Shape{code.Neurons}
	default:
		units.Shape = unit.Shape{code.Heads, code.Neurons}
	}
	return units
}

// IsCoded reports whether a unit was to be coded.
func (c *Codes) IsCoded(u int) bool { return c.Stops == nil || c.Stops[u] != Uncoded }

// SaveDescriptions writes the codes of some units as the reference has them, JSON.
func (c *Codes) SaveDescriptions(store *cache.Store, path string, words []string, units int, o origin.Origin) error {
	m := cache.Manifest{Kind: KindDescriptions, Axes: []string{"U"}, Shape: []int{units}, Origin: o, Payloads: []cache.Payload{{Kernel: c.Kernel}}}
	_, err := store.Save(path, m, func(w io.Writer) error { return c.writeDescriptions(w, words) })
	return err
}

// A Term is a word and its coefficient in a code.
type Term struct {
	Index       int     `json:"index"` // in the list of words
	Word        string  `json:"word"`
	Coefficient float32 `json:"coefficient"`
}

// Terms is the code of a unit by descending absolute coefficient; equal ones in
// the order of the words.
func (c *Codes) Terms(unit int, words []string) []Term {
	indices, values := c.Rows.Slice(unit)
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
func (c *Codes) writeDescriptions(to io.Writer, words []string) error {
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
	for u := range c.Rows.Rows {
		if c.Stops[u] == Uncoded {
			continue
		}
		line = append(append(line[:0], separator...), '"')
		line = append(strconv.AppendInt(line, int64(u), 10), `": [`...)
		for i, t := range c.Terms(u, words) {
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
