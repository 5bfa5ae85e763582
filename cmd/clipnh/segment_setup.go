package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/configs"
	"github.com/clipnh/clipnh/internal/pipeline/segment"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/usage"
)

// setup returns the settings of the --config file, or the defaults if there is none,
// overridden by the flags that were given.
func (o *segmentOptions) setup(g *globalOptions) (*configs.Segmentation, error) {
	setup := &configs.Segmentation{Sink: true}
	set := func(flag string) bool { return o.config == "" || o.set(flag) }
	if o.config != "" {
		if filepath.Ext(o.config) == "" && !slices.Contains(configs.Segmentations(), o.config) {
			return nil, usageError{fmt.Errorf("--config %q: want the path of a .yaml file or one of %s", o.config, strings.Join(configs.Segmentations(), ", "))}
		}
		var err error
		if setup, err = configs.ReadSegmentation(o.config); err != nil {
			return nil, err
		}
		for _, warning := range setup.Warnings {
			g.printer.Warn("%s", warning)
		}
	}
	if o.classes.given() {
		classes, err := parseClasses(&o.classes, g)
		if err != nil {
			return nil, err
		}
		if o.DataPath != "" && len(classes) != len(setup.Classes) {
			return nil, usage.Errorf("--classes: %s, but the labels of %s have %d", quantity.Of(len(classes), "class"), o.config, len(setup.Classes))
		}
		setup.Classes = classes
	}
	override(&setup.ShorterSide, o.override.ShorterSide, set("short-side"))
	override(&setup.LongerSide, o.override.LongerSide, set("long-side"))
	override(&setup.SlideCrop, o.override.SlideCrop, set("slide-crop"))
	override(&setup.SlideStride, o.override.SlideStride, set("slide-stride"))
	o.Asked = segment.Asked{SlideCrop: o.set("slide-crop"), SlideStride: o.set("slide-stride")}
	override(&setup.Pairs, o.override.Pairs, set("k"))
	override(&setup.Block, o.override.Block, set("conv-map-idx"))
	override(&setup.LogitScale, o.override.LogitScale, set("logit-scale"))
	override(&setup.ProbThd, o.override.ProbThd, set("prob-thd"))
	override(&setup.AreaThd, o.override.AreaThd, set("area-thd"))
	override(&setup.Sink, !o.noSink, set("no-sink"))
	return setup, nil
}

// override replaces a value of the config by that of a flag.
func override[T any](field *T, value T, set bool) {
	if set {
		*field = value
	}
}

// parseClasses reads the classes of --classes: texts with | between the words of a class,
// or a file with one class per line and commas between words.
func parseClasses(given *textList, g *globalOptions) ([]configs.Class, error) {
	sources, err := given.sources(&g.texts)
	if err != nil {
		return nil, hintClasses(err)
	}
	classes, err := splitClasses(sources)
	if err != nil && !slices.ContainsFunc(sources, func(s textSource) bool { return s.path != "" }) {
		return nil, hintClasses(usageError{err})
	}
	return classes, err
}

// hintClasses adds how classes are given to an error of wrong usage.
func hintClasses(err error) error {
	if !errors.Is(err, usage.Err) {
		return err
	}
	return hinted{err, "give classes as \"dog,grass,sky\", or as a file with one class per line"}
}

// splitClasses splits texts into the words of classes. A word may belong to one class
// only.
func splitClasses(sources []textSource) ([]configs.Class, error) {
	var classes []configs.Class
	whose := map[string]string{}
	for _, s := range sources {
		separator := "|"
		if s.path != "" {
			separator = ","
		}
		for _, line := range s.texts {
			class, err := splitClass(line, separator, whose)
			if err != nil {
				return nil, err
			}
			classes = append(classes, class)
		}
	}
	if len(classes) < 2 {
		return nil, fmt.Errorf("--classes: one class, %q, want at least two", classes[0][0])
	}
	return classes, nil
}

// splitClass splits a text into the words of a class. whose has the class of each word so
// far.
func splitClass(line, separator string, whose map[string]string) (configs.Class, error) {
	var class configs.Class
	for word := range strings.SplitSeq(line, separator) {
		if word = strings.TrimSpace(word); word == "" {
			return nil, fmt.Errorf("--classes: %q has an empty word", line)
		}
		class = append(class, word)
		if other, twice := whose[word]; twice && other == class[0] {
			return nil, fmt.Errorf("--classes: %q is there twice", word)
		} else if twice {
			return nil, fmt.Errorf("--classes: %q belongs to %q and %q, want one class", word, other, class[0])
		}
		whose[word] = class[0]
	}
	return class, nil
}
