package live

import "errors"

// Why there is no answer. Errors wrap one of these, or are faults of what was asked.
var (
	ErrOff      = errors.New("off")       // this part does not work here
	ErrLoading  = errors.New("loading")   // or not yet
	ErrBusy     = errors.New("busy")      // too many requests wait
	ErrUnknown  = errors.New("not found") // no such image
	ErrChanged  = errors.New("changed")   // an image is not the one that was collected
	ErrInternal = errors.New("internal")  // a fault of the program or a file that cannot be read
)

// reasoned is an error with a message of its own that is one of the above.
type reasoned struct {
	error
	kind error
}

func (r reasoned) Unwrap() []error { return []error{r.error, r.kind} }

// because returns err as one of a kind, with err's message.
func because(kind, err error) error { return reasoned{err, kind} }
