package report

import (
	"fmt"
	"reflect"
)

// takeColumns returns a copy of v, whose columns say where their numbers are in binary and
// have none themselves.
func takeColumns(v any) (copied any, binary []byte) {
	from := reflect.Indirect(reflect.ValueOf(v))
	to := reflect.New(from.Type()).Elem()
	to.Set(copyOf(from, func(c *Column) {
		width, n := widths[c.Type], c.Len()
		c.At, c.Bytes = len(binary), len(c.Data)
		for b := range width {
			for i := range n {
				binary = append(binary, c.Data[i*width+b])
			}
		}
		c.Data = nil
	}))
	return to.Interface(), binary
}

// giveColumns gives the columns of *v the numbers that binary has of them. Those of version
// 1 have theirs.
func giveColumns(v any, binary []byte) error {
	var failed error
	to := reflect.ValueOf(v).Elem()
	to.Set(copyOf(to, func(c *Column) {
		width := widths[c.Type]
		if c.Bytes == 0 {
			return
		}
		if width == 0 || c.At < 0 || c.Bytes < 0 || c.Bytes%width != 0 || c.At > len(binary)-c.Bytes {
			failed = fmt.Errorf("column of type %q: %d bytes from %d on, want whole numbers within %d bytes", c.Type, c.Bytes, c.At, len(binary))
			return
		}
		n := c.Bytes / width
		c.Data = make([]byte, c.Bytes)
		for b := range width {
			for i := range n {
				c.Data[i*width+b] = binary[c.At+b*n+i]
			}
		}
		c.At, c.Bytes = 0, 0
	}))
	return failed
}

var columnType = reflect.TypeFor[Column]()

// copyOf copies a value of exported fields, with its columns changed. Numbers and texts,
// of which there are many in slices, are shared.
func copyOf(v reflect.Value, change func(*Column)) reflect.Value {
	switch {
	case !holdsColumns(v.Type()):
		return v
	case v.Type() == columnType:
		c := v.Interface().(Column)
		change(&c)
		return reflect.ValueOf(c)
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return v
		}
		to := reflect.New(v.Type().Elem())
		to.Elem().Set(copyOf(v.Elem(), change))
		return to
	case reflect.Slice:
		if v.IsNil() {
			return v
		}
		to := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		for i := range v.Len() {
			to.Index(i).Set(copyOf(v.Index(i), change))
		}
		return to
	default: // a struct
		to := reflect.New(v.Type()).Elem()
		for i := range v.NumField() {
			to.Field(i).Set(copyOf(v.Field(i), change))
		}
		return to
	}
}

// holdsColumns reports whether values of a type may have columns in them.
func holdsColumns(t reflect.Type) bool {
	switch {
	case t == columnType:
		return true
	case t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice:
		return holdsColumns(t.Elem())
	case t.Kind() == reflect.Struct:
		for i := range t.NumField() {
			if holdsColumns(t.Field(i).Type) {
				return true
			}
		}
	}
	return false
}
