package segment

import (
	"fmt"
	"image"
	"image/color"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/canvas"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/heat"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/pipeline/figure"
	"github.com/clipnh/clipnh/internal/pipeline/model"
)

// segmentMaker is what drawings and label maps say of who made them, so that no
// others are ever replaced.
const segmentMaker = "clipnh segment"

// showPath is where the drawing of a scene lies, savePath the labels that a method
// gave it. Folders of a name become parts of the file's.
func (o *Options) showPath(s *sceneToRead) string { return filepath.Join(o.ShowDir, s.drawing()) }

func (o *Options) savePath(s *sceneToRead, method int) string {
	if len(o.Methods) == 1 {
		return filepath.Join(o.SaveDir, s.drawing())
	}
	return filepath.Join(o.SaveDir, o.Methods[method].String(), s.drawing())
}

// canDraw makes the folders for drawings and label maps, and fails where a file
// that is not ours lies where one of them would.
func (o *Options) canDraw(scenes []sceneToRead) error {
	var paths []string
	for i := range scenes {
		s := &scenes[i]
		if o.ShowDir != "" {
			paths = append(paths, o.showPath(s))
		}
		for m := range o.Methods {
			if o.SaveDir != "" {
				paths = append(paths, o.savePath(s, m))
			}
		}
	}
	return figure.CanWriteImages(paths, segmentMaker)
}

// probabilitiesPath is where the probabilities that a method gives a scene's pixels go.
func (o *Options) probabilitiesPath(s *sceneToRead, method int) string {
	name := strings.TrimSuffix(s.drawing(), ".png") + ".npy"
	if len(o.Methods) == 1 {
		return filepath.Join(o.ProbabilitiesDir, name)
	}
	return filepath.Join(o.ProbabilitiesDir, o.Methods[method].String(), name)
}

// probabilitiesOrigin makes the folders for probabilities, and fails where one would replace
// what must stay. It returns their origin, but for what is the image's and the method's.
func (o *Options) probabilitiesOrigin(m *model.Model, scenes []sceneToRead) (origin.Origin, error) {
	if o.ProbabilitiesDir == "" {
		return origin.Origin{}, nil
	}
	of := *o
	of.Limit = 0 // of no matter to an image
	from, err := of.origin(m, &sceneList{})
	if err != nil {
		return from, err
	}
	taken := map[string]bool{}
	for i := range scenes {
		for method := range o.Methods {
			path := o.probabilitiesPath(&scenes[i], method)
			if taken[path] {
				return from, fmt.Errorf("%s: two images would have this name", path)
			}
			taken[path] = true
			if err := artefact.MakeFolders(path); err != nil {
				return from, err
			}
			of, err := o.probabilitiesOf(from, &scenes[i], method)
			if err == nil {
				err = o.Writer.MayReplace(path, artefact.KindProbabilities, of)
			}
			if err != nil {
				return from, err
			}
		}
	}
	return from, nil
}

// probabilitiesOf is the origin of what a method gives a scene.
func (o *Options) probabilitiesOf(from origin.Origin, sc *sceneToRead, method int) (origin.Origin, error) {
	from = from.Own()
	item := sc.item
	item.Name = sc.name
	alone := &dataset.Dataset{Items: []dataset.Item{item}}
	images := *from.Images
	var err error
	images.SHA256, err = alone.Fingerprint()
	from.Images, from.Mode = &images, o.Methods[method].String()
	return from, err
}

// saveProbabilities writes the probabilities that a method gives the pixels of a scene.
func (s *segmenter) saveProbabilities(sc *sceneToRead, method int, f *heat.Field, options heat.LabelOptions) error {
	path := s.o.probabilitiesPath(sc, method)
	of, err := s.o.probabilitiesOf(s.from, sc, method)
	if err != nil {
		return err
	}
	out := artefact.NewOutput(artefact.KindProbabilities, path, []string{"Y", "X", "M"}, []int{sc.height, sc.width, len(s.result.Classes)}, of)
	err = s.o.Writer.SaveTogether([]artefact.Output{out}, func(to []io.Writer) error {
		return f.Probabilities(options, func(row []float32) error { return artefact.Put(to[0], row) })
	})
	if err == nil {
		s.result.Files = append(s.result.Files, path)
	}
	return err
}

// draw writes what is to be drawn and kept of a scene, and returns the files.
func (s *segmenter) draw(sc *sceneToRead, given [][]uint16) ([]string, error) {
	var files []string
	write := func(path string, to func(w io.Writer) error) error {
		if err := figure.WriteImage(s.o.Store, path, to); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		files = append(files, path)
		return nil
	}
	if s.o.SaveDir != "" {
		for m, labels := range given {
			err := write(s.o.savePath(sc, m), func(w io.Writer) error { return canvas.WriteNumbers(w, labels, sc.width, s.colours, segmentMaker) })
			if err != nil {
				return files, err
			}
		}
	}
	if s.o.ShowDir == "" {
		return files, nil
	}
	sheet := s.sheet(sc, given)
	return files, write(s.o.showPath(sc), func(w io.Writer) error { return sheet.WritePNG(w, segmentMaker) })
}

// The measures of a drawing, in pixels.
const (
	panelSide    = 480 // of the box that an image is fitted into
	panelGap     = 16
	panelColumns = 3
)

// A panel is an image and what stands above it.
type panel struct {
	title  string
	shares string // of the classes in the pixels; empty for the image itself
	image  canvas.Image
	names  []regionName // of classes, in the image
}

