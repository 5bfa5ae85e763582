package cache

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"

	"github.com/clipnh/clipnh/internal/quantity"
)

// SumOf returns the CRC-32C of an input's bytes.
func SumOf(data []byte) uint32 { return crc32.Checksum(data, castagnoli) }

// AddSum adds the checksum of another input to one of those before it.
func AddSum(sum, input uint32) uint32 {
	return crc32.Update(sum, castagnoli, binary.LittleEndian.AppendUint32(nil, input))
}

// SumText is a checksum as manifests have it.
func SumText(sum uint32) string { return crcText(sum) }

// SumsText returns checksums as Chunk.Inputs has them: eight digits each, without
// separators.
func SumsText(sums []uint32) string {
	var b strings.Builder
	for _, sum := range sums {
		b.WriteString(crcText(sum))
	}
	return b.String()
}

// ParseSums reads what SumsText has written.
func ParseSums(text string) ([]uint32, error) {
	if len(text)%8 != 0 {
		return nil, fmt.Errorf("checksums of %s, want a multiple of 8", quantity.Of(len(text), "digit"))
	}
	var sums []uint32
	for ; len(text) > 0; text = text[8:] {
		sum, err := strconv.ParseUint(text[:8], 16, 32)
		if err != nil {
			return nil, fmt.Errorf("checksum %q, want eight hexadecimal digits", text[:8])
		}
		sums = append(sums, uint32(sum))
	}
	return sums, nil
}
