package dataset

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/matfile"
)

// The last word of the name of a class of Stanford Cars is the year; CarFiles has the
// files. A table of refined labels gives the colours of the cars, as image,Class with
// Class = <class from 1>_<colour from 0>.

// yellowColour is the only colour whose number in the table is known for sure.
const yellowColour = 9

// A CarAnnotation is what the devkit says of an image.
type CarAnnotation struct {
	File  string // without folders
	Class int    // from 0; Unlabelled in the test set
	Test  bool   // combined annotations say that it is of the test set
}

// carClasses returns the names of the classes of cars_meta.mat or cars_annos.mat.
func carClasses(f *matfile.File, path string) ([]string, error) {
	v, err := f.Variable("class_names")
	if err != nil {
		return nil, err
	}
	names := make([]string, v.Len())
	for i := range names {
		cell, err := v.Cell(i)
		if err == nil {
			names[i], err = cell.Text()
		}
		if err != nil {
			return nil, fmt.Errorf("%s: class_names: %d: %w", path, i+1, err)
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%s: class_names: a %v array, want the names of classes", path, v)
	}
	return names, nil
}

// carAnnotations returns what cars_train_annos.mat says, in which every image has a class
// from 1 to classes, or cars_test_annos.mat, which has no classes, or cars_annos.mat, which
// is of both.
func carAnnotations(f *matfile.File, path string, classes int) ([]CarAnnotation, error) {
	v, err := f.Variable("annotations")
	if err != nil {
		return nil, err
	}
	if len(v.Fields()) == 0 {
		return nil, fmt.Errorf("%s: annotations: a %v array, want structs with a field fname or relative_im_path", path, v)
	}
	list := make([]CarAnnotation, v.Len())
	seen := map[string]int{}
	for i := range list {
		if err := list[i].read(v, i, classes); err != nil {
			return nil, fmt.Errorf("%s: annotations: %d: %w", path, i+1, err)
		}
		if first, twice := seen[list[i].File]; twice {
			return nil, fmt.Errorf("%s: annotations: %d: image %s is there already, as %d", path, i+1, foreign.Quote(list[i].File), first+1)
		}
		seen[list[i].File] = i
	}
	return list, nil
}

func (c *CarAnnotation) read(v *matfile.Array, i, classes int) error {
	field := "fname"
	if !slices.Contains(v.Fields(), field) && slices.Contains(v.Fields(), "relative_im_path") {
		field = "relative_im_path"
		test, err := v.Field(i, "test")
		if err != nil {
			return err
		}
		n, err := test.Int64()
		if err != nil || n < 0 || n > 1 {
			return fmt.Errorf("test: %v, want 0 or 1", cmp.Or[any](err, n))
		}
		c.Test = n == 1
	}
	name, err := v.Field(i, field)
	if err == nil {
		c.File, err = name.Text()
	}
	if err == nil && c.File == "" {
		err = errors.New("empty")
	}
	if err != nil {
		return fmt.Errorf("%s: %w", field, err)
	}
	c.File = c.File[strings.LastIndex(c.File, "/")+1:]
	c.Class = Unlabelled
	if !slices.Contains(v.Fields(), "class") {
		return nil
	}
	a, err := v.Field(i, "class")
	if err != nil {
		return err
	}
	n, err := a.Int64()
	switch {
	case err != nil:
		return fmt.Errorf("class: %w", err)
	case n < 1 || n > int64(classes):
		return fmt.Errorf("class: %d, want 1 to %d", n, classes)
	}
	c.Class = int(n - 1)
	return nil
}

// cars lists the images of cars_train, with the devkit's classes.
func (c *carSource) cars() (*Dataset, error) {
	names, list, err := c.annotated()
	if err != nil {
		return nil, err
	}
	d, err := c.split(c.train, list, false)
	if err != nil {
		return nil, err
	}
	labels := make(map[string]int, len(list))
	for _, a := range list {
		labels[a.File] = a.Class
	}
	d.Classes = names
	for i := range d.Items {
		if label, ok := labels[path.Base(inArchive(d.Items[i].Name))]; ok {
			d.Items[i].Label = label
		}
	}
	return d, nil
}

// carsTest lists the images of cars_test, without labels.
func (c *carSource) carsTest() (*Dataset, error) {
	if !c.combined {
		return c.split(c.test, nil, true)
	}
	_, list, err := c.annotated()
	if err != nil {
		return nil, err
	}
	return c.split(c.test, list, true)
}

// annotated reads the classes and the annotations.
func (c *carSource) annotated() ([]string, []CarAnnotation, error) {
	names, err := c.classNames()
	if err != nil {
		return nil, nil, err
	}
	list, err := c.list(len(names))
	return names, list, err
}

func (c *carSource) list(classes int) ([]CarAnnotation, error) {
	f, err := c.mat(c.annotations)
	if err != nil {
		return nil, c.wrong(err)
	}
	return carAnnotations(f, c.of(c.annotations), classes)
}

func (c *carSource) classNames() ([]string, error) {
	f, err := c.mat(c.classes)
	if err != nil {
		return nil, c.wrong(err)
	}
	return carClasses(f, c.of(c.classes))
}

// wrong adds to the error of a file that is missing what the data set should have.
func (c *carSource) wrong(err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if file := (*fs.PathError)(nil); errors.As(err, &file) && filepath.Base(file.Path) == CarsTest {
		return hinted{err, "give the folder of Stanford Cars, with cars_test in it, or " + combinedCars + " and car_ims"}
	}
	if !c.combined && c.in.there(combinedCars) && c.in.there(c.train) {
		return hinted{err, combinedCars + " numbers the images of car_ims, which those of cars_train are not numbered by: put cars_meta.mat and cars_train_annos.mat of the devkit beside it, or get car_ims"}
	}
	if errors.As(err, new(notPacked)) {
		return hinted{err, "put the annotations in the archive or beside it, or give several archives, as in {cars_train,car_devkit}.tgz"}
	}
	return hinted{err, "give the folder of Stanford Cars, with devkit and cars_train in it, or " + combinedCars + " and car_ims"}
}

// CarOptions say where the labels of cars are.
type CarOptions struct {
	Root    string   // the data set: a folder, or archives
	CSV     string   // table of refined labels; empty: classes of the devkit, no colours
	Colours []string // names of the table's colours in order; empty: yellow is the one that is known
	Labels  []string // questions: colours, or words of classes' names
}

// ReadCars reads the labels of Stanford Cars' training set: the year as a group,
// and the answers to questions. A question that is the name of a colour asks for
// the car's; another one whether the class's name has its words, whatever their
// case. Questions that no colour and no class answers are left out of Names.
//
// With a table of refined labels, cars are those of the table, and their classes
// its own.
func ReadCars(ctx context.Context, o CarOptions) (*Labels, error) {
	in, err := openCars(ctx, o.Root)
	if err != nil {
		return nil, err
	}
	names, err := in.classNames()
	if err != nil {
		return nil, err
	}
	c := &carTable{names: names, years: make([]string, len(names))}
	for i, name := range names {
		words := strings.Fields(name)
		if len(words) == 0 || strings.Trim(words[len(words)-1], "0123456789") != "" {
			return nil, fmt.Errorf("%s: class_names: %d: %s, want a name that ends in the year", in.of(in.classes), i+1, foreign.Quote(name))
		}
		c.years[i] = words[len(words)-1]
	}
	list, err := in.list(len(names))
	switch {
	case o.CSV != "" && errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	}
	list = slices.DeleteFunc(list, func(a CarAnnotation) bool { return a.Test })
	annotated := in.of(in.annotations)
	l := &Labels{Path: annotated, Grouping: "year"}
	colours := map[string]int{}
	if o.CSV == "" {
		for _, a := range list {
			if a.Class == Unlabelled {
				return nil, fmt.Errorf("%s: annotations: %s has no class", annotated, foreign.Name(a.File))
			}
			c.cars = append(c.cars, car{a.File, a.Class, -1})
		}
	} else {
		l.Path = o.CSV
		if err := c.readColours(o.CSV); err != nil {
			return nil, err
		}
		l.Differing = c.differing(list)
		colours["yellow"] = yellowColour
		for i, name := range o.Colours {
			colours[strings.ToLower(name)] = i
		}
	}
	c.answer(l, o.Labels, colours)
	return l, nil
}

// carTable is cars under way to labels.
type carTable struct {
	names, years []string // of the classes
	cars         []car
}

type car struct {
	image         string
	class, colour int // from 0
}

func (c *carTable) readColours(path string) error {
	seen := map[string]int{}
	err := (&tableFile{path: path}).read([]string{"image", "Class"}, make([]bool, 2), func(line int, fields []string) error {
		image := strings.Clone(fields[0])
		if err := onlyRow(seen, image, line); err != nil {
			return err
		}
		class, colour, err := parseRefined(fields[1], len(c.names))
		if err != nil {
			return err
		}
		c.cars = append(c.cars, car{image, class, colour})
		return nil
	})
	if err == nil && len(c.cars) == 0 {
		err = fmt.Errorf("%s: no rows, want one for each car", path)
	}
	return err
}

// parseRefined reads <class from 1>_<colour from 0>.
func parseRefined(text string, classes int) (class, colour int, err error) {
	first, second, _ := strings.Cut(text, "_")
	class, err = strconv.Atoi(first)
	if err == nil {
		colour, err = strconv.Atoi(second)
	}
	if err != nil || colour < 0 {
		return 0, 0, fmt.Errorf("column Class: %s, want the numbers of class and colour, as 12_9", foreign.Quote(text))
	}
	if class < 1 || class > classes {
		return 0, 0, fmt.Errorf("column Class: %s: class %d, want 1 to %d", foreign.Quote(text), class, classes)
	}
	return class - 1, colour, nil
}

// differing counts the cars that the devkit gives another class.
func (c *carTable) differing(list []CarAnnotation) int {
	devkit := make(map[string]int, len(list))
	for _, a := range list {
		devkit[a.File] = a.Class
	}
	n := 0
	for _, car := range c.cars {
		if class, ok := devkit[car.image]; ok && class != Unlabelled && class != car.class {
			n++
		}
	}
	return n
}

// answer fills in the labels.
func (c *carTable) answer(l *Labels, questions []string, colours map[string]int) {
	type question struct {
		colour int
		of     []bool // by class
	}
	var asked []question
	for _, name := range questions {
		q := question{colour: -1}
		if colour, ok := colours[strings.ToLower(strings.TrimSpace(name))]; ok {
			q.colour = colour
		} else if q.of = classesWith(c.names, name); !slices.Contains(q.of, true) {
			continue
		}
		asked = append(asked, q)
		l.Names = append(l.Names, name)
	}
	for _, car := range c.cars {
		k := Labelled{Image: car.image, Group: c.years[car.class], Answers: make([]Answer, len(asked))}
		for i, q := range asked {
			if q.colour >= 0 && car.colour == q.colour || q.colour < 0 && q.of[car.class] {
				k.Answers[i] = Yes
			}
		}
		l.Known = append(l.Known, k)
	}
}

// classesWith says of each class whether its name has the words of text, one
// after the other.
func classesWith(names []string, text string) []bool {
	words := strings.Fields(strings.ToLower(text))
	has := make([]bool, len(names))
	if len(words) == 0 {
		return has
	}
	for i, name := range names {
		parts := strings.Fields(strings.ToLower(name))
		for at := 0; at+len(words) <= len(parts) && !has[i]; at++ {
			has[i] = slices.Equal(parts[at:at+len(words)], words)
		}
	}
	return has
}
