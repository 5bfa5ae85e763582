package dataset

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/matfile"
	"github.com/clipnh/clipnh/internal/remote"
)

// Stanford Cars can be had in several layouts, in a folder or in one called
// stanford_cars in it:
//
//	devkit/cars_meta.mat          class_names, "Audi S5 Convertible 2012"
//	devkit/cars_train_annos.mat   annotations with fname, class (from 1), and a box
//	cars_train/, cars_test/       the images
//
// where the files of the devkit may also lie beside the images or in
// car_devkit/devkit, and the images in cars_train/cars_train; and as
//
//	cars_annos.mat                class_names, and annotations of both splits with
//	                              relative_im_path, class and test
//	car_ims/                      the images
type carLayout struct {
	base                 string // empty, or a folder with a slash
	classes, annotations string // MAT-files
	train, test          string // folders of images
	combined             bool   // the annotations are of both splits, and say of which
}

const combinedCars = "cars_annos.mat"

// CarFiles are the parts of Stanford Cars' training split, as paths.
type CarFiles struct {
	Root                 string // the folder of the data set
	Classes, Annotations string // MAT-files, perhaps the same
	Images               string // the folder
}

// FindCars returns where the parts are, or ought to be, in a folder.
func FindCars(dir string) CarFiles {
	l := findCars(folderTree(dir))
	return CarFiles{join(dir, l.base), join(dir, l.classes), join(dir, l.annotations), join(dir, l.train)}
}

// carTree is a folder, or what an archive has, for a layout to be told by.
type carTree struct {
	there func(name string) bool // of a file or folder, with slashes
	holds func(name string) bool // whether a folder has images in it
}

func folderTree(dir string) carTree {
	return carTree{
		there: func(name string) bool { _, err := os.Stat(join(dir, name)); return err == nil },
		holds: func(name string) bool {
			f := &finder{ctx: context.Background()}
			return f.find(join(dir, name)) == nil && len(f.images) > 0
		},
	}
}

func findCars(in carTree) carLayout {
	base := ""
	if first := []string{"devkit", "car_devkit", "cars_meta.mat", combinedCars}; !anyOf(in, first) && in.there("stanford_cars") {
		base = "stanford_cars/"
	}
	if !in.there(base+"cars_train") && in.there(base+combinedCars) && in.there(base+"car_ims") {
		return carLayout{base, base + combinedCars, base + combinedCars, base + "car_ims", base + "car_ims", true}
	}
	notes := base + "devkit/"
	for _, other := range []string{"car_devkit/devkit/", "car_devkit/", ""} {
		if !in.there(notes+"cars_meta.mat") && in.there(base+other+"cars_meta.mat") {
			notes = base + other
		}
	}
	images := func(split string) string {
		if nested := split + "/" + split; in.there(base+nested) && !in.holds(base+split) {
			return base + nested
		}
		return base + split
	}
	return carLayout{base, notes + "cars_meta.mat", notes + "cars_train_annos.mat", images("cars_train"), images("cars_test"), false}
}

func anyOf(in carTree, names []string) bool {
	for _, name := range names {
		if in.there(name) {
			return true
		}
	}
	return false
}

// carSource is Stanford Cars in a folder or in archives.
type carSource struct {
	carLayout
	at  string                                // the data set, in messages
	in  carTree                               // the same
	mat func(string) (*matfile.File, error)   // reads a file of the layout
	of  func(name string) string              // a file's path, in messages
	all func(folder string) (*Dataset, error) // lists the images of a folder of the layout, without labels
}

func carsIn(ctx context.Context, dir string) *carSource {
	in := folderTree(dir)
	at := func(name string) string { return join(dir, name) }
	return &carSource{
		carLayout: findCars(in), at: dir, in: in, of: at,
		mat: func(name string) (*matfile.File, error) {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			return matfile.ReadFile(at(name))
		},
		all: func(folder string) (*Dataset, error) {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			f := &finder{ctx: ctx}
			if err := f.find(at(folder)); err != nil {
				return nil, err
			}
			return f.unlabelled(at(folder))
		},
	}
}

// isMAT reports whether a member of an archive may be one of Cars' files.
func isMAT(base string) bool { return strings.HasSuffix(base, ".mat") }

