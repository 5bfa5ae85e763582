package dataset

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/remote"
	"github.com/clipnh/clipnh/internal/textlist"
)

// imageNetVal is readImageNetVal: the class of an image is the folder that it is in, below
// the split's.
func (p *pack) imageNetVal() (*Dataset, error) {
	top := p.top("val")
	items := p.under(top)
	folderOf := func(i *Item) string {
		folder, _, in := strings.Cut(strings.TrimPrefix(i.inner(), top), "/")
		if !in {
			return ""
		}
		return folder
	}
	folders := map[string]bool{}
	for i := range items {
		if folder := folderOf(&items[i]); folder != "" {
			folders[folder] = true
		}
	}
	if len(folders) == 0 || p.labelKey != "" || p.areSamples() {
		if d, err := p.sampled(); d != nil || err != nil {
			return d, err
		}
		if p.labelKey != "" {
			return nil, unnamed(p.path, p.labelKey, "no image has a .json beside it")
		}
		p.splitOf(top, "val")
		return p.flatVal(items)
	}
	p.splitOf(top, "val")
	labels, d, err := p.classes(top, slices.Sorted(maps.Keys(folders)))
	if err != nil {
		return nil, err
	}
	labelled := items[:0:0]
	for _, item := range items {
		folder := folderOf(&item)
		if folder == "" {
			p.skipped = append(p.skipped, Skipped{Path: item.Path, Name: item.Name, Reason: "not in a class folder"})
			continue
		}
		item.Label = labels[folder]
		labelled = append(labelled, item)
	}
	// By folder and then by name, as in folders, where "a-b/1.jpg" follows "a/1.jpg".
	for from := 0; from < len(labelled); {
		to := from + 1
		for to < len(labelled) && labelled[to].from.(*member).in == labelled[from].from.(*member).in {
			to++
		}
		slices.SortFunc(labelled[from:to], func(a, b Item) int {
			return cmp.Or(strings.Compare(folderOf(&a), folderOf(&b)), strings.Compare(a.Name, b.Name))
		})
		from = to
	}
	return p.labelled(d, labelled)
}

// labelled completes a data set whose classes are known.
func (p *pack) labelled(d *Dataset, items []Item) (*Dataset, error) {
	of, err := p.dataset(items)
	if err != nil {
		return nil, err
	}
	of.Classes, of.ClassesFile, of.Captions = d.Classes, d.ClassesFile, d.Captions
	return of, nil
}

// classes returns the labels of the folders in top, and a data set with the names of the
// classes: those of a classes.txt next to the folders, in the folder above, or next to
// the archive.
func (p *pack) classes(top string, folders []string) (map[string]int, *Dataset, error) {
	above := top[:strings.LastIndex(strings.TrimSuffix(top, "/"), "/")+1]
	for _, in := range []string{top, above} {
		for _, t := range p.texts {
			if t.of.Name == in+classesFile {
				labels, d, err := t.classes(p, folders)
				return labels, d, err
			}
		}
	}
	table, err := classesBeside(p.ctx, p.archives[0])
	if err != nil {
		return nil, nil, err
	}
	labels, names, err := classLabels(p.ctx, table, p.path, folders)
	return labels, &Dataset{Classes: names, ClassesFile: table}, err
}

// classes reads a classes.txt in an archive.
func (t *text) classes(p *pack, folders []string) (map[string]int, *Dataset, error) {
	r, err := t.in.Open(t.of)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", t.path, err)
	}
	defer r.Close()
	lines, err := textlist.Read(r)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", t.path, err)
	}
	labels, names, err := parseClasses(lines)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", t.path, err)
	}
	for _, folder := range folders {
		if _, ok := labels[folder]; !ok {
			return nil, nil, fmt.Errorf("%s: folder %s is not listed in %s", p.path, foreign.Name(folder), t.path)
		}
	}
	return labels, &Dataset{Classes: names, ClassesFile: t.path}, nil
}

// flatVal labels images that are in no class folders, by the table or the devkit next to
// the archive.
func (p *pack) flatVal(items []Item) (*Dataset, error) {
	if len(items) == 0 {
		return p.dataset(items)
	}
	find := func() (string, map[string]string, error) { return classTableOf(p.ctx, filepath.Dir(p.archives[0])) }
	if remote.Named(p.archives[0]) {
		find = func() (string, map[string]string, error) { return classTableAt(p.ctx, p.archives[0]) }
	}
	table, classOf, err := find()
	if err != nil {
		return nil, err
	}
	if table == "" {
		return nil, hinted{fmt.Errorf("%s: %s, but none in a folder of its class", p.path, quantity.Of(len(items), "image")), howToLabel("next to the archive")}
	}
	folders := slices.Compact(slices.Sorted(maps.Values(classOf)))
	labels, d, err := p.classes("", folders)
	if err != nil {
		return nil, err
	}
	var labelled []Item
	for _, item := range items {
		name := item.inner()[strings.LastIndex(item.inner(), "/")+1:]
		class, ok := classOf[strings.TrimSuffix(name, filepath.Ext(name))]
		if !ok {
			p.skipped = append(p.skipped, Skipped{Path: item.Path, Name: item.Name, Reason: "no row in " + path.Base(filepath.ToSlash(table))})
			continue
		}
		item.Label = labels[class]
		labelled = append(labelled, item)
	}
	return p.labelled(d, labelled)
}
