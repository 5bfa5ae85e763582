//go:build unix

package foreign

import "syscall"

// withoutWaiting lets a pipe without a writer be opened at once, should one have
// taken the place of a file, and keeps a terminal from becoming ours.
const withoutWaiting = syscall.O_NONBLOCK | syscall.O_NOCTTY
