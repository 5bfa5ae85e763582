package dataset

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

// layCars copies the golden cars into a folder, each file under the name that place gives
// it, or not at all if that is empty.
func layCars(t *testing.T, place func(name string) string) string {
	t.Helper()
	root := t.TempDir()
	for from, below := range map[string]string{
		"shift/devkit": "devkit/", "dataset": "cars_train/",
	} {
		entries, err := os.ReadDir(testutil.Golden(from))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			copyCar(t, testutil.Golden(from+"/"+e.Name()), root, place(below+e.Name()))
		}
	}
	copyCar(t, "testdata/cars_annos.mat", root, place("cars_annos.mat"))
	return root
}

func copyCar(t *testing.T, from, root, to string) {
	t.Helper()
	if to == "" {
		return
	}
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	to = filepath.Join(root, filepath.FromSlash(to))
	if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, data, 0o666); err != nil {
		t.Fatal(err)
	}
}

// TestCarLayouts opens the data set as it can be had, in folders and in archives: the same
// images with the same classes, years and answers.
func TestCarLayouts(t *testing.T) {
	published := func(name string) string {
		if name == combinedCars {
			return ""
		}
		return name
	}
	combined := func(name string) string {
		if strings.HasPrefix(name, "devkit/") {
			return ""
		}
		return strings.Replace(name, "cars_train/", "car_ims/", 1)
	}
	replaced := func(pairs ...string) func(string) string {
		r := strings.NewReplacer(pairs...)
		return func(name string) string { return r.Replace(published(name)) }
	}
	within := func(place func(string) string) func(string) string {
		return func(name string) string {
			if name = place(name); name != "" {
				name = "stanford_cars/" + name
			}
			return name
		}
	}
	const all, train = 48, 32 // every third image of the combined annotations is of the test split
	for _, test := range []struct {
		name, below string // of the images
		place       func(string) string
		cars        int
	}{
		{"published", "cars_train", published, all},
		{"below", "stanford_cars/cars_train", within(published), all},
		{"nested", "cars_train/cars_train", replaced("cars_train/", "cars_train/cars_train/", "devkit/", "car_devkit/devkit/"), all},
		{"at the root", "cars_train", replaced("devkit/", ""), all},
		{"combined", "car_ims", combined, train},
		{"combined below", "stanford_cars/car_ims", within(combined), train},
	} {
		t.Run(test.name, func(t *testing.T) {
			root := layCars(t, test.place)
			if got, want := FindCars(root).Images, filepath.Join(root, filepath.FromSlash(test.below)); got != want {
				t.Errorf("images in %s, want %s", got, want)
			}
			paths := []string{root}
			for _, form := range []string{"cars.tar", "cars.zip", "cars.tar.gz"} {
				path := filepath.Join(t.TempDir(), form)
				testutil.Pack(t, root, path, "")
				paths = append(paths, path)
			}
			for _, path := range paths {
				d, err := Open(t.Context(), Options{Kind: Cars, Path: path})
				if err != nil {
					t.Fatal(err)
				}
				prefix := ""
				if path != root {
					prefix = filepath.Base(path) + "!" + test.below + "/"
				}
				if len(d.Items) != test.cars || len(d.Classes) != 14 || d.Items[0].Name != prefix+"00003.png" || d.Items[0].Label != 11 {
					t.Errorf("%s: %d cars of %d classes, the first %+v", path, len(d.Items), len(d.Classes), d.Items[0])
				}
				if test.cars == train {
					held, err := Open(t.Context(), Options{Kind: CarsTest, Path: path})
					if err != nil || len(held.Items) != all-train || held.Items[0].Name != prefix+"00017.png" || held.Items[0].Label != Unlabelled {
						t.Errorf("%s: the test split is %v, %v", path, held, err)
					}
				}
				classes, err := ClassesOf(t.Context(), Options{Kind: Cars, Path: path})
				if err != nil || !slices.Equal(classes.Names, d.Classes) {
					t.Errorf("%s: classes %v, %v", path, classes, err)
				}
				l, err := ReadCars(t.Context(), CarOptions{Root: path, Labels: []string{"convertible"}})
				if err != nil {
					t.Fatal(err)
				}
				joined, err := l.Join(d.Names())
				if err != nil || len(l.Known) != test.cars || slices.Contains(joined, -1) || l.Known[joined[0]].Group != carYear(t, 12) {
					t.Errorf("%s: labels of %d cars, %v, %v", path, len(l.Known), joined, err)
				}
			}
		})
	}
}

// TestCarsBesideTheArchive finds the annotations where they were published.
func TestCarsBesideTheArchive(t *testing.T) {
	root := layCars(t, func(name string) string {
		if file, ok := strings.CutPrefix(name, "cars_train/"); ok {
			return "packed/car_ims/" + file
		}
		if name != combinedCars {
			return ""
		}
		return name
	})
	path := filepath.Join(root, "car_ims.tgz")
	testutil.Pack(t, filepath.Join(root, "packed"), path, "")
	d, err := Open(t.Context(), Options{Kind: Cars, Path: path})
	if err != nil || len(d.Items) != 32 || d.Items[0].Label != 11 {
		t.Errorf("%v, %v", d, err)
	}
}

// TestNoCarsTest: where the images of the test split are missing, these are asked for.
func TestNoCarsTest(t *testing.T) {
	_, err := Open(t.Context(), Options{Kind: CarsTest, Path: layCars(t, func(name string) string {
		if strings.HasPrefix(name, CarsTest+"/") {
			return ""
		}
		return name
	})})
	if h, ok := err.(interface{ Hint() string }); !ok || !strings.Contains(h.Hint(), "with cars_test in it") {
		t.Errorf("%v, want the hint to give the folder with cars_test", err)
	}
}

// TestCarsWrong holds what is said where something is missing.
func TestCarsWrong(t *testing.T) {
	for _, test := range []struct {
		name, want, hint string
		place            func(string) string
	}{
		{"other numbers", filepath.FromSlash("devkit/cars_meta.mat"), "numbers the images of car_ims", func(name string) string {
			if strings.HasPrefix(name, "devkit/") {
				return ""
			}
			return name
		}},
		{"no devkit", filepath.FromSlash("devkit/cars_meta.mat"), "with devkit and cars_train in it", func(name string) string {
			if !strings.HasPrefix(name, "cars_train/") {
				return ""
			}
			return name
		}},
		{"other images", "none of the images that ", "", func(name string) string {
			switch {
			case name == combinedCars:
				return name
			case name == "cars_train/00003.png":
				return "car_ims/x.png"
			}
			return ""
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Open(t.Context(), Options{Kind: Cars, Path: layCars(t, test.place)})
			if bad := testutil.Line(err, test.want); bad != nil {
				t.Error(bad)
			}
			hint := ""
			if h, ok := err.(interface{ Hint() string }); ok {
				hint = h.Hint()
			}
			if !strings.Contains(hint, test.hint) {
				t.Errorf("hint %q, want %q", hint, test.hint)
			}
		})
	}
}
