#pragma once

#include <stddef.h>

/// A function of a library: its name and where its address goes.
typedef struct {
    const char *name;
    void **address;
} library_symbol;

/// Opens the first library of `names` (ends with NULL) that is there, and looks its symbols up (end with a NULL name).
/// Returns NULL, or what went wrong, written to `message`.
const char *load_library(const char *const *names, const library_symbol *symbols, char *message, size_t length);
