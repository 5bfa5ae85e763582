package ui

import (
	"bytes"
	"fmt"
)

// A Document is a JSON document with a list that is too long for memory: an object
// whose last fields follow when the list is complete. Nothing is written before the
// first item, or Close, so that a run that fails at once leaves standard output empty.
type Document struct {
	p     *Printer
	head  any
	list  string
	begun bool
	items int
}

// Document returns a document that begins with the fields of head, an object, and then
// has a list of that name.
func (p *Printer) Document(head any, list string) *Document {
	return &Document{p: p, head: head, list: list}
}

// Item writes the next item of the list.
func (d *Document) Item(v any) error {
	item, err := encodeJSON(v, "  ")
	if err != nil {
		return fmt.Errorf("print result: %w", err)
	}
	var b bytes.Buffer
	if err := d.begin(&b); err != nil {
		return err
	}
	if d.items > 0 {
		b.WriteByte(',')
	}
	d.items++
	for line := range bytes.SplitSeq(bytes.TrimSpace(item), []byte("\n")) {
		b.WriteString("\n    ")
		b.Write(line)
	}
	return d.p.result(b.Bytes())
}

// Close ends the list and writes the fields of tail, an object that has some.
func (d *Document) Close(tail any) error {
	end, err := encodeJSON(tail, "  ")
	if err != nil {
		return fmt.Errorf("print result: %w", err)
	}
	var b bytes.Buffer
	if err := d.begin(&b); err != nil {
		return err
	}
	if d.items > 0 {
		b.WriteString("\n  ")
	}
	b.WriteString("],")
	b.Write(bytes.TrimPrefix(end, []byte("{")))
	return d.p.result(b.Bytes())
}

// Begun reports whether anything was written.
func (d *Document) Begun() bool { return d.begun }

// begin writes the head to b, once.
func (d *Document) begin(b *bytes.Buffer) error {
	if d.begun {
		return nil
	}
	head, err := encodeJSON(d.head, "  ")
	if err != nil {
		return fmt.Errorf("print result: %w", err)
	}
	b.Write(bytes.TrimSuffix(head, []byte("\n}\n")))
	fmt.Fprintf(b, ",\n  %q: [", d.list)
	d.begun = true
	return nil
}
