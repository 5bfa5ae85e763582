package ptfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// Bounds of a pickle. RN50x64 with its optimizer takes some 200,000 opcodes
// and 2 MiB.
const (
	maxPickle = 32 << 20 // bytes
	maxOps    = 1 << 20
	maxMarks  = 1000 // open marks: how deep containers nest
	maxLine   = 4096 // bytes of a text argument
)

// errShortPickle is returned by scan when the data ends before STOP: the
// caller may have more.
var errShortPickle = errors.New("the pickle ends before STOP")

// argument is what follows an opcode: a number of bytes, or one of these.
type argument int8

const (
	counted1 argument = -1 - iota // a byte's worth of bytes
	counted4                      // a 32-bit length
	counted8                      // a 64-bit length
	line                          // text up to a newline
	twoLines
)

// effect is what an opcode does to the stack above the last mark, apart from what
// scan's switch does for the opcodes with marks.
type effect struct {
	name      string
	arg       argument
	pop, push int
}

// The opcodes that scan looks at itself; names as in Python's pickletools.
const (
	opMark       = '('
	opStop       = '.'
	opPopMark    = '1'
	opAppends    = 'e'
	opList       = 'l'
	opTuple      = 't'
	opDict       = 'd'
	opSetItems   = 'u'
	opBinPut     = 'q'
	opLongBinPut = 'r'
	opBinGet     = 'h'
	opLongGet    = 'j'
	opProto      = '\x80'
	opLong1      = '\x8a'
	opAddItems   = '\x90'
	opFrozenSet  = '\x91'
	opMemoize    = '\x94'
)

// opcodes are those that torch's writers use under pickle protocols 1 to 5.
// The others are refused: text forms of protocol 0, which cannot name a
// storage, class instances by INST and OBJ, extensions, out-of-band buffers and
// byte arrays. Sets and bytes are in the objects that lie beside tensors.
var opcodes = [256]effect{
	opMark:       {name: "MARK"},
	opStop:       {name: "STOP", pop: 1},
	'0':          {name: "POP", pop: 1},
	opPopMark:    {name: "POP_MARK"},
	'2':          {name: "DUP", pop: 1, push: 2},
	'I':          {name: "INT", arg: line, push: 1},
	'J':          {name: "BININT", arg: 4, push: 1},
	'K':          {name: "BININT1", arg: 1, push: 1},
	'L':          {name: "LONG", arg: line, push: 1},
	'M':          {name: "BININT2", arg: 2, push: 1},
	'N':          {name: "NONE", push: 1},
	'Q':          {name: "BINPERSID", pop: 1, push: 1},
	'R':          {name: "REDUCE", pop: 2, push: 1},
	'T':          {name: "BINSTRING", arg: counted4, push: 1},
	'U':          {name: "SHORT_BINSTRING", arg: counted1, push: 1},
	'X':          {name: "BINUNICODE", arg: counted4, push: 1},
	'a':          {name: "APPEND", pop: 2, push: 1},
	'b':          {name: "BUILD", pop: 2, push: 1},
	'c':          {name: "GLOBAL", arg: twoLines, push: 1},
	opDict:       {name: "DICT", push: 1},
	'}':          {name: "EMPTY_DICT", push: 1},
	opAppends:    {name: "APPENDS", pop: 1, push: 1},
	opBinGet:     {name: "BINGET", arg: 1, push: 1},
	opLongGet:    {name: "LONG_BINGET", arg: 4, push: 1},
	opList:       {name: "LIST", push: 1},
	']':          {name: "EMPTY_LIST", push: 1},
	opBinPut:     {name: "BINPUT", arg: 1, pop: 1, push: 1},
	opLongBinPut: {name: "LONG_BINPUT", arg: 4, pop: 1, push: 1},
	's':          {name: "SETITEM", pop: 3, push: 1},
	opTuple:      {name: "TUPLE", push: 1},
	')':          {name: "EMPTY_TUPLE", push: 1},
	opSetItems:   {name: "SETITEMS", pop: 1, push: 1},
	'G':          {name: "BINFLOAT", arg: 8, push: 1},
	opProto:      {name: "PROTO", arg: 1},
	'\x81':       {name: "NEWOBJ", pop: 2, push: 1},
	'\x85':       {name: "TUPLE1", pop: 1, push: 1},
	'\x86':       {name: "TUPLE2", pop: 2, push: 1},
	'\x87':       {name: "TUPLE3", pop: 3, push: 1},
	'\x88':       {name: "NEWTRUE", push: 1},
	'\x89':       {name: "NEWFALSE", push: 1},
	opLong1:      {name: "LONG1", arg: counted1, push: 1},
	'\x8c':       {name: "SHORT_BINUNICODE", arg: counted1, push: 1},
	'\x8d':       {name: "BINUNICODE8", arg: counted8, push: 1},
	'\x93':       {name: "STACK_GLOBAL", pop: 2, push: 1},
	'B':          {name: "BINBYTES", arg: counted4, push: 1},
	'C':          {name: "SHORT_BINBYTES", arg: counted1, push: 1},
	'\x8e':       {name: "BINBYTES8", arg: counted8, push: 1},
	'\x8f':       {name: "EMPTY_SET", push: 1},
	opAddItems:   {name: "ADDITEMS", pop: 1, push: 1},
	opFrozenSet:  {name: "FROZENSET", push: 1},
	'\x92':       {name: "NEWOBJ_EX", pop: 3, push: 1},
	opMemoize:    {name: "MEMOIZE", pop: 1, push: 1},
	'\x95':       {name: "FRAME", arg: 8},
}

