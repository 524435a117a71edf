#pragma once

#include <stddef.h>

/// A function of a library: its name and the destination of its address.
typedef struct {
    const char *name;
    void **address;
} library_symbol;

/// Opens the first existing library of `names` (terminated by NULL), and looks its symbols up (terminated by a NULL
/// name). Returns NULL, or the error, written to `message`.
const char *load_library(const char *const *names, const library_symbol *symbols, char *message, size_t length);
