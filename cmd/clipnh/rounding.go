package main

import (
	"errors"
	"fmt"

	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/ui"
)

// printRounding prints the error of reduced precision, if there is one.
func printRounding(p *ui.Printer, r *source.Rounding) error {
	if r == nil {
		return nil
	}
	return p.Text(r.String() + "\n")
}

// precisions are the values of --precision.
var precisions = map[string]kernel.Precision{"f32": kernel.Float32, "bf16": kernel.BFloat16}

// precisionFlag adds the flag of every command that runs the image tower.
func precisionFlag(fs *pflag.FlagSet, precision *string) {
	fs.StringVar(precision, "precision", "f32", "precision `P` of the convolutions: f32, or bf16, which is faster and needs AVX512-BF16, or BF16 on arm64; its error depends on the model and is measured on the first batch")
	choices(fs, "precision", "f32", "bf16")
}

// checkPrecision returns the error of a precision that is unknown, or that this processor
// does not have.
func checkPrecision(name string) error {
	p, known := precisions[name]
	switch {
	case !known:
		return fmt.Errorf("--precision %q: want f32 or bf16", name)
	case p == kernel.BFloat16 && !kernel.HasBFloat16():
		return errors.New("--precision bf16: this processor has no bfloat16 products (AVX512-BF16, or BF16 on arm64), or CLIPNH_CPU excludes them")
	}
	return nil
}
