// Functions of the C library for files that Swift does not see.
#pragma once

// Swaps two files or folders of one file system atomically.
//
// Returns 0, or -1 with errno set: EINVAL, ENOSYS or ENOTSUP if the file system or the kernel does not support it.
int cf_exchange(const char *first, const char *second);
