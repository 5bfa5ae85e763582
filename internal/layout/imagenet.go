package layout

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"

	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/quantity"
)

var getImageNet = []string{
	"https://image-net.org/download-images.php (free after registration), ILSVRC2012",
	"test: ILSVRC2012_img_test_v10102019.tar, as it is or unpacked",
	"val: ILSVRC2012_img_val.tar, with ILSVRC2012_devkit_t12 next to it, or each image in the folder of its class (n01440764 and so on)",
	"or both from Kaggle's ImageNet Object Localization Challenge, unpacked as it is, with LOC_val_solution.csv",
}

// SubsetImages is how many images of ImageNet's test split the paper uses.
const SubsetImages = 5000

const (
	testImages = 100000
	valImages  = 50000
	valClasses = 1000
)

// imageNet checks both splits, each of which must have its folder.
func imageNet(ctx context.Context, root string) ([]Part, error) {
	test, err := imageNetTest(ctx, root)
	if err != nil {
		return nil, err
	}
	val, err := imageNetVal(ctx, root)
	if err != nil {
		return nil, err
	}
	parts := []Part{test, val}
	for i, name := range []string{"test", "val"} {
		if p := &parts[i]; p.Name != name || p.Count == 0 {
			*p = Part{Name: name, Unit: p.Unit, Published: p.Published, Problems: p.Problems}
			if dir := filepath.Join(root, name); !isFolder(dir) {
				p.Problems = nil
				p.problem("there is no %s", dir)
			}
		}
	}
	return parts, nil
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// readable opens a data set as collect would; what is wrong with it goes into the
// part.
func readable(ctx context.Context, kind, root string, p *Part) (*dataset.Dataset, error) {
	d, err := dataset.Open(ctx, dataset.Options{Kind: kind, Path: root})
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		p.problem("%v", err)
		var h interface{ Hint() string }
		if errors.As(err, &h) {
			p.note("%s", h.Hint())
		}
		return nil, nil
	}
	p.Count = len(d.Items)
	p.leftOut(d.Skipped)
	if d.Root == root { // the split's own folder was given
		p.Name = "."
	}
	return d, nil
}

func imageNetTest(ctx context.Context, root string) (Part, error) {
	p := Part{Name: "test", Unit: "images", Published: testImages}
	_, err := readable(ctx, dataset.ImageNetTest, root, &p)
	return p, err
}

var wordNetID = regexp.MustCompile(`^n[0-9]{8}$`)

// imageNetVal also looks at what labels are told by: with all 1000 folders they are
// ImageNet's, with some of them only a file classes.txt can say.
func imageNetVal(ctx context.Context, root string) (Part, error) {
	p := Part{Name: "val", Unit: "images", Published: valImages}
	d, err := readable(ctx, dataset.ImageNetVal, root, &p)
	if d == nil {
		return p, err
	}
	p.note("%s, the published split has %d", quantity.Of(len(d.Classes), "class"), valClasses)
	var strange []string
	for _, folder := range d.Classes {
		if !wordNetID.MatchString(folder) {
			strange = append(strange, foreign.Name(folder))
		}
	}
	if d.ClassesFile != "" {
		p.note("the classes' order and names are those of %s", d.ClassesFile)
		return p, nil
	}
	if table := filepath.Join(filepath.Dir(d.Root), "classes.txt"); exists(table) {
		p.note("%s is not read, as the folder of classes is not named val: move it into %s", table, d.Root)
	}
	switch {
	case len(d.Classes) == 1:
		p.problem("one class, %s: want a folder for each of several classes", foreign.Name(d.Classes[0]))
	case len(strange) > 0:
		p.note("labels are the folders' places in sorted order; these are no WordNet ids: %s", some(strange))
	case len(d.Classes) != valClasses:
		p.problem("%d of %d folders of classes and no classes.txt: labels would not be ImageNet's", len(d.Classes), valClasses)
	}
	return p, nil
}
