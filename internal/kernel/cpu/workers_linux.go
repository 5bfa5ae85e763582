package cpu

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// fastProcessors returns how many processors are worth a worker, of all that this program may
// use.
func fastProcessors(all int) int {
	var allowed unix.CPUSet
	if unix.SchedGetaffinity(0, &allowed) != nil {
		return all
	}
	return fastOf("/sys/devices/system/cpu", &allowed, all)
}

// fastOf reads the capacities that the kernel knows of processors of several kinds, 1024 for the
// fastest; below dir, a folder for each processor. Where they are not known all are worth a
// worker.
func fastOf(dir string, allowed *unix.CPUSet, all int) int {
	var capacities []int
	for i := 0; len(capacities) < allowed.Count(); i++ {
		if !allowed.IsSet(i) {
			continue
		}
		text, err := os.ReadFile(fmt.Sprintf("%s/cpu%d/cpu_capacity", dir, i))
		if err != nil {
			return all
		}
		c, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil || c < 1 || c > 1<<20 {
			return all
		}
		capacities = append(capacities, c)
	}
	return worthwhile(capacities)
}
