package retrieve

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/pipeline/figure"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/ui"
)

// The files in a neuron's folder, DIR/624, are its sheet and its heat maps; its pairs
// have folders of their own below, 624_HEAD. The images are in DIR/images, ROW_NAME.png,
// each once for all units; or, with copies, in the units' folders, RANK_ROW.png with
// ranks from 0, as the reference names them. Each file says who made it, so that nothing else is ever replaced.
const (
	retrieveMaker = "clipnh retrieve"
	sheetFile     = "sheet.png"
	heatFile      = "heat.png"
	storedFolder  = "images"
)

var (
	copyName   = regexp.MustCompile(`^\d+_\d+\.png$`)
	storedName = regexp.MustCompile(`^\d+_.*\.png$`)
	unitName   = regexp.MustCompile(`^\d+(_\d+)?$`) // of a folder
)

// storedPath is where an image is stored for all units: by its row in the scores, which no
// other image has, and by what its file is called, as far as every file system takes that.
func storedPath(dir string, row int, name string) string {
	const longest = 60 // bytes
	name = filepath.Base(name)
	stem := []byte(strings.TrimSuffix(name, filepath.Ext(name)))
	for i, c := range stem {
		if c != '-' && c != '.' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			stem[i] = '_'
		}
	}
	return filepath.Join(dir, storedFolder, fmt.Sprintf("%d_%s.png", row, stem[:min(len(stem), longest)]))
}

func neuronFolder(dir string, neuron int) string { return filepath.Join(dir, strconv.Itoa(neuron)) }

// unitFolder is where a unit's copies lie: a pair's below its neuron's.
func unitFolder(dir string, neuron, head int) string {
	folder := neuronFolder(dir, neuron)
	if head == wholeNeuron {
		return folder
	}
	return filepath.Join(folder, fmt.Sprintf("%d_%d", neuron, head))
}

// canRetrieveInto fails where something that is not ours lies where copies or
// sheets of the neurons would.
func canRetrieveInto(dir string, copies bool, asked []askedNeuron) error {
	if err := artefact.MakeFolders(filepath.Join(dir, sheetFile)); err != nil {
		return err
	}
	for _, a := range asked {
		for _, head := range append([]int{wholeNeuron}, a.heads...) {
			if _, err := ourImages(unitFolder(dir, a.index, head), copyName); err != nil {
				return err
			}
		}
	}
	if copies {
		return nil
	}
	stored := filepath.Join(dir, storedFolder)
	if _, err := ourImages(stored, storedName); err != nil {
		return err
	}
	return artefact.MakeFolders(filepath.Join(stored, sheetFile))
}

// ourImages lists the images of some names and the sheets in a folder, if there is one.
// One by another hand is an error.
func ourImages(folder string, names *regexp.Regexp) ([]string, error) {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var ours []string
	for _, e := range entries {
		if name := e.Name(); !names.MatchString(name) && name != sheetFile && name != heatFile {
			continue
		}
		path := filepath.Join(folder, e.Name())
		maker, err := figure.MakerOf(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // another run has removed it
		}
		if err != nil {
			return nil, err
		}
		if maker != retrieveMaker {
			return nil, hint.With(fmt.Errorf("%s: %w, and clipnh retrieve did not make it", path, cache.ErrExists), "give another {save-dir}")
		}
		ours = append(ours, path)
	}
	return ours, nil
}

// removeOlder removes from a folder what an earlier run put there and this one
// did not, so that what lies there belongs together.
func removeOlder(folder string, written []string) error {
	ours, err := ourImages(folder, copyName)
	if err != nil {
		return err
	}
	for _, path := range ours {
		if !slices.Contains(written, path) {
			if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}

// locate finds the files of the images by their names.
func (d *renderer) locate(ctx context.Context, result *Result) error {
	d.items = dataset.ByName(d.data.Items)
	for _, n := range result.Neurons {
		for _, u := range n.Units {
			for _, t := range u.Top {
				if d.items[t.Name] == nil {
					return source.NotFound(d.Data, t.Name, d.ScoresPath)
				}
			}
		}
	}
	if d.ScoresPath == "" {
		return nil
	}
	a, err := d.collection()
	if err != nil {
		return err
	}
	if !artefact.IsDense(d.ScoresPath) {
		if err := source.NameOtherImages(ctx, d.data, d.Data.Path, a, d.ScoresPath, d.Strict, d.say); err != nil {
			return err
		}
	}
	d.recorded, err = source.RecordedImages(a, d.ScoresPath, d.data, d.Strict)
	return err
}

// collection is the artefact of the scores, or nil of another program's dense file.
func (d *renderer) collection() (*cache.Artefact, error) {
	if !artefact.IsDense(d.ScoresPath) {
		return cache.Open(d.ScoresPath)
	}
	dense, err := d.Artefacts.Dense(d.ScoresPath, d.Shape, nil)
	if err != nil {
		return nil, err
	}
	return dense.Artefact, dense.Close()
}

// nameOthers tells which folders of units lie in dir that other runs wrote and this one did
// not: their images may be of other scores.
func nameOthers(dir string, of *Result, say ui.Reporter) error {
	now := map[string]bool{}
	for _, n := range of.Neurons {
		now[neuronFolder(dir, n.index)] = true
		for _, u := range n.Units {
			now[unitFolder(dir, n.index, u.head)] = true
		}
	}
	var others []string
	look := func(folder string) error {
		ours, err := ourImages(folder, copyName)
		if len(ours) > 0 {
			others = append(others, folder)
		}
		if errors.Is(err, cache.ErrExists) { // another program's, which nothing is said of
			return nil
		}
		return err
	}
	folders, err := unitFolders(dir)
	for i := 0; err == nil && i < len(folders); i++ {
		if !now[folders[i]] {
			err = look(folders[i])
			continue
		}
		var pairs []string
		pairs, err = unitFolders(folders[i])
		for j := 0; err == nil && j < len(pairs); j++ {
			if !now[pairs[j]] {
				err = look(pairs[j])
			}
		}
	}
	if err == nil && len(others) > 0 {
		say.Note("%s: %s of another run beside those of this one, such as %s: remove what is of no use any more", dir, quantity.Of(len(others), "folder"), others[0])
	}
	return err
}

// unitFolders lists the folders below dir that have a unit's name.
func unitFolders(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	var folders []string
	for _, e := range entries {
		if e.IsDir() && unitName.MatchString(e.Name()) {
			folders = append(folders, filepath.Join(dir, e.Name()))
		}
	}
	return folders, err
}
