package verify

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/clipnh/clipnh/configs"
	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/shard"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/ui"
)

// This file compares the images that artefacts were made from with those that are there
// now.

// imageSet are the images of a data set as they are now.
type imageSet struct {
	data   *dataset.Dataset
	images string // fingerprint
	sums   []uint32
	err    error
}

// compareImages compares the files of a collection's images with what they
// were when they were collected.
func (v *verifier) compareImages(ctx context.Context, f *found) error {
	if f.artefact == nil || f.artefact.Manifest.Origin.Images == nil {
		return nil
	}
	m := f.artefact.Manifest
	f.Images = NotChecked
	if v.DataPath == "" {
		return nil
	}
	from := m.Origin.Images
	kind := from.Dataset
	if v.DataKind != "" {
		kind = v.DataKind
	}
	if m.Origin.Segment != nil {
		return v.compareScenes(ctx, f, kind)
	}
	data := dataset.Options{Kind: kind, Path: v.DataPath}.WithKeyOf(from.Dataset, from.LabelKey)
	set, err := v.imageSet(ctx, data, from.Stride)
	if err != nil {
		return err
	}
	if set.err != nil {
		v.leave(f, "%v", set.err)
		return nil
	}
	if set, err = set.namedAs(f.artefact); err != nil {
		return err
	}
	facts := artefact.Facts{{Field: "origin.images.dataset", Want: kind}}.Images(set.images)
	if err = f.artefact.Expect(nil, facts...); err != nil {
		if !set.hasAny(f.artefact) {
			v.leave(f, "none of them is in %s, which holds another data set", v.DataPath)
			return nil
		}
		f.Images = otherOne
		text := fmt.Sprintf("%v, the images of %s", err, v.DataPath)
		first, _, rangeErr := shard.RangeOf(m)
		if rangeErr != nil {
			return rangeErr
		}
		first = min(first, len(set.data.Items)) // where there are fewer images than before a shard's
		if what := source.FirstChange(set.data.Items[first:], set.sums[first:], f.artefact.InputSums(), m.Origin.Images.Names == source.NamesHash(set.data.Items), source.FirstGone(set.data.Items, f.artefact)); what != "" {
			text = fmt.Sprintf("%s: made with other images than those of %s: %s", f.path, v.DataPath, what)
		}
		f.wrong(StateStale, f.path, -1, text)
		return nil
	}
	f.Images = sameSizes // until checksums are compared
	first, _, err := shard.RangeOf(m)
	if err != nil {
		return err
	}
	chunks := m.Payloads[0].Chunks
	if chunks == nil { // a result, whose inputs have checksums all together
		chunks = []cache.Chunk{{Inputs: m.Payloads[0].Inputs}}
	}
	for i, c := range chunks {
		sums, number := c.InputSums(), i
		if m.Payloads[0].Chunks == nil {
			number = -1
		}
		if sums == nil {
			return nil
		}
		f.Images = sameOrigin
		for j, was := range sums {
			if now := set.sums[first+j]; now != was {
				f.wrong(StateStale, set.data.Items[first+j].Path, number, source.Changed(set.data.Items[first+j].Path).Error())
			}
		}
		first += len(sums)
	}
	if f.State == StateStale {
		f.Images = otherOne
	}
	return nil
}

// namedAs returns the set under the names that an artefact has for its images, as far as it
// has any: those of a folder are the same images in an archive, and the other way round.
func (s *imageSet) namedAs(a *cache.Artefact) (*imageSet, error) {
	renamed := s.data.NamedAs(artefact.KnownImageNames(a))
	if renamed == s.data {
		return s, nil
	}
	images, err := renamed.Fingerprint()
	return &imageSet{data: renamed, images: images, sums: s.sums}, err
}

// hasAny reports whether one of the images that an artefact names is among the set's, or may
// be, as the artefact names none.
func (s *imageSet) hasAny(a *cache.Artefact) bool {
	names := artefact.KnownImageNames(a)
	if len(names) == 0 {
		return true
	}
	there := make(map[string]bool, len(s.data.Items))
	for _, item := range s.data.Items {
		there[item.Name] = true
	}
	return slices.ContainsFunc(names, func(name string) bool { return there[name] })
}

// leave keeps why the images of an artefact are not compared.
func (v *verifier) leave(f *found, format string, args ...any) {
	why := fmt.Sprintf(format, args...)
	i := slices.IndexFunc(v.left, func(l left) bool { return l.why == why })
	if i < 0 {
		i = len(v.left)
		v.left = append(v.left, left{why: why})
	}
	v.left[i].paths = append(v.left[i].paths, f.path)
}

// left are artefacts whose images are not compared, for one reason.
type left struct {
	why   string
	paths []string
}

