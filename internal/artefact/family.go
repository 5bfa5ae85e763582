package artefact

import (
	"fmt"
	"strings"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/kernel/cpu"
)

// CheckFamilies compares the families of kernels that computed a part of what is at
// path with those of the next part: where they differ, so do the last digits, and what
// comes of it depends on where the run was interrupted. That is said, or, if strict, an
// error (cache.ErrStale).
func CheckFamilies(path, kernel, next string, strict bool, warn func(format string, args ...any)) error {
	others := cache.OtherFamilies(kernel, next)
	if len(others) == 0 {
		return nil
	}
	text := fmt.Sprintf("computed with %s kernels, the rest with %s: the last digits differ", strings.Join(others, " and "), next)
	if strict {
		return hint.With(fmt.Errorf("%s: %w: %s", path, cache.ErrStale, text),
			fmt.Sprintf("resume on a processor like the first one, set %s=%s if this one has it, or discard what is there with {restart}", cpu.Variable, others[0]))
	}
	warn("%s: partly %s", path, text)
	return nil
}
