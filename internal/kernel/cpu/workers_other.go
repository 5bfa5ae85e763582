//go:build !linux && !darwin

package cpu

// fastProcessors is the number of all processors: this system is not asked of what kinds they are.
func fastProcessors(all int) int { return all }
