package dataset

import (
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/matfile"
)

// The classes of ImageNet's validation images are in its devkit, ILSVRC2012_devkit_t12:
//
//	data/ILSVRC2012_validation_ground_truth.txt   a number for each image, in the order of their names
//	data/meta.mat                                 synsets, with ILSVRC2012_ID and WNID
//
// of which the folder, or data in it, or these two files are next to the images, or one
// folder above.
const (
	groundTruthName = "ILSVRC2012_validation_ground_truth.txt"
	synsetsName     = "meta.mat"
	devkitName      = "ILSVRC2012_devkit_t12"
)

// groundTruthFile returns the path of the ground truth of the images in a folder, empty if
// there is none.
func groundTruthFile(root string) string {
	for _, dir := range []string{root, filepath.Join(root, "..")} {
		for _, below := range []string{"", "data", devkitName, devkitName + "/data"} {
			if path := filepath.Join(dir, below, groundTruthName); isFile(path) {
				return path
			}
		}
	}
	return ""
}

// classTableOf returns the class of each image by its name without extension, of images
// that are in no class folders: by Kaggle's table or the devkit, whose path it returns too.
// The path is empty if neither is there.
func classTableOf(ctx context.Context, root string) (path string, classOf map[string]string, err error) {
	if path = solutionFile(root); path != "" {
		classOf, err = readSolution(ctx, path)
		return path, classOf, err
	}
	if path = groundTruthFile(root); path != "" {
		classOf, err = readGroundTruth(ctx, path)
		return path, classOf, err
	}
	return "", nil, nil
}

// classTableAt is classTableOf of an archive at an address; the files are looked for in its
// folder.
func classTableAt(ctx context.Context, archive string) (path string, classOf map[string]string, err error) {
	path, err = besideAddress(ctx, archive, solutionName)
	if err != nil {
		return "", nil, err
	}
	if path != "" {
		classOf, err = readSolution(ctx, path)
		return path, classOf, err
	}
	for _, below := range []string{"", "data/", devkitName + "/", devkitName + "/data/"} {
		path, err = besideAddress(ctx, archive, below+groundTruthName)
		if err != nil {
			return "", nil, err
		}
		if path != "" {
			classOf, err = readGroundTruth(ctx, path)
			return path, classOf, err
		}
	}
	return "", nil, nil
}

// howToLabel is advice for images that are in no class folders.
func howToLabel(where string) string {
	return "put " + solutionName + " or " + devkitName + " " + where + `, or use "{dataset} images" for images without labels`
}

var wordNetID = regexp.MustCompile(`^n[0-9]{8}$`)

// readGroundTruth reads the class of each image.
func readGroundTruth(ctx context.Context, path string) (map[string]string, error) {
	ids, err := readSynsets(ctx, strings.TrimSuffix(path, groundTruthName)+synsetsName)
	if err != nil {
		return nil, err
	}
	lines, err := readLines(ctx, path)
	if err != nil {
		return nil, err
	}
	classOf := make(map[string]string, len(lines))
	for i, line := range lines {
		n, err := strconv.ParseInt(line, 10, 64)
		id, ok := ids[n]
		if err != nil || !ok {
			return nil, fmt.Errorf("%s: line %d: %s, want the number of a class of %s", path, i+1, foreign.Quote(line), synsetsName)
		}
		classOf[fmt.Sprintf("ILSVRC2012_val_%08d", i+1)] = id
	}
	return classOf, nil
}

// readSynsets reads the WordNet id of each class by its number.
func readSynsets(ctx context.Context, path string) (map[int64]string, error) {
	f, err := readMAT(ctx, path)
	if err != nil {
		return nil, err
	}
	v, err := f.Variable("synsets")
	if err != nil {
		return nil, err
	}
	ids := make(map[int64]string, v.Len())
	for i := range v.Len() {
		var n int64
		var id string
		number, err := v.Field(i, "ILSVRC2012_ID")
		if err == nil {
			n, err = number.Int64()
		}
		if err == nil {
			var text *matfile.Array
			if text, err = v.Field(i, "WNID"); err == nil {
				id, err = text.Text()
			}
		}
		if err == nil && !wordNetID.MatchString(id) {
			err = fmt.Errorf("%s, want a WordNet id", foreign.Quote(id))
		}
		if _, twice := ids[n]; err == nil && twice {
			err = fmt.Errorf("the number %d is there already", n)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: synsets: %d: %w", path, i+1, err)
		}
		ids[n] = id
	}
	return ids, nil
}
