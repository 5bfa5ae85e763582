// Package hint adds advice to errors.
//
// A hint says what can be done about an error, and names a command where one
// helps. Options are named in braces, {restart}, in hints and in errors: packages
// below the command line do not know how it spells them.
package hint

// With returns err with a hint. Whoever prints it finds the hint by its method
// Hint() string.
func With(err error, text string) error { return hinted{err, text} }

type hinted struct {
	error
	text string
}

func (h hinted) Unwrap() error { return h.error }

// Hint is what can be done about the error.
func (h hinted) Hint() string { return h.text }
