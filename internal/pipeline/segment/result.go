package segment

import "github.com/clipnh/clipnh/internal/pipeline/source"

// Result is the result of a segmentation.
type Result struct {
	Config   string           `json:"config,omitempty"`
	Images   int              `json:"images"` // that were segmented
	Scenes   int              `json:"scenes"` // that were to be
	Skipped  []source.Skipped `json:"skipped"`
	Rounding *source.Rounding `json:"precision_error,omitempty"` // of the first window, in reduced precision
	Classes  []string         `json:"classes"`
	Queries  int              `json:"queries"`           // words in all classes
	K        int              `json:"k,omitempty"`       // pairs of each query
	Windows  int              `json:"windows"`           // that went through the tower
	Sizes    []WindowSize     `json:"window_sizes"`      // theirs
	Files    []string         `json:"files,omitempty"`   // that were drawn or saved
	Methods  []MethodScores   `json:"methods,omitempty"` // of a data set
	Shares   []MethodShares   `json:"shares,omitempty"`  // of the pixels of all images, where there are no true labels
	Paths    []PathShares     `json:"paths,omitempty"`   // where several paths were given, those of each

	Foreground []ForegroundScores `json:"foreground,omitempty"` // where maps were compared with masks

	Path     string   `json:"path,omitempty"` // where the counts are
	Complete bool     `json:"already_complete,omitempty"`
	Changed  []string `json:"changed,omitempty"` // images that were other ones, or had other label maps, when the complete counts were made
	Measured bool     `json:"-"`                 // all scenes were segmented, whatever could be written
}

// WindowSize is a size that windows had, in pixels, after padding.
type WindowSize struct {
	Width        int  `json:"width"`
	Height       int  `json:"height"`
	Interpolated bool `json:"position_embedding_interpolated"` // since it is not the model's size
}

// MethodScores is how good a method was. Measures are 0 to 1, and nil where
// there is no value.
type MethodScores struct {
	Method        string       `json:"method"`
	MIoU          *float64     `json:"miou"`
	PixelAccuracy *float64     `json:"pixel_accuracy"`
	MeanAccuracy  *float64     `json:"mean_accuracy"`
	Classes       []ClassScore `json:"classes"`
}

// ClassScore is how good a method was at a class.
type ClassScore struct {
	Name     string   `json:"name"`
	Pixels   int64    `json:"pixels"` // in truth
	IoU      *float64 `json:"iou"`
	Accuracy *float64 `json:"accuracy"`
}

// MethodShares is how much of an image each class has, by a method, the
// largest first; those that have nothing come last, in the order of the classes.
type MethodShares struct {
	Method  string       `json:"method"`
	Classes []ClassShare `json:"classes"`
}

// PathShares is how much of an image, or of the images of a folder, each class has.
type PathShares struct {
	Path   string         `json:"path"` // as it was given
	Images int            `json:"images"`
	Shares []MethodShares `json:"shares"`
}

// ClassShare is the share of a class, 0 to 1.
type ClassShare struct {
	Name  string  `json:"name"`
	Share float64 `json:"share"`
}

// ForegroundScores is how well the maps of a method separate foreground and background. A pixel
// is taken for foreground where the map of the image's class is above its mean; measures are
// 0 to 1.
type ForegroundScores struct {
	Method        string  `json:"method"`
	PixelAccuracy float64 `json:"pixel_accuracy"`
	MIoU          float64 `json:"miou"` // of foreground and background, over all images
	MAP           float64 `json:"map"`  // mean over images of the average precision of both
}