// scan walks the opcodes of the pickle that data begins with, without running
// it, and returns its length and number of opcodes. A pickle that passes
// cannot make the unpickler allocate for missing bytes, or loop, or panic except for
// bytes as keys, which load expects: every argument is inside data, every opcode finds
// its operands on the stack, dicts get pairs, and memo entries are written before they
// are read.
//
// FRAME is walked over: its contents are opcodes too, read in the same order.
// A frame's length is still checked, since the unpickler allocates it.
func scan(data []byte) (length, ops int, err error) {
	depth := 0                        // values on the stack above the last mark
	var marks []int                   // depth below each open mark
	memo := make(map[uint32]struct{}) // keys written
	for at := 0; at < len(data); ops++ {
		op := data[at]
		e := opcodes[op]
		fail := func(format string, args ...any) (int, int, error) {
			return 0, 0, fmt.Errorf("at byte %d: %w", at, fmt.Errorf(format, args...))
		}
		if e.name == "" {
			return fail("opcode 0x%02x, which torch does not write", op)
		}
		if at >= maxPickle || ops >= maxOps {
			return fail("the pickle goes on, want at most %d bytes and %d opcodes", maxPickle, maxOps)
		}
		arg, err := scanArgument(data[at+1:], e)
		if err != nil {
			return fail("%s: %w", e.name, err)
		}
		items := 0 // above the mark that the opcode closes
		switch op {
		case opMark:
			if len(marks) == maxMarks {
				return fail("MARK: %d marks are open", maxMarks)
			}
			marks = append(marks, depth)
			depth = 0
		case opPopMark, opAppends, opList, opTuple, opDict, opSetItems, opAddItems, opFrozenSet:
			if len(marks) == 0 {
				return fail("%s: no mark is open", e.name)
			}
			items, depth = depth, marks[len(marks)-1]
			marks = marks[:len(marks)-1]
		}
		if (op == opDict || op == opSetItems) && items%2 != 0 {
			return fail("%s: %d items, want pairs", e.name, items)
		}
		if depth < e.pop {
			return fail("%s: %d values on the stack, want %d", e.name, depth, e.pop)
		}
		depth += e.push - e.pop
		switch op {
		case opBinPut, opLongBinPut, opMemoize:
			key := memoKey(arg)
			if op == opMemoize {
				key = uint32(len(memo))
			}
			memo[key] = struct{}{}
		case opBinGet, opLongGet:
			if _, found := memo[memoKey(arg)]; !found {
				return fail("%s: nothing was put at %d", e.name, memoKey(arg))
			}
		case opLong1:
			if len(arg) == 1 {
				return fail("LONG1: no bytes")
			}
		}
		at += 1 + len(arg)
		if op == opStop {
			return at, ops + 1, nil
		}
	}
	return 0, 0, errShortPickle
}

// scanArgument returns the bytes of an opcode's argument, its length field
// included, or for FRAME the length field alone.
func scanArgument(data []byte, e effect) ([]byte, error) {
	switch e.arg {
	case line, twoLines:
		lines, end := 1, 0
		if e.arg == twoLines {
			lines = 2
		}
		for range lines {
			n := bytes.IndexByte(data[end:min(len(data), end+maxLine)], '\n')
			if n < 0 && len(data)-end < maxLine {
				return nil, errShortPickle
			}
			if n < 0 {
				return nil, fmt.Errorf("a line of more than %d bytes", maxLine)
			}
			end += n + 1
		}
		return data[:end], nil
	}
	field := int(e.arg)
	switch e.arg {
	case counted1:
		field = 1
	case counted4:
		field = 4
	case counted8:
		field = 8
	}
	if len(data) < field {
		return nil, errShortPickle
	}
	if e.arg >= 0 && e.name != "FRAME" {
		return data[:field], nil
	}
	wide := make([]byte, 8)
	copy(wide, data[:field])
	n := binary.LittleEndian.Uint64(wide)
	if n > maxPickle {
		return nil, fmt.Errorf("%d bytes, want at most %d", n, maxPickle)
	}
	if n > uint64(len(data)-field) {
		return nil, errShortPickle
	}
	if e.arg >= 0 {
		return data[:field], nil
	}
	return data[:field+int(n)], nil
}

// memoKey is the little-endian number in a PUT's or GET's argument.
func memoKey(arg []byte) uint32 {
	wide := make([]byte, 4)
	copy(wide, arg)
	return binary.LittleEndian.Uint32(wide)
}