// sayLeft says which images were not compared and why, once for each reason. Where those of no
// artefact were, Result.Unchecked says it.
func (v *verifier) sayLeft() {
	compared := slices.ContainsFunc(v.found, func(f *found) bool { return f.Images != "" && f.Images != NotChecked })
	for _, l := range v.left {
		whose := "its"
		if len(l.paths) > 1 {
			whose = "their"
		}
		if compared {
			v.say.Note("%s: %s images are not checked: %s", strings.Join(l.paths, ", "), whose, l.why)
		}
		v.result.Unchecked = append(v.result.Unchecked, l.why)
	}
}

func (v *verifier) imageSet(ctx context.Context, o dataset.Options, stride int) (*imageSet, error) {
	key := fmt.Sprint(o.Kind, " ", stride, " ", o.LabelKey)
	if set := v.images[key]; set != nil {
		return set, nil
	}
	set := &imageSet{}
	v.images[key] = set
	data, err := dataset.Open(ctx, o)
	if err != nil {
		if ctx.Err() != nil || errors.Is(err, context.Canceled) || dataset.Unanswered(err) || dataset.Gone(err) {
			return nil, err
		}
		set.err = err
		return set, nil
	}
	set.data = data.Stride(max(stride, 1))
	if set.images, err = set.data.Fingerprint(); err != nil {
		return nil, err
	}
	set.sums, err = source.Sums(ctx, set.data.Items, v.Threads, v.say.Progress())
	return set, err
}

// compareScenes compares the images and label maps of a segmentation, of the data set
// that a config describes, by names, sizes, and checksums where an older build has not
// left them out.
func (v *verifier) compareScenes(ctx context.Context, f *found, config string) error {
	from := f.artefact.Manifest.Origin
	if filepath.Ext(config) == "" && !slices.Contains(configs.Segmentations(), config) {
		v.leave(f, "data set %q is not built in; give its config as {dataset}", config)
		return nil
	}
	setup, err := configs.ReadSegmentation(config)
	if err != nil {
		return err
	}
	if cache.ListHash([]string{setup.Layout.Text()}) != from.Segment.Layout {
		v.leave(f, "its scenes had another layout than those of %s", config)
		return nil
	}
	data, err := dataset.OpenScenes(ctx, dataset.SceneOptions{Path: v.DataPath, Layout: setup.Layout, Classes: len(setup.Classes)})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if dataset.Unanswered(err) || dataset.Gone(err) {
		return err
	}
	if err != nil {
		v.leave(f, "%v", err)
		return nil
	}
	images, err := data.Fingerprint()
	if err != nil {
		return err
	}
	if err := f.artefact.Expect(nil, artefact.Facts{}.Images(images)...); err != nil {
		f.Images = otherOne
		f.wrong(StateStale, f.path, -1, fmt.Sprintf("%v, the scenes of %s", err, v.DataPath))
		return nil
	}
	f.Images = sameSizes
	first, _, err := shard.RangeOf(f.artefact.Manifest)
	was := f.artefact.InputSums()
	if err != nil || was == nil || first+len(was) > len(data.Items) {
		return err
	}
	now, err := v.sceneSums(ctx, data, first, len(was))
	if err != nil {
		return err
	}
	f.Images = sameOrigin
	for i := range was {
		if scene := data.Items[first+i]; now[i] != was[i] {
			f.Images = otherOne
			f.wrong(StateStale, scene.Path, -1, source.Changed(scene.Path+" or "+scene.Labels).Error())
		}
	}
	return nil
}

// sceneSums are the checksums of the files of n scenes, as counts keep them: those of image
// and label map, of a file that cannot be read 0.
func (v *verifier) sceneSums(ctx context.Context, data *dataset.Scenes, first, n int) ([]uint32, error) {
	progress := v.say.Progress()
	progress.Start(int64(n), ui.Images, "compare images")
	defer progress.Done()
	sums := make([]uint32, n)
	var failed atomic.Pointer[error]
	par.NewTeam(v.Threads).For(n, func(lo, hi, _ int) {
		for i := lo; i < hi && ctx.Err() == nil && failed.Load() == nil; i++ {
			var image, labels uint32
			item := data.Items[first+i].Image()
			f, err := item.Load()
			if err == nil {
				image = cache.SumOf(f.Bytes)
				progress.Read(f.Size)
			}
			l, labelsErr := data.LoadLabels(first + i)
			if labelsErr == nil {
				labels = l.CRC
			}
			if err := errors.Join(err, labelsErr); dataset.Unanswered(err) {
				failed.Store(&err)
			}
			sums[i] = cache.AddSum(cache.AddSum(0, image), labels)
			progress.Add(1)
		}
	})
	if err := failed.Load(); err != nil && ctx.Err() == nil {
		return nil, *err
	}
	return sums, ctx.Err()
}
