package parquet

import (
	"fmt"

	"github.com/parquet-go/parquet-go/format"
)

// longestText is how long a path or a label may be, in bytes.
const longestText = 4096

// rows lists the rows of a row group.
func (l *lister) rows(g *format.RowGroup, c *columns, rows []Row) error {
	images, err := openChunk(l.src, l.t.listed.Size, g, c.bytes)
	if err != nil {
		return err
	}
	first := len(l.t.pages)
	err = l.each(images, func(i int, v value) error {
		rows[i].Size = NoBytes
		if v.data != nil {
			rows[i].Size, rows[i].page, rows[i].at = int64(len(v.data)), int32(first+v.page), int32(v.at)
		}
		return nil
	})
	if err != nil {
		return err
	}
	l.t.pages = append(l.t.pages, images.pages...)
	if c.path != nil {
		paths, err := openChunk(l.src, l.t.listed.Size, g, c.path)
		if err != nil {
			return err
		}
		err = l.each(paths, func(i int, v value) error {
			if len(v.data) > longestText {
				return fmt.Errorf("row %d: a path of %d bytes, want at most %d", i, len(v.data), longestText)
			}
			rows[i].Path, err = l.text(v.data)
			return err
		})
		if err != nil {
			return err
		}
	}
	if c.label == nil {
		return nil
	}
	labels, err := openChunk(l.src, l.t.listed.Size, g, c.label)
	if err != nil {
		return err
	}
	return l.each(labels, func(i int, v value) error {
		switch {
		case v.data == nil:
			return nil
		case c.label.kind != format.ByteArray:
			rows[i].Label, err = l.text([]byte(v.number()))
			return err
		case len(v.data) > longestText:
			return fmt.Errorf("row %d: a label of %d bytes, want at most %d", i, len(v.data), longestText)
		}
		rows[i].Label, err = l.text(v.data)
		return err
	})
}

// each visits the values of a chunk with their rows, from 0.
func (l *lister) each(r *chunk, visit func(i int, v value) error) error {
	i := 0
	return r.each(func(v value) error {
		if i%1024 == 0 && l.ctx.Err() != nil {
			return l.ctx.Err()
		}
		i++
		return visit(i-1, v)
	})
}