// sheet draws the image, its true labels and those of each method, and a
// legend of the classes that occur.
func (s *segmenter) sheet(sc *sceneToRead, given [][]uint16) *canvas.Canvas {
	colours, unlabelled := s.colours, false
	panels := []panel{{title: sc.name, image: canvas.Image{Pix: sc.image.Pix, W: sc.width, H: sc.height}}}
	occurs := make([]bool, len(colours))
	add := func(title string, labels []uint16) {
		pix := make([]byte, len(sc.image.Pix))
		for i, label := range labels {
			colour := color.NRGBA{}
			if int(label) < len(colours) {
				colour = colours[label]
				occurs[label] = true
			} else {
				unlabelled = true
			}
			tint(pix[3*i:3*i+3], sc.image.Pix[3*i:3*i+3], colour)
		}
		outline(pix, labels, sc.width)
		panels = append(panels, panel{title, s.shareText(labels), canvas.Image{Pix: pix, W: sc.width, H: sc.height}, regionNames(labels, sc.width, len(colours))})
	}
	if sc.truth != nil {
		add("true labels", sc.truth)
	}
	for m, labels := range given {
		add(s.o.Methods[m].String(), labels)
	}
	var entries, absent []canvas.Entry
	for c, there := range occurs {
		entry := canvas.Entry{Colour: swatch(colours[c]), Text: s.result.Classes[c]}
		switch {
		case there:
			entries = append(entries, entry)
		case len(occurs) <= fullLegend:
			entry.Text += ": no pixel"
			absent = append(absent, entry)
		}
	}
	if unlabelled {
		entries = append(entries, canvas.Entry{Colour: canvas.Faint, Text: "not labelled"})
	}
	return s.layPanels(panels, append(entries, absent...))
}

// fullLegend is how many classes a legend lists also where they do not occur.
const fullLegend = 24

// shareText lists the classes of labels with their share of the pixels, the largest first.
func (s *segmenter) shareText(labels []uint16) string {
	counts := make([]int, len(s.result.Classes))
	for _, label := range labels {
		if int(label) < len(counts) {
			counts[label]++
		}
	}
	order := make([]int, len(counts))
	for c := range order {
		order[c] = c
	}
	slices.SortStableFunc(order, func(a, b int) int { return counts[b] - counts[a] })
	var parts []string
	for _, c := range order {
		if 200*counts[c] >= len(labels) { // less would be 0 %
			parts = append(parts, fmt.Sprintf("%s %.0f %%", s.result.Classes[c], 100*float64(counts[c])/float64(len(labels))))
		}
	}
	return strings.Join(parts, ", ")
}

// outline darkens the pixels at which a label meets another to the right or below, so that
// regions of like colours stay apart.
func outline(pix []byte, labels []uint16, width int) {
	for i, label := range labels {
		right := i%width+1 < width && labels[i+1] != label
		below := i+width < len(labels) && labels[i+width] != label
		if right || below {
			pix[3*i], pix[3*i+1], pix[3*i+2] = pix[3*i]/3, pix[3*i+1]/3, pix[3*i+2]/3
		}
	}
}

// tint mixes a colour into a pixel's brightness, so that shapes show through it.
// A pixel without a colour becomes pale grey.
func tint(dst, src []byte, colour color.NRGBA) {
	bright := (299*int(src[0]) + 587*int(src[1]) + 114*int(src[2])) / 1000
	if colour.A == 0 {
		for i := range dst {
			dst[i] = byte(200 + bright/6)
		}
		return
	}
	for i, v := range []byte{colour.R, colour.G, colour.B} {
		dst[i] = byte((3*int(v) + bright) / 4)
	}
}

// layPanels draws panels in rows, and a legend below them.
func (s *segmenter) layPanels(panels []panel, entries []canvas.Entry) *canvas.Canvas {
	font, bold := canvas.NewFont(15), canvas.NewBold(15)
	first := panels[0].image
	box := canvas.Fit(first.W, first.H, image.Rect(0, 0, panelSide, panelSide))
	w, h := box.Dx(), box.Dy()
	// A narrow image leaves its title room.
	w = max(w, panelSide/3)
	columns := min(len(panels), panelColumns)
	rows := (len(panels) + columns - 1) / columns
	line := bold.Height() + font.Height() + panelGap/2
	width := panelGap + columns*(w+panelGap)
	legend := canvas.NewLegend(font, entries, width-2*panelGap)
	below := panelGap + rows*(line+h+panelGap)
	sheet := canvas.New(width, below+legend.Height()+panelGap, canvas.White)
	for i, p := range panels {
		at := image.Pt(panelGap+i%columns*(w+panelGap), panelGap+i/columns*(line+h+panelGap))
		sheet.Text(bold, at, bold.CutMiddle(p.title, w), canvas.Ink)
		sheet.Text(font, at.Add(image.Pt(0, bold.Height())), font.Cut(p.shares, w), canvas.Grey)
		placed := sheet.Place(p.image, image.Rect(at.X, at.Y+line, at.X+w, at.Y+line+h))
		drawNames(sheet, font, s.result.Classes, p.names, p.image.W, placed)
	}
	sheet.Legend(legend, image.Pt(panelGap, below))
	return sheet
}

// swatch is a colour as it looks in panels, over middling brightness.
func swatch(colour color.NRGBA) color.NRGBA {
	var pix [3]byte
	tint(pix[:], []byte{128, 128, 128}, colour)
	return color.NRGBA{pix[0], pix[1], pix[2], 0xff}
}
