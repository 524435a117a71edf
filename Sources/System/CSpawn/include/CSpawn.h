// Starts another program in a way that Foundation's Process and posix_spawn cannot.
#pragma once
#include <stdint.h>
#include <sys/types.h>

/// Starts a program that ends with the calling thread, even if that is killed.
///
/// The program has its three standard streams and no other open file, cannot write files larger than `most_bytes`, and
/// has its own process group: Ctrl-C reaches only the caller.
///
/// Returns 0 and the process's number in `process`, or an errno.
int cspawn_bound(
    const char *path, char *const arguments[], char *const environment[], int input, int output, int messages,
    uint64_t most_bytes, pid_t *process);

/// Makes a pipe that other programs do not inherit, reading end first; returns 0 or an errno.
int cspawn_pipe(int ends[2]);
