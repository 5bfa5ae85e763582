package imageprep

// ReadFile reads an image file.
func ReadFile(path string, o Options) (*RGB, error) {
	f, err := Load(path)
	if err != nil {
		return nil, err
	}
	return f.Decode(o)
}

// ReadLabels reads a label map.
func ReadLabels(path string, o Options) (*Labels, error) {
	f, err := LoadLabels(path)
	if err != nil {
		return nil, err
	}
	return f.DecodeLabels(o)
}
