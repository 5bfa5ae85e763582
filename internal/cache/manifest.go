package cache

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"path/filepath"

	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/quantity"
)

const (
	// Format marks manifests as those of this program.
	Format = "clipnh"

	// Version is the version written. Versions minVersion to Version are read.
	// Version 1 has no checksums of inputs, nor of the manifest itself. Versions 1
	// and 2 have an origin.Legacy; up to 3, families of kernels are not known.
	Version    = 4
	minVersion = 1

	// maxManifest bounds a manifest or journal: over a million chunks.
	maxManifest = 256 << 20
)

// Manifest describes an artefact. It is stored as JSON. Its zero fields are left out;
// those of its origin are not.
type Manifest struct {
	Format  string `json:"format"`         // Format
	Version int    `json:"version"`        // of the manifest and the payloads' layout
	Kind    string `json:"kind"`           // scores, dense, embeddings, directions, means, norms, ...
	Tool    string `json:"tool,omitempty"` // version of the program that wrote it

	// The first payload's array: the letters of its axes, their lengths, and the
	// element type with its NumPy name.
	Axes  []string `json:"axes,omitempty"`
	Shape []int    `json:"shape"`
	DType string   `json:"dtype,omitempty"`

	Origin origin.Origin `json:"origin"`

	// Of a collection: the number of inputs, the number of inputs per chunk, the inputs at
	// which chunks end whatever their size (see Chunking), and the inputs that gave no row.
	Inputs      int       `json:"inputs,omitempty"`
	ChunkInputs int       `json:"chunk_inputs,omitempty"`
	Cuts        []int     `json:"cuts,omitempty"`
	Skipped     []Skipped `json:"skipped,omitempty"`

	// Of components: how many images decided their signs; 0 where it is not known, as in
	// artefacts of builds that did not have it.
	Images int `json:"images,omitempty"`

	Payloads []Payload `json:"payloads,omitempty"` // the main one first

	CRC string `json:"manifest_crc32c,omitempty"` // of the manifest without this field
}

// Skipped is an input that gave no row: its name, without the folder, and the reason.
type Skipped struct {
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

// Payload is one file of an artefact, with one of two kinds of checksum.
type Payload struct {
	File   string  `json:"file,omitempty"` // name in the folder; empty if the artefact is a single file
	Bytes  int64   `json:"bytes"`
	SHA256 string  `json:"sha256,omitempty"` // of the whole file
	Kernel string  `json:"kernel,omitempty"` // see Families; of a file with chunks those have theirs
	Header int64   `json:"header,omitempty"` // bytes before the first chunk
	Chunks []Chunk `json:"chunks,omitempty"`

	// Inputs has, of a main file without chunks that was computed from inputs, the checksum
	// of each of them as Chunk.Inputs has them. It is empty if they are not known.
	Inputs string `json:"inputs_crc32c,omitempty"`
}

// Chunk is a run of rows of a collection.
type Chunk struct {
	Rows   int    `json:"rows"`
	CRC    string `json:"crc32c"`           // of the rows' bytes
	Kernel string `json:"kernel,omitempty"` // that computed the rows; see Families

	// Inputs has the CRC-32C of each of the chunk's inputs, skipped ones
	// included, eight digits each without separators. It is empty if they are
	// not known.
	Inputs string `json:"inputs_crc32c,omitempty"`
}

// encode returns m's bytes on disk, the same for equal manifests.
func (m Manifest) encode() ([]byte, error) { return encode(m) }

func encode(manifest any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(manifest); err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	return b.Bytes(), nil
}

// decodeManifest reads a manifest of any version from minVersion to Version
// and checks that it is consistent. At any time it takes at most about 50 times the
// memory of data, and it allocates at most about 160 times that in total, for lists
// of empty objects.
func decodeManifest(data []byte) (*Manifest, error) {
	version, err := checkVersion(data, Format)
	if err != nil {
		return nil, err
	}
	if version <= lastLegacy {
		return decodeLegacy(data)
	}
	var m Manifest
	if err := strict(data, &m); err != nil {
		return nil, err
	}
	if err := m.check(); err != nil {
		return nil, err
	}
	return &m, m.checkCRC()
}

// asRead returns m as a reader gets it: JSON replaces text that is not UTF-8, and the
// checksum must match after that.
func (m Manifest) asRead() (Manifest, error) {
	data, err := m.encode()
	if err != nil {
		return m, err
	}
	var again Manifest
	err = strict(data, &again)
	return again, err
}

// sealed returns m with the checksum of its other fields.
func (m Manifest) sealed() (Manifest, error) {
	m.CRC = ""
	data, err := m.encode()
	m.CRC = crcText(crc32.Checksum(data, castagnoli))
	return m, err
}

// checkCRC returns ErrDamaged unless m, as read, matches its checksum.
func (m *Manifest) checkCRC() error {
	sealed, err := m.sealed()
	if err == nil && sealed.CRC != m.CRC {
		err = errManifestCRC
	}
	return err
}

var errManifestCRC = fmt.Errorf("%w: the manifest's CRC-32C is not the one in it", ErrDamaged)

// checkVersion checks the two fields that every version has, and returns the version.
func checkVersion(data []byte, format string) (int, error) {
	var head struct {
		Format  string
		Version int
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return 0, foreign.Short(placed(err))
	}
	switch {
	case head.Format != format:
		return 0, fmt.Errorf("format %.40q, want %q", head.Format, format)
	case head.Version > Version:
		return 0, hint.With(
			fmt.Errorf("%w %d, want %d to %d", ErrVersion, head.Version, minVersion, Version),
			"a newer clipnh wrote it: update this one, or make the artefact again",
		)
	case head.Version < minVersion:
		return 0, hint.With(
			fmt.Errorf("%w %d, want %d to %d", ErrVersion, head.Version, minVersion, Version),
			"an older clipnh wrote it: make the artefact again",
		)
	}
	return head.Version, nil
}

// strict decodes one JSON value. Unknown fields are an error.
func strict(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	d.UseNumber() // so that numbers keep their spelling
	if err := d.Decode(v); err != nil {
		return foreign.Short(placed(err))
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("byte %d: text after the end", d.InputOffset())
	}
	return nil
}

// placed adds the position to an error of decoding JSON, if the error has it.
func placed(err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("byte %d: %w", syntax.Offset, err)
	case errors.As(err, &kind):
		return fmt.Errorf("byte %d: %w", kind.Offset, err)
	}
	return err
}

