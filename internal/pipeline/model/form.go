package model

import (
	"cmp"
	"fmt"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/origin"
)

// FormOrigin is how images are prepared for a model, as manifests have it.
func FormOrigin(f imageprep.Form) (o origin.Form) {
	if f.Channels != (imageprep.Channels{}) {
		o.Mean, o.Std = imageprep.FormatNumbers(f.Mean), imageprep.FormatNumbers(f.Std)
	}
	if f.Fit != imageprep.Shortest {
		o.Fit = f.Fit.String()
	}
	return o
}

// FormOf is what a manifest says of how images are prepared for a model.
func FormOf(o origin.Form) (f imageprep.Form, err error) {
	if o.Mean != "" || o.Std != "" {
		var mean, std [3]float32
		if mean, err = imageprep.ParseNumbers(o.Mean); err != nil {
			return f, fmt.Errorf("image_mean %w", err)
		}
		if std, err = imageprep.ParseNumbers(o.Std); err != nil {
			return f, fmt.Errorf("image_std %w", err)
		}
		if f.Channels, err = imageprep.NewChannels(mean, std); err != nil {
			return f, err
		}
	}
	if o.Fit != "" {
		if f.Fit, err = imageprep.ParseFit(o.Fit); err != nil {
			return f, fmt.Errorf("image_resize %w", err)
		}
	}
	return f, nil
}

// preparedAs is d, with what it leaves open of the preparation of images as in what has origin
// o. What cannot be read of that stays open: it is then compared with what is found.
func preparedAs(d Details, o origin.Origin) Details {
	made := o.Preparation()
	if made == nil {
		return d
	}
	form, err := FormOf(made.Form)
	if err != nil {
		return d
	}
	if d.Mean == nil {
		mean, std := form.Numbers()
		d.Mean, d.Std = &mean, &std
	}
	if d.Fit == nil {
		d.Fit = &form.Fit
	}
	return d
}

// FitOf is how the images of what has origin o became squares, as far as it says.
func FitOf(o origin.Origin) imageprep.Fit {
	made := o.Preparation()
	if made == nil {
		return imageprep.Shortest
	}
	form, err := FormOf(made.Form)
	if err != nil {
		return imageprep.Shortest
	}
	return form.Fit
}

// PreparesAs fails with cache.ErrStale where images are not prepared for the model as those of
// what is at a path and has an origin were, as far as that says how.
func (m *Model) PreparesAs(path string, of origin.Origin) error {
	made := of.Preparation()
	if made == nil {
		return nil
	}
	was, is := inFull(made.Form), inFull(FormOrigin(m.Config.Form))
	for _, f := range []struct{ what, was, is string }{
		{"mean of images", was.Mean, is.Mean}, {"standard deviation of images", was.Std, is.Std}, {"resize of images", was.Fit, is.Fit},
	} {
		if f.was != f.is {
			err := fmt.Errorf("%s: %w: made with %s %s; this run uses %s", path, cache.ErrStale, f.what, f.was, f.is)
			return hint.With(err, fmt.Sprintf("with {image-mean} %s, {image-std} %s and {image-resize} %s images are prepared as those", was.Mean, was.Std, was.Fit))
		}
	}
	return nil
}

// inFull is a form with CLIP's values where it leaves them out.
func inFull(o origin.Form) origin.Form {
	mean, std := imageprep.Channels{}.Numbers()
	return origin.Form{
		Mean: cmp.Or(o.Mean, imageprep.FormatNumbers(mean)), Std: cmp.Or(o.Std, imageprep.FormatNumbers(std)),
		Fit: cmp.Or(o.Fit, imageprep.Shortest.String()),
	}
}
