package main

import (
	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/pipeline/model"
)

// imageDetailFlags adds the flags that say how images are prepared for a model, which
// its weights do not.
func imageDetailFlags(fs *pflag.FlagSet, d *model.Details) {
	const byDefault = " (default that of files beside the weights, or CLIP's)"
	fs.Var(numbersFlag{&d.Mean}, "image-mean", "`R,G,B` means of the channels of images from 0 to 1, as 0.5,0.5,0.5"+byDefault)
	fs.Var(numbersFlag{&d.Std}, "image-std", "`R,G,B` standard deviations of the same"+byDefault)
	fs.Var(fitFlag{&d.Fit}, "image-resize", "`NAME` shortest (its side to that of the model, then the centre) or squash (both sides), with -bilinear for another filter"+byDefault)
	choices(fs, "image-resize", imageprep.Fits()...)
}

// numbersFlag is a flag whose value is three numbers; nil until it is given.
type numbersFlag struct{ n **[3]float32 }

func (f numbersFlag) Type() string { return "numbers" }

func (f numbersFlag) String() string {
	if f.n == nil || *f.n == nil {
		return ""
	}
	return imageprep.FormatNumbers(**f.n)
}

func (f numbersFlag) unset() { *f.n = nil }

func (f numbersFlag) Set(text string) error {
	n, err := imageprep.ParseNumbers(text)
	if err == nil {
		*f.n = &n
	}
	return err
}

// fitFlag is a flag whose value says how images become squares; nil until it is given.
type fitFlag struct{ fit **imageprep.Fit }

func (f fitFlag) Type() string { return "string" }

func (f fitFlag) String() string {
	if f.fit == nil || *f.fit == nil {
		return ""
	}
	return (**f.fit).String()
}

func (f fitFlag) unset() { *f.fit = nil }

func (f fitFlag) Set(text string) error {
	fit, err := imageprep.ParseFit(text)
	if err == nil {
		*f.fit = &fit
	}
	return err
}
