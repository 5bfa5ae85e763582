package pipeline

import (
	"context"
	"fmt"

	"github.com/clipnh/clipnh/internal/dataset"
)

// openPictures lists the pictures of a data set. What could not be listed is
// named; to a strict run it is an error.
func openPictures(ctx context.Context, o dataset.Options, strict bool, say Reporter) (*dataset.Dataset, error) {
	data, err := dataset.Open(ctx, o)
	if err != nil {
		return nil, err
	}
	return data, namePassedOver(data.Skipped, data.Passed, strict, say)
}

// namePassedOver names the folders and pictures that a listing left out, and
// counts the files that may be pictures but are not called so.
func namePassedOver(skipped []dataset.Skipped, passed dataset.Passed, strict bool, say Reporter) error {
	for _, s := range skipped {
		if strict {
			return fmt.Errorf("%q: %s", s.Path, s.Reason)
		}
		say.Warn("skipped: %s: %s", s.Name, s.Reason)
	}
	if passed.Bare > 0 {
		say.Note("%d files without an extension are not taken for pictures", passed.Bare)
	}
	return nil
}