// cars is carsIn of archives, of which each file and folder is looked for in all.
func (p *pack) cars() *carSource {
	names, images := map[string]bool{}, map[string]bool{}
	add := func(name string) {
		for at := name; at != "." && !names[at]; at = path.Dir(at) {
			names[at] = true
		}
	}
	for i := range p.items {
		add(p.items[i].inner())
		images[path.Dir(p.items[i].inner())] = true
	}
	texts := map[string]*text{}
	for i := range p.texts {
		add(p.texts[i].of.Name)
		texts[p.texts[i].of.Name] = &p.texts[i]
	}
	// The files of annotations were published beside the archives of images.
	beside := func(name string) string {
		if !isMAT(name) || names[name] || remote.Named(p.archives[0]) {
			return ""
		}
		if at := join(filepath.Dir(p.archives[0]), name); isFile(at) {
			return at
		}
		return ""
	}
	in := carTree{
		there: func(name string) bool { return names[name] || beside(name) != "" },
		holds: func(name string) bool { return images[name] },
	}
	of := func(name string) string { return cmp.Or(beside(name), p.path+"!"+name) }
	return &carSource{
		carLayout: findCars(in), at: p.path, in: in, of: of,
		mat: func(name string) (*matfile.File, error) {
			if at := beside(name); at != "" {
				return matfile.ReadFile(at)
			}
			if err := p.ctx.Err(); err != nil {
				return nil, err
			}
			t := texts[name]
			if t == nil {
				return nil, notPacked{p.path, name}
			}
			return t.mat()
		},
		all: func(folder string) (*Dataset, error) {
			if !names[folder] {
				return nil, notPacked{p.path, folder}
			}
			var items []Item
			for i := range p.items {
				if path.Dir(p.items[i].inner()) == folder {
					items = append(items, p.items[i])
				}
			}
			return p.dataset(items)
		},
	}
}

// notPacked is the error of a part that archives do not have.
type notPacked struct{ archive, name string }

func (e notPacked) Error() string        { return e.archive + ": no " + e.name + " in it" }
func (e notPacked) Is(target error) bool { return target == fs.ErrNotExist }

// mat reads a MAT-file in an archive.
func (t *text) mat() (*matfile.File, error) {
	if t.of.Size > matfile.MaxFile {
		return nil, fmt.Errorf("%s: %d bytes, want at most %d", t.path, t.of.Size, matfile.MaxFile)
	}
	r, err := t.in.Open(t.of)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", t.path, err)
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, matfile.MaxFile+1))
	if err == nil && int64(len(data)) > matfile.MaxFile {
		err = fmt.Errorf("more than %d bytes", matfile.MaxFile)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", t.path, err)
	}
	return matfile.ReadNamed(t.path, data)
}

// openCars opens Cars wherever a data path says.
func openCars(ctx context.Context, dataPath string) (*carSource, error) {
	archives, err := archivesAt(dataPath)
	if err != nil {
		return nil, err
	}
	if archives == nil && remote.Named(dataPath) {
		return nil, fmt.Errorf("%s: a list of images, want the folder or archives of the data set", remote.Shown(dataPath))
	}
	if archives == nil {
		return carsIn(ctx, dataPath), nil
	}
	if tables, err := areTables(dataPath, archives); err != nil || tables {
		if err == nil {
			err = fmt.Errorf("%s: a Parquet file, want the folder or archives of the data set", remote.Shown(dataPath))
		}
		return nil, err
	}
	p, err := openPack(ctx, dataPath, archives, isMAT)
	if err != nil {
		return nil, err
	}
	return p.cars(), nil
}

// split lists the images of a split, with the files' names of those that combined
// annotations are of.
func (c *carSource) split(folder string, list []CarAnnotation, test bool) (*Dataset, error) {
	d, err := c.all(folder)
	if err != nil {
		return nil, c.wrong(err)
	}
	if !c.combined {
		return d, nil
	}
	of := make(map[string]bool, len(list))
	for _, a := range list {
		if a.Test == test {
			of[a.File] = true
		}
	}
	kept := d.Items[:0:0]
	for _, item := range d.Items {
		if of[path.Base(inArchive(item.Name))] {
			kept = append(kept, item)
		}
	}
	d.Items = kept
	if len(kept) == 0 {
		return nil, fmt.Errorf("%s: none of the images that %s lists for this split is there", c.of(folder), foreign.Name(c.of(c.annotations)))
	}
	return d, nil
}