func (m *Manifest) check() error {
	if len(m.Payloads) == 0 {
		return errors.New("no payloads")
	}
	seen := map[string]bool{}
	for i, p := range m.Payloads {
		switch {
		case p.File == "" && len(m.Payloads) > 1, p.File != "" && !isName(p.File):
			return fmt.Errorf("payload %d: bad file name %.100q", i, p.File)
		case seen[p.File]:
			return fmt.Errorf("payload %d: file %q again", i, p.File)
		case p.Bytes < 0, p.Header < 0:
			return fmt.Errorf("payload %d: negative size", i)
		case p.Chunks != nil && (i > 0 || p.SHA256 != ""):
			return fmt.Errorf("payload %d: two kinds of checksum", i)
		case p.Chunks == nil && !isHex(p.SHA256, sha256.Size):
			return fmt.Errorf("payload %d: bad sha256 %.80q", i, p.SHA256)
		case p.Inputs != "" && (i > 0 || p.Chunks != nil || !isHex(p.Inputs, 4*m.Inputs)):
			return fmt.Errorf("payload %d: bad checksums of inputs", i)
		}
		if err := checkFamilies(p.Kernel); err != nil {
			return fmt.Errorf("payload %d: %w", i, err)
		}
		seen[p.File] = true
	}
	if err := m.checkCuts(); err != nil {
		return err
	}
	if main := m.Payloads[0]; main.Chunks != nil {
		row, err := m.rowBytes()
		if err != nil {
			return err
		}
		rows, cut := 0, m.Chunking()
		for i, c := range main.Chunks {
			if c.Rows < 0 || c.Rows > m.Shape[0]-rows || !isHex(c.CRC, 4) {
				return fmt.Errorf("chunk %d: %s, crc32c %.20q", i, quantity.Of(c.Rows, "row"), c.CRC)
			}
			if m.ChunkInputs < 1 && c.Inputs != "" || !c.inputsFit(cut, i) {
				return fmt.Errorf("chunk %d: bad checksums of inputs", i)
			}
			if err := checkFamilies(c.Kernel); err != nil {
				return fmt.Errorf("chunk %d: %w", i, err)
			}
			rows += c.Rows
		}
		if rows != m.Shape[0] || rows > 0 && row > (math.MaxInt64-main.Header)/int64(rows) || main.Bytes != main.Header+int64(rows)*row {
			return fmt.Errorf("chunks have %s and the payload %d bytes, want shape %s of %s", quantity.Of(rows, "row"), main.Bytes, npy.ShapeString(m.Shape), m.DType)
		}
	}
	return nil
}

// rowBytes returns the size of one row of a collection's payload.
func (m *Manifest) rowBytes() (int64, error) {
	var n int64
	switch m.DType {
	case npy.Float32.String():
		n = int64(npy.Float32.Size)
	case npy.Float16.String():
		n = int64(npy.Float16.Size)
	default:
		return 0, fmt.Errorf("chunks of %.40q, want float32 or float16", m.DType)
	}
	if len(m.Shape) == 0 || m.Shape[0] < 0 {
		return 0, errors.New("chunks without a first axis")
	}
	for _, d := range m.Shape[1:] {
		if d < 0 || d > 0 && n > math.MaxInt64/int64(d) {
			return 0, fmt.Errorf("shape %s: cannot be", npy.ShapeString(m.Shape))
		}
		n *= int64(d)
	}
	return n, nil
}

// isName reports whether s is the name of a file in a folder and not a path.
func isName(s string) bool {
	return s == filepath.Base(s) && filepath.IsLocal(s) && s != "."
}

func isHex(s string, size int) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == size
}

// inputsFit reports whether c, chunk number i, has checksums of all its inputs or of none.
func (c Chunk) inputsFit(cut Chunking, i int) bool {
	if c.Inputs == "" {
		return true
	}
	return i < cut.Chunks() && isHex(c.Inputs, 4*cut.Len(i))
}
