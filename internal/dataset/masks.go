package dataset

import (
	"hash/crc32"

	"github.com/clipnh/clipnh/internal/imageprep"
)

// LoadMask reads the bytes of a mask, a PNG of grey values or with a palette. Its labels are
// 0 where the file has 0, and else 1.
func LoadMask(path string) (*LabelBytes, error) {
	f, err := imageprep.LoadLabels(path)
	if err != nil {
		return nil, err
	}
	return &LabelBytes{Size: f.Size, CRC: crc32.Checksum(f.Bytes, castagnoli), decode: func(o imageprep.Options) (*imageprep.Labels, error) {
		labels, err := f.DecodeLabels(o)
		if err != nil {
			return nil, err
		}
		for i, v := range labels.Pix {
			labels.Pix[i] = min(v, 1)
		}
		return labels, nil
	}}, nil
}
