// Package pipeline runs the stages of clipnh, one file per stage: it opens
// what a stage reads, lets the packages below do the work, and writes the
// artefacts. Stages never print; what a person should know while one runs goes
// to a Reporter, and what it found comes back as a result.
package pipeline

import "github.com/clipnh/clipnh/internal/ui"

// Reporter is told how a stage gets on. A *ui.Printer is one.
type Reporter interface {
	Progress() ui.Progress
	// Note says something that is good to know before a long wait.
	Note(format string, args ...any)
	// Warn says that something is not as it should be, though the stage goes on.
	Warn(format string, args ...any)
}
