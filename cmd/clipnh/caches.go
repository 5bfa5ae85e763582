package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/clipnh/clipnh/internal/archive"
	"github.com/clipnh/clipnh/internal/asset"
	"github.com/clipnh/clipnh/internal/digest"
	"github.com/clipnh/clipnh/internal/packed"
	"github.com/clipnh/clipnh/internal/pipeline/model"
)

// packedSizeVariable is the variable of the environment that bounds the packed weights in
// the user's cache folder.
const packedSizeVariable = "CLIPNH_PACKED_CACHE_SIZE"

// packedSize is how many bytes all packed weights may have, without the variable.
const packedSize = 8 << 30

// keptFrom is the size in bytes from which on packed weights are kept, and the hashes of a
// checkpoint. It is a variable for tests, whose models are tiny.
var keptFrom int64 = 16 << 20

// caches returns what is kept of checkpoints in the user's cache folder. Without such a
// folder nothing is.
func (g *globalOptions) caches() (model.Caches, error) {
	c := model.Caches{Packs: &packed.Store{Least: keptFrom, Note: g.printer.Note}}
	limit, err := packedLimit()
	if err != nil {
		return c, err
	}
	home, err := asset.Home()
	if err != nil {
		return c, nil
	}
	c.Sums = digest.Memory{Dir: filepath.Join(home, hashesFolder), Store: g.files, Least: keptFrom}
	if !g.noPacks {
		c.Packs.Dir, c.Packs.Limit = filepath.Join(home, packedFolder), limit
	}
	return c, nil
}

// The folders of packed weights and of hashes within the user's cache folder.
const (
	packedFolder = "packed"
	hashesFolder = "hashes"
)

// packedLimit is how many bytes all packed weights may have.
func packedLimit() (int64, error) {
	limit, err := byteCount(os.Getenv(packedSizeVariable), packedSize)
	if err != nil {
		return 0, wrongVariable(packedSizeVariable, fmt.Errorf("%s: %w", packedSizeVariable, err))
	}
	return limit, nil
}

// listingSize is how many bytes all lists of archives at addresses may have.
const listingSize = 2 << 30

// listings returns what is kept of archives at addresses, likewise.
func (g *globalOptions) listings() archive.Listings {
	home, err := asset.Home()
	if err != nil {
		return archive.Listings{}
	}
	return archive.Listings{Dir: filepath.Join(home, "listings"), Store: g.files, Limit: listingSize}
}

// byteCount reads a number of bytes such as 500M or 4GiB, whose units are powers of 1024;
// empty means preset.
func byteCount(text string, preset int64) (int64, error) {
	if text == "" {
		return preset, nil
	}
	number := strings.TrimRight(text, "KMGTiB")
	n, err := strconv.ParseInt(number, 10, 64)
	unit := strings.TrimSuffix(strings.TrimSuffix(text[len(number):], "B"), "i")
	shift, known := map[string]int{"": 0, "K": 10, "M": 20, "G": 30, "T": 40}[unit]
	if err != nil || !known || n < 0 || n > 1<<62>>shift {
		return 0, fmt.Errorf("%.20q, want a number of bytes, such as 500M or 4GiB, or 0", text)
	}
	return n << shift, nil
}
