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
)

// The kinds of assets.
const (
	AssetModel = "model" // weights of a CLIP-ResNet
	AssetVocab = "vocab" // merges file of the tokenizer
	AssetWords = "words" // list of words, one a line
)

// AssetKinds returns the kinds of assets.
func AssetKinds() []string { return []string{AssetModel, AssetVocab, AssetWords} }

// An Asset is a published file that commands need and that is found by name.
type Asset struct {
	Name    string `json:"name"` // what a person types
	Kind    string `json:"kind"`
	File    string `json:"file"` // as it is published, and kept
	URL     string `json:"url"`
	Size    int64  `json:"size,omitempty"` // bytes; 0 where it is not known
	SHA256  string `json:"sha256"`         // 64 hex digits, small letters
	Licence string `json:"licence,omitempty"`
	Source  string `json:"source,omitempty"` // page of those who publish it
}

// Of open_clip's releases the file names carry the first eight digits of the
// SHA-256, and a test holds the table to them.
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

// Assets returns the published files that the program knows: OpenAI's ResNets,
// those of open_clip, the vocabulary and the word list of the paper.
func Assets() []Asset { return slices.Clone(assets()) }

const (
	// MaxAssetsTable is the size of the largest table that ParseAssets takes, in
	// bytes.
	MaxAssetsTable = 1 << 20
	// maxAssetSize bounds what a table may say, in bytes.
	maxAssetSize = 1 << 40
)

var (
	assetName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
	assetFile = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)
	sha256Hex = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// ParseAssets reads a table of assets: a JSON array of objects whose fields are
// those of Asset. It refuses unknown fields, names and files that occur twice,
// and whatever would not be safe as the name of a file. Memory stays below a small
// multiple of the table's size, which is bounded.
func ParseAssets(data []byte) ([]Asset, error) {
	if len(data) > MaxAssetsTable {
		return nil, fmt.Errorf("%d bytes, want at most %d", len(data), MaxAssetsTable)
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	var all []Asset
	if err := decoder.Decode(&all); err != nil {
		return nil, fmt.Errorf("byte %d: %w", decoder.InputOffset(), err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("byte %d: text behind the table", decoder.InputOffset())
	}
	seen := map[string]bool{}
	for i, a := range all {
		err := a.check()
		// Some file systems do not tell capitals from small letters.
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
		return fmt.Errorf("%s: sha256 %.80q: want 64 hex digits in small letters", a.Name, a.SHA256)
	case a.Size < 0 || a.Size > maxAssetSize:
		return fmt.Errorf("%s: size %d: want bytes, at most %d", a.Name, a.Size, int64(maxAssetSize))
	}
	u, err := url.Parse(a.URL)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return fmt.Errorf("%s: url %.200q: want http or https", a.Name, a.URL)
	}
	return nil
}
