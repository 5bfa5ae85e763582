package collect

import (
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/clip"
)

// family names what computes the values of images: the kernels of this process, or a
// device, see cache.Families.
func (c *collector) family() string {
	if c.device == nil {
		return cache.Family()
	}
	return c.device.Origin().Name
}

// tryDevice computes a blank image, so that a device on which the model does not load
// leaves no folder that was begun with it. A finished collection needs none of that.
func (c *collector) tryDevice() error {
	if _, err := cache.Open(c.options.SavePath); err == nil && !c.options.Restart {
		return nil
	}
	running, err := c.mode.start(towers{c.model.Checkpoint, c.device}, clip.ImageOptions{Batch: 1, Threads: c.options.Threads, Precision: c.options.Precision})
	if err != nil {
		return err
	}
	return running.compute(make([]float32, c.mode.values()), make([]float32, running.tower.ImageLen()))
}
