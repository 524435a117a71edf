// What the C library offers for files and Swift does not see.
#pragma once

// Exchanges two files or folders of one file system in one step.
//
// Returns 0, or -1 with errno set: EINVAL, ENOSYS or ENOTSUP where the file system or the kernel cannot.
int cf_exchange(const char *first, const char *second);
