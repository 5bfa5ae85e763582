package dataset

import "context"

// readImages lists every picture below dir, at any depth, in name order.
func readImages(ctx context.Context, dir string) (*Dataset, error) {
	f := &finder{ctx: ctx, deep: true}
	if err := f.find(dir, nil); err != nil {
		return nil, err
	}
	if len(f.pictures) == 0 {
		return nil, f.noPictures(dir)
	}
	list, err := items(dir, f.pictures, Unlabelled)
	return &Dataset{Root: dir, Items: list}, err
}
