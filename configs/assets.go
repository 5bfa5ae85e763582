package configs

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/clipnh/clipnh/internal/foreign"
)

// The kinds of assets.
const (
	AssetModel = "model" // weights of a CLIP
	AssetVocab = "vocab" // merges file of the tokenizer
	AssetWords = "words" // list of words, one per line
)

// AssetKinds returns the kinds of assets.
func AssetKinds() []string { return []string{AssetModel, AssetVocab, AssetWords} }

// An Asset is a published file that commands need and that users refer to by name.
type Asset struct {
	Name       string `json:"name"` // what the user types
	Kind       string `json:"kind"`
	File       string `json:"file"` // file name, as published and in the store
	URL        string `json:"url"`
	Size       int64  `json:"size,omitempty"`       // bytes; 0 if unknown
	SHA256     string `json:"sha256"`               // 64 lower-case hex digits
	Activation string `json:"activation,omitempty"` // of a model's transformers: quick_gelu or gelu; empty if unknown
	Licence    string `json:"licence,omitempty"`
	Source     string `json:"source,omitempty"` // the publisher's page
}

// File names of open_clip's releases contain the first eight digits of the SHA-256.
// A test compares the table with them.
//
//go:embed assets.json
var assetsTable []byte

var assets = sync.OnceValue(func() []Asset {
	all, err := ParseAssets(assetsTable)
	if err != nil {
		panic("configs: assets.json: " + err.Error())
	}
	return all
})

// Assets returns the published files that the program knows: OpenAI's models, some of
// open_clip's, the vocabulary, and the paper's word list.
func Assets() []Asset { return slices.Clone(assets()) }

const (
	// MaxAssetsTable is the size of the largest table that ParseAssets accepts, in
	// bytes.
	MaxAssetsTable = 1 << 20
	// maxAssetSize bounds the Size of an asset, in bytes.
	maxAssetSize = 1 << 40
)

var (
	assetName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
	assetFile = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)
	sha256Hex = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// ParseAssets reads a table of assets: a JSON array of objects with the fields of
// Asset. It rejects unknown fields, duplicate names and files, and anything that is
// not safe as a file name. Memory stays below a small multiple of the table's size,
// which is bounded by MaxAssetsTable.
func ParseAssets(data []byte) ([]Asset, error) {
	if len(data) > MaxAssetsTable {
		return nil, fmt.Errorf("%d bytes, want at most %d", len(data), MaxAssetsTable)
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	var all []Asset
	if err := decoder.Decode(&all); err != nil {
		return nil, fmt.Errorf("byte %d: %w", decoder.InputOffset(), foreign.Short(err))
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("byte %d: text after the table", decoder.InputOffset())
	}
	seen := map[string]bool{}
	for i, a := range all {
		err := a.check()
		// Some file systems ignore case.
		for _, key := range []string{"name " + strings.ToLower(a.Name), "file " + strings.ToLower(a.File)} {
			if err == nil && seen[key] {
				err = fmt.Errorf("%s is listed twice", key)
			}
			seen[key] = true
		}
		if err != nil {
			return nil, fmt.Errorf("entry %d: %w", i+1, err)
		}
	}
	return all, nil
}

func (a Asset) check() error {
	switch {
	case !assetName.MatchString(a.Name):
		return fmt.Errorf("name %.80q: want letters, digits, dots, dashes or underscores", a.Name)
	case !slices.Contains(AssetKinds(), a.Kind):
		return fmt.Errorf("%s: kind %.80q: want %s", a.Name, a.Kind, strings.Join(AssetKinds(), ", "))
	case !assetFile.MatchString(a.File):
		return fmt.Errorf("%s: file %.80q: want a file name of letters, digits, dots, dashes or underscores", a.Name, a.File)
	case !sha256Hex.MatchString(a.SHA256):
		return fmt.Errorf("%s: sha256 %.80q: want 64 hex digits in lower case", a.Name, a.SHA256)
	case a.Activation != "" && (a.Kind != AssetModel || a.Activation != "quick_gelu" && a.Activation != "gelu"):
		return fmt.Errorf("%s: activation %.80q: want quick_gelu or gelu, of a model", a.Name, a.Activation)
	case a.Size < 0 || a.Size > maxAssetSize:
		return fmt.Errorf("%s: size %d: want bytes, at most %d", a.Name, a.Size, int64(maxAssetSize))
	}
	u, err := url.Parse(a.URL)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return fmt.Errorf("%s: url %.200q: want http or https", a.Name, a.URL)
	}
	return nil
}
