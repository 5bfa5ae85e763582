package dataset

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

const solution = "ImageId,PredictionString\nval_1,n02 1 2 3 4 \nval_2,n01 1 2 3 4 n01 5 6 7 8 \nval_4,n03 1 2 3 4\n"

// Kaggle's download has all images of val in one folder, and their classes in a table
// above: they are read from its root, from the splits' folder and from val itself.
func TestImageNetSolution(t *testing.T) {
	const splits = "ILSVRC/Data/CLS-LOC"
	files := map[string]string{
		"LOC_val_solution.csv": solution, splits + "/val/val_1.JPEG": "", splits + "/val/val_2.JPEG": "", splits + "/val/val_3.JPEG": "",
		splits + "/test/test_1.JPEG": "", splits + "/train/n01/n01_1.JPEG": "",
	}
	for _, below := range []string{"", splits, splits + "/val"} {
		root := tree(t, files)
		d, err := Open(t.Context(), Options{Kind: ImageNetVal, Path: filepath.Join(root, below)})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, item := range d.Items {
			got = append(got, fmt.Sprint(item.Name, " ", item.Label))
		}
		for _, s := range d.Skipped {
			got = append(got, s.Name+": "+s.Reason)
		}
		if want := "val_1.JPEG 1; val_2.JPEG 0; val_3.JPEG: no row in LOC_val_solution.csv"; strings.Join(got, "; ") != want {
			t.Errorf("%s: %q, want %s", below, got, want)
		}
		c, err := ClassesOf(t.Context(), Options{Kind: ImageNetVal, Path: filepath.Join(root, below)})
		if err != nil || fmt.Sprint(c.Names) != "[n01 n02 n03]" || fmt.Sprint(d.Classes) != "[n01 n02 n03]" || filepath.Base(c.Path) != solutionName {
			t.Errorf("%s: classes %v, %+v, %v", below, d.Classes, c, err)
		}
		if below == "" {
			test, err := Open(t.Context(), Options{Kind: ImageNetTest, Path: root})
			if err != nil || len(test.Items) != 1 || test.Items[0].Name != "test_1.JPEG" {
				t.Errorf("test split: %+v, %v", test, err)
			}
		}
	}

	files[splits+"/classes.txt"] = "n03\tc\nn02\tb\nn01\ta\n"
	root := tree(t, files)
	d, err := Open(t.Context(), Options{Kind: ImageNetVal, Path: root})
	if err != nil || fmt.Sprint(d.Classes, d.Items[0].Label, d.Items[1].Label) != "[c b a] 1 2" || d.ClassesFile != filepath.Join(root, filepath.FromSlash(splits), classesFile) {
		t.Errorf("with classes.txt: %+v, %v", d, err)
	}
}

func TestImageNetValRefuses(t *testing.T) {
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"splits for classes", map[string]string{"train/n01/a.JPEG": "", "test/b.JPEG": ""}, "its folders are splits, not classes: test, train"},
		{"two classes", map[string]string{"a.JPEG": "", solutionName: "ImageId,PredictionString\na,n01 1 2 3 4 n02 1 2 3 4\n"},
			`image "a": objects of the classes "n01" and "n02", want one class`},
		{"half an object", map[string]string{"a.JPEG": "", solutionName: "ImageId,PredictionString\na,n01 1 2\n"}, `image "a": "n01 1 2", want a class and four numbers`},
		{"an image twice", map[string]string{"a.JPEG": "", solutionName: "ImageId,PredictionString\na,n01 1 2 3 4\na,n01 1 2 3 4\n"}, `image "a" has a row already`},
		{"another table", map[string]string{"a.JPEG": "", solutionName: "name,label\na,n01\n"}, "ImageId"},
	} {
		root := tree(t, tt.files)
		_, err := Open(t.Context(), Options{Kind: ImageNetVal, Path: root})
		if bad := testutil.Line(err, root, tt.want); bad != nil {
			t.Errorf("%s: %v", tt.name, bad)
		}
	}
}
