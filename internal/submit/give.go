package submit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"strings"

	"github.com/clipnh/clipnh/internal/hint"
)

// installed are hints for programs that are not on PATH.
var installed = map[string]string{
	"sbatch":  "submit from a machine of the cluster, such as its login node; {dry-run} prints the scripts anywhere",
	"kubectl": "install kubectl, or print the jobs with {dry-run} and create them elsewhere",
}

// Check returns an error if the program of a scheduler, sbatch or kubectl, is not on PATH.
func Check(program string) error {
	if _, err := exec.LookPath(program); err != nil {
		return hint.With(fmt.Errorf("no program %s on PATH: %w", program, fs.ErrNotExist), installed[program])
	}
	return nil
}

// give runs a command line in a folder, with text on its standard input, and returns what it
// prints.
func give(ctx context.Context, dir string, line []string, text string) (string, error) {
	if err := Check(line[0]); err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, line[0], line[1:]...)
	var said bytes.Buffer
	cmd.Dir, cmd.Stdin, cmd.Stderr = dir, strings.NewReader(text), &said
	printed, err := cmd.Output()
	if err != nil && ctx.Err() != nil {
		return "", ctx.Err()
	}
	if err != nil {
		reason := strings.TrimSpace(said.String())
		if reason == "" {
			return "", fmt.Errorf("%s: %w", line[0], err)
		}
		return "", errors.New(line[0] + ": " + strings.TrimPrefix(reason, line[0]+": "))
	}
	return string(printed), nil
}
