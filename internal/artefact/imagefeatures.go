package artefact

import (
	"fmt"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/npy"
)

// ImageFeatures are the features of images in a folder, [B,O], without any parts of them.
type ImageFeatures struct {
	*cache.Artefact
	Images, OutDim int

	file *npy.File
}

// ImageFeaturesOf opens those of an artefact of KindImageFeatures.
func ImageFeaturesOf(a *cache.Artefact) (*ImageFeatures, error) {
	payload, err := a.Payload("")
	if err != nil {
		return nil, err
	}
	file, err := npy.Open(payload)
	if err != nil {
		return nil, err
	}
	shape := file.Header.Shape
	if len(shape) != 2 || shape[1] == 0 {
		err = fmt.Errorf("%s: shape %s, want [images,dimensions]", payload, npy.ShapeString(shape))
	} else {
		err = a.Unreplaced()
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return &ImageFeatures{a, shape[0], shape[1], file}, nil
}

// Read fills dst [n,O] with the features of the images from first on, each finite.
func (f *ImageFeatures) Read(dst []float32, first int) error {
	if err := f.file.ReadFloat32(dst, int64(first)*int64(f.OutDim)); err != nil {
		return err
	}
	if i := FirstNonFinite(dst); i >= 0 {
		return fmt.Errorf("%s: feature of image %d is %g, want finite features", f.Path(), first+i/f.OutDim, dst[i])
	}
	return nil
}

// Names returns the names of the images.
func (f *ImageFeatures) Names() ([]string, error) { return namesOfRows(f.Artefact, f.Images) }

// Close closes the file.
func (f *ImageFeatures) Close() error { return f.file.Close() }
