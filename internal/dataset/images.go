package dataset

import "context"

// readImages lists every picture below dir, at any depth, in name order.
func readImages(ctx context.Context, dir string) (*Dataset, error) {
	f := &finder{ctx: ctx, deep: true}
	if err := f.find(dir); err != nil {
		return nil, err
	}
	return f.unlabelled(dir)
}

// unlabelled is the data set of the pictures that f found below root.
func (f *finder) unlabelled(root string) (*Dataset, error) {
	if len(f.pictures) == 0 {
		return nil, f.noPictures(root)
	}
	items := f.items(root, Unlabelled)
	return &Dataset{Root: root, Items: items, Skipped: f.named(root), Passed: f.files}, nil
}
