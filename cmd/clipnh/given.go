package main

import "fmt"

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
