package dataset

import "io/fs"

// hinted is an error with advice.
type hinted struct {
	error
	hint string
}

func (e hinted) Unwrap() error { return e.error }
func (e hinted) Hint() string  { return e.hint }

// notThere is the error of files that do not exist.
type notThere string

func (e notThere) Error() string        { return string(e) }
func (e notThere) Is(target error) bool { return target == fs.ErrNotExist }

// otherAddresses is the advice where something looks like an address and is none.
const otherAddresses = "addresses may begin with https://, http:// or s3://"
