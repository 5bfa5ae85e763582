package layout

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The check looks for classes where the other commands do, and finds a download of which
// labels would be wrong so.
func TestImageNetClasses(t *testing.T) {
	const solution = "ImageId,PredictionString\na,n00000002 1 2 3 4\nb,n00000001 1 2 3 4\n"
	classes := "n00000002\tb\nn00000001\ta\n"
	for _, tt := range []struct {
		name  string
		files map[string]string
		below string
		ok    bool
		want  string // a note or problem
	}{
		{"classes.txt in the folder of classes", map[string]string{"set/n00000001/a.JPEG": "", "set/n00000002/b.JPEG": "", "set/classes.txt": classes}, "set", true,
			"the classes' order and names are those of ROOT/set/classes.txt"},
		{"classes.txt next to it", map[string]string{"set/n00000001/a.JPEG": "", "set/n00000002/b.JPEG": "", "classes.txt": classes}, "set", false,
			"ROOT/classes.txt is not read, as the folder of classes is not named val: move it into ROOT/set"},
		{"classes.txt next to val", map[string]string{"val/n00000001/a.JPEG": "", "val/n00000002/b.JPEG": "", "classes.txt": classes}, "val", true,
			"the classes' order and names are those of ROOT/classes.txt"},
		{"Kaggle's download", map[string]string{"ILSVRC/Data/CLS-LOC/val/a.JPEG": "", "ILSVRC/Data/CLS-LOC/val/b.JPEG": "", "ILSVRC/Data/CLS-LOC/test/c.JPEG": "",
			"LOC_val_solution.csv": solution, "classes.txt": classes}, "", true, "the classes' order and names are those of ROOT/classes.txt"},
		{"its table missing", map[string]string{"ILSVRC/Data/CLS-LOC/val/a.JPEG": "", "ILSVRC/Data/CLS-LOC/test/c.JPEG": ""}, "", false,
			"ROOT/ILSVRC/Data/CLS-LOC/val: 1 image, but none in a folder of its class"},
		{"one folder with all", map[string]string{"all/val/a.JPEG": "", "all/test/b.JPEG": ""}, "", false, "one class, all: want a folder for each of several classes"},
		{"only other splits", map[string]string{"train/n00000001/a.JPEG": "", "test/b.JPEG": ""}, "", false, "ROOT: its folders are splits, not classes: test, train"},
	} {
		root := t.TempDir()
		for name, content := range tt.files {
			path := filepath.Join(root, filepath.FromSlash(name))
			if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		r, err := Check(t.Context(), "imagenet_val", filepath.Join(root, tt.below))
		if err != nil {
			t.Fatal(err)
		}
		said := strings.ReplaceAll(strings.Join(append(r.Parts[0].Problems, r.Parts[0].Notes...), "\n"), root, "ROOT")
		if r.OK != tt.ok || !strings.Contains(said, tt.want) {
			t.Errorf("%s: ok %v, want %v and %q: %s", tt.name, r.OK, tt.ok, tt.want, said)
		}
	}
}
