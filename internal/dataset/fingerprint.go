package dataset

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
)

// Sizes returns the size of each image file in bytes, or -1 for one that cannot be
// opened. A later reader can tell by it which files have since changed, vanished or
// become unreadable. Sizes are not cached: each call asks the file system. It is an error if an
// archive has changed since it was listed, or the server of its address does not say whether it
// is there.
func (d *Dataset) Sizes() ([]int64, error) { return sizesOf(d.Items, d.watcher) }

// sizesOf are Sizes of images. The watcher, which may be nil, is told how far it is with those at
// addresses of their own, if they are several.
func sizesOf(items []Item, w Watcher) ([]int64, error) {
	sizes := make([]int64, len(items))
	var stores []store // each looked at once, not for each image
	many := 1
	for i := range items {
		if from := items[i].from; from != nil && (stores == nil || from.store() != stores[len(stores)-1]) {
			if stores == nil {
				many = items[i].atOnce()
			}
			stores = append(stores, from.store())
		}
	}
	if w == nil || len(stores) < 2 || !isSingle(stores[0]) {
		w = unwatched{}
	}
	defer w.Listed()
	looked := openAhead(context.Background(), len(stores), many, func(_ context.Context, i int) (bool, error) { return stores[i].There() })
	defer looked.close()
	var last store
	there := false
	for i := range items {
		from := items[i].from
		if from == nil {
			sizes[i] = size(items[i].Path)
			continue
		}
		if in := from.store(); in != last {
			w.Listing(looked.taken, len(stores))
			var err error
			if there, err = looked.next(); err != nil {
				return nil, err
			}
			last = in
		}
		if sizes[i] = unopened; there {
			sizes[i] = from.bytes()
		}
	}
	w.Listing(len(stores), len(stores))
	return sizes, nil
}

// Fingerprint is FingerprintOf the sizes that the files have now. Errors are those of Sizes.
func (d *Dataset) Fingerprint() (string, error) {
	sizes, err := d.Sizes()
	if err != nil {
		return "", err
	}
	return d.FingerprintOf(sizes), nil
}

// FingerprintOf is the SHA-256 of the images' names and sizes in order, in hex:
// each name, a zero byte, the size of its file in bytes ("?" where it cannot be
// opened), a newline. It does not depend on where the folder lies, nor on labels.
func (d *Dataset) FingerprintOf(sizes []int64) string {
	sum := sha256.New()
	for i, item := range d.Items {
		sum.Write(fingerprintLine(item.Name, sizes[i]))
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// SceneSizes are the sizes of a scene's image and label file, as Dataset.Sizes has
// them.
type SceneSizes struct{ Image, Labels int64 }

// Sizes returns the sizes of each scene's files, as Dataset.Sizes does. A file that
// holds the labels of all scenes is looked at once.
func (s *Scenes) Sizes() ([]SceneSizes, error) {
	sizes := make([]SceneSizes, len(s.Items))
	images, labels := make([]Item, len(s.Items)), make([]Item, len(s.Items))
	for i, scene := range s.Items {
		images[i], labels[i] = scene.image, scene.labels
	}
	now, err := sizesOf(images, nil)
	if err != nil {
		return nil, err
	}
	for i, size := range now {
		sizes[i].Image = size
	}
	if s.marks != nil {
		all := size(s.marks.listed.Path)
		for i := range sizes {
			sizes[i].Labels = all
		}
		return sizes, nil
	}
	if now, err = sizesOf(labels, nil); err != nil {
		return nil, err
	}
	for i, size := range now {
		sizes[i].Labels = size
	}
	return sizes, nil
}

// HeldBy is HeldBy of the images and label maps of scenes lo to hi.
func (s *Scenes) HeldBy(lo, hi int) string {
	if s.marks != nil { // one file of all labels
		return ""
	}
	items := make([]Item, 0, 2*(hi-lo))
	for _, scene := range s.Items[lo:hi] {
		items = append(items, scene.image, scene.labels)
	}
	return HeldBy(items)
}

// Fingerprint is FingerprintOf the sizes that the files have now. Errors are those of Sizes.
func (s *Scenes) Fingerprint() (string, error) {
	sizes, err := s.Sizes()
	if err != nil {
		return "", err
	}
	return s.FingerprintOf(sizes), nil
}

// FingerprintOf is the SHA-256, in hex, of the names and sizes of images and label
// files in order, as that of a Dataset.
func (s *Scenes) FingerprintOf(sizes []SceneSizes) string {
	sum := sha256.New()
	for i, scene := range s.Items {
		sum.Write(fingerprintLine(scene.Name, sizes[i].Image))
		sum.Write(fingerprintLine(scene.below, sizes[i].Labels))
	}
	return hex.EncodeToString(sum.Sum(nil))
}

func fingerprintLine(name string, size int64) []byte {
	line := append([]byte(name), 0)
	if size == unopened {
		return append(line, "?\n"...)
	}
	return append(strconv.AppendInt(line, size, 10), '\n')
}
