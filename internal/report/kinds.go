package report

// Kinds of inputs that are no artefacts.
const (
	InputModel  = "model"
	InputImages = "images"
)
