package dataset

import (
	"context"
	"errors"

	"github.com/clipnh/clipnh/internal/imageprep"
)

// annotations is a file of masks in the form of PASCAL in Detail.
type annotations struct{ path string }

var errNotYet = errors.New("annotations are not read yet")

func readAnnotations(_ context.Context, _ string, _ []int) (*annotations, error) {
	return nil, errNotYet
}
func (a *annotations) has(string) bool                        { return false }
func (a *annotations) names(string, string) ([]string, error) { return nil, errNotYet }
func (a *annotations) labels(string, imageprep.Options) (*imageprep.Labels, error) {
	return nil, errNotYet
}
