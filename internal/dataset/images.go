package dataset

import "context"

// readImages lists every image below dir, at any depth, in name order.
func readImages(ctx context.Context, dir string) (*Dataset, error) {
	f := &finder{ctx: ctx, deep: true}
	if err := f.find(dir); err != nil {
		return nil, err
	}
	return f.unlabelled(dir)
}

// unlabelled is the data set of the images that f found below root.
func (f *finder) unlabelled(root string) (*Dataset, error) {
	if len(f.images) == 0 {
		return nil, f.noImages(root)
	}
	items := f.items(root, Unlabelled)
	return &Dataset{Root: root, Items: items, Skipped: f.named(root), Passed: f.files}, nil
}
