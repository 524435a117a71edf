#include "Library.h"

#include <dlfcn.h>
#include <stdio.h>

const char *load_library(const char *const *names, const library_symbol *symbols, char *message, size_t length) {
    void *library = NULL;
    message[0] = 0;
    for (const char *const *name = names; *name && !library; name++) {
        library = dlopen(*name, RTLD_NOW | RTLD_LOCAL);
        // The error of the first name, which is the usual one, is the one that people can fix.
        if (!library && !message[0]) {
            const char *reason = dlerror();
            snprintf(message, length, "%s", reason ? reason : *name);
        }
    }
    if (!library) { return message; }
    for (const library_symbol *symbol = symbols; symbol->name; symbol++) {
        *symbol->address = dlsym(library, symbol->name);
        if (!*symbol->address) {
            snprintf(message, length, "the library has no function %s: it is too old", symbol->name);
            return message;
        }
    }
    return NULL;
}
