package cache

import (
	"hash/crc32"

	"github.com/clipnh/clipnh/internal/origin"
)

// This file reads manifests and journals of versions 1 and 2.

// lastLegacy is the last version with an origin.Legacy.
const lastLegacy = 2

// legacyManifest is a Manifest of these versions. The fields are in the order in
// which they were written, because the checksum depends on it.
type legacyManifest struct {
	Format  string `json:"format"`
	Version int    `json:"version"`
	Kind    string `json:"kind"`
	Tool    string `json:"tool,omitempty"`

	Axes  []string `json:"axes,omitempty"`
	Shape []int    `json:"shape"`
	DType string   `json:"dtype,omitempty"`

	Origin origin.Legacy `json:"origin"`

	Inputs      int       `json:"inputs,omitempty"`
	ChunkInputs int       `json:"chunk_inputs,omitempty"`
	Skipped     []Skipped `json:"skipped,omitempty"`

	Payloads []Payload `json:"payloads,omitempty"`

	CRC string `json:"manifest_crc32c,omitempty"`
}

// legacyKinds maps kinds that were renamed to their present names.
var legacyKinds = map[string]string{"directions": "components"}

// manifest returns l with a typed origin. It keeps its version.
func (l legacyManifest) manifest() Manifest {
	kind := l.Kind
	if now, ok := legacyKinds[kind]; ok {
		kind = now
	}
	return Manifest{
		Format: l.Format, Version: l.Version, Kind: kind, Tool: l.Tool, Axes: l.Axes, Shape: l.Shape, DType: l.DType,
		Origin: l.Origin.Origin(l.Kind), Inputs: l.Inputs, ChunkInputs: l.ChunkInputs, Skipped: l.Skipped, Payloads: l.Payloads,
		CRC: l.CRC,
	}
}

// decodeLegacy is decodeManifest for these versions.
func decodeLegacy(data []byte) (*Manifest, error) {
	var l legacyManifest
	if err := strict(data, &l); err != nil {
		return nil, err
	}
	m := l.manifest()
	if err := m.check(); err != nil {
		return nil, err
	}
	if l.Version < 2 {
		return &m, nil
	}
	written := l.CRC
	l.CRC = ""
	plain, err := encode(l)
	if err == nil && crcText(crc32.Checksum(plain, castagnoli)) != written {
		err = errManifestCRC
	}
	return &m, err
}

// legacyHead is a journalHead of these versions.
type legacyHead struct {
	Format  string         `json:"format"`
	Version int            `json:"version"`
	Plan    legacyManifest `json:"plan"`
}

// decodeHead reads the first line of a journal of any version.
func decodeHead(text []byte) (journalHead, error) {
	version, err := checkVersion(text, journalFormat)
	if err != nil {
		return journalHead{}, err
	}
	if version <= lastLegacy {
		var l legacyHead
		err := strict(text, &l)
		return journalHead{Format: l.Format, Version: l.Version, Plan: l.Plan.manifest()}, err
	}
	var head journalHead
	err = strict(text, &head)
	return head, err
}
