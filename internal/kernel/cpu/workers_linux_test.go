package cpu

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestFastOf reads what the kernel says of a board with four slow and four fast processors.
func TestFastOf(t *testing.T) {
	dir := t.TempDir()
	capacity := func(i int, text string) {
		t.Helper()
		file := filepath.Join(dir, fmt.Sprintf("cpu%d", i), "cpu_capacity")
		if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 8 {
		capacity(i, map[bool]string{true: "414\n", false: "1024\n"}[i < 4])
	}
	set := func(from, to int) *unix.CPUSet {
		s := new(unix.CPUSet)
		for i := from; i < to; i++ {
			s.Set(i)
		}
		return s
	}
	for _, c := range []struct{ from, to, want int }{
		{0, 8, 4},
		{0, 4, 4}, // held on the slow ones
		{2, 6, 2},
		{0, 5, 5}, // 5 x 414 is more than 1024
		{0, 9, 9}, // of the ninth nothing is known
	} {
		if got := fastOf(dir, set(c.from, c.to), c.to-c.from); got != c.want {
			t.Errorf("processors %d to %d: %d, want %d", c.from, c.to, got, c.want)
		}
	}
	for _, text := range []string{"", "many\n", "0\n", "-5\n", "9999999999999999999\n"} {
		if capacity(7, text); fastOf(dir, set(0, 8), 8) != 8 {
			t.Errorf("capacity %q is one", text)
		}
	}
}
