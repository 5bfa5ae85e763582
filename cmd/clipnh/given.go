package main

import (
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/internal/pipeline/source"
)

// givenFlags reports whether a flag is on the command line. It is nil where there is
// none, as in tests of options.
type givenFlags func(flag string) bool

// refuse returns an error if one of the flags is given, though it has no effect. because
// names the other flag, such as "with --scores".
func (given givenFlags) refuse(because string, flags ...string) error {
	for _, flag := range flags {
		if given != nil && given(flag) {
			return fmt.Errorf("--%s has no effect %s", flag, because)
		}
	}
	return nil
}

// images says which ways of preparing images are given.
func (given givenFlags) images() source.Asked {
	if given == nil {
		return source.Asked{}
	}
	return source.Asked{Order: given("preprocess"), EXIF: given("exif")}
}

// A rule refuses flags in a case in which they have no effect.
type rule struct {
	in      bool
	because string
	flags   []string
}

// refuseIn applies rules in their order.
func (given givenFlags) refuseIn(rules ...rule) error {
	for _, r := range rules {
		if !r.in {
			continue
		}
		if err := given.refuse(r.because, r.flags...); err != nil {
			return err
		}
	}
	return nil
}

// A countedValue is the value of a flag that takes one value, and how often it was given:
// of several the last would count, and the others would have no effect.
type countedValue struct {
	pflag.Value
	times int
}

func (v *countedValue) Set(text string) error {
	v.times++
	return v.Value.Set(text)
}

// countValues wraps the values of flags, switches and those that may be repeated aside.
func countValues(fs *pflag.FlagSet) {
	fs.VisitAll(func(f *pflag.Flag) {
		if _, several := f.Value.(pflag.SliceValue); !several && f.Value.Type() != "bool" {
			f.Value = &countedValue{Value: f.Value}
		}
	})
}

// givenOnce returns an error if a flag that takes one value was given several.
func givenOnce(fs *pflag.FlagSet) (err error) {
	fs.VisitAll(func(f *pflag.Flag) {
		if v, counted := f.Value.(*countedValue); counted && v.times > 1 && err == nil {
			err = fmt.Errorf("--%s is given %d times: want one value", f.Name, v.times)
		}
	})
	return err
}

// fromAnnotation holds where the value of a flag that was not given comes from.
const fromAnnotation = "from"

// isSet reports whether a flag has a value that someone gave it: on the command line, in
// the environment or in the project file.
func isSet(f *pflag.Flag) bool { return f.Changed || annotation(f, fromAnnotation) != "" }

// setFlags reports for flags, by name, whether they are set.
func setFlags(flags *pflag.FlagSet) givenFlags {
	return func(name string) bool {
		f := flags.Lookup(name)
		return f != nil && isSet(f)
	}
}

// typedValue returns the value of a flag as it would be typed.
func typedValue(f *pflag.Flag) string {
	if slice, ok := f.Value.(pflag.SliceValue); ok {
		return strings.Join(slice.GetSlice(), ",")
	}
	return f.Value.String()
}

// require returns the error of flags that are empty, nil if none is. Names and values
// take turns.
func require(flags ...string) error {
	var missing []string
	for i := 0; i < len(flags); i += 2 {
		if flags[i+1] == "" {
			missing = append(missing, flags[i])
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return missingFlags(missing)
}

// missingFlags is the error of flags that a command needs but did not get.
type missingFlags []string

func (m missingFlags) Error() string {
	if len(m) == 1 {
		return m[0] + " is missing"
	}
	return strings.Join(m, ", ") + " are missing"
}
