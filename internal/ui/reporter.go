package ui

// A Reporter is told how a stage gets on. A *Printer is one.
type Reporter interface {
	Progress() Progress
	// Note says something that is good to know before a long wait.
	Note(format string, args ...any)
	// Warn says that something is not as it should be, though the stage goes on.
	Warn(format string, args ...any)
	// Skip warns that a unit of the task that is running, such as an image, is of no use,
	// and counts it.
	Skip(err error)
	// Read says that n bytes of images were read for the task that is running.
	Read(n int64)
}
