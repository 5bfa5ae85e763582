package dataset

import (
	"fmt"
	"io/fs"

	"github.com/clipnh/clipnh/internal/foreign"
)

// hinted is an error with advice.
type hinted struct {
	error
	hint string
}

func (e hinted) Unwrap() error { return e.error }
func (e hinted) Hint() string  { return e.hint }

// unnamed is the error of images whose labels are not by the name key.
func unnamed(path, key, have string) error {
	return hinted{
		fmt.Errorf("%s: no labels of the name %s: %s", path, foreign.Quote(key), have),
		"{label-key} is for the .json beside each image of an archive, for Parquet files, and for lists of the form .csv",
	}
}

// notThere is the error of files that do not exist.
type notThere string

func (e notThere) Error() string        { return string(e) }
func (e notThere) Is(target error) bool { return target == fs.ErrNotExist }

// otherAddresses is the advice where something looks like an address and is none.
const otherAddresses = "addresses may begin with https://, http:// or s3://"
