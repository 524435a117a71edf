// libmpg123 writes warnings and notes about damaged files to standard error, among the program's own lines. It has a
// flag against that, but libsndfile, its only caller here, neither sets the flag nor lets us set it. The dynamic linker
// finds this definition before the library's own, so that libsndfile's decoders are made here.
#define _GNU_SOURCE
#include "CQuietMP3.h"

#include <dlfcn.h>
#include <stddef.h>

// From mpg123.h, unchanged since version 1.0.
enum { add_flags = 2, quiet = 0x20, out_of_memory = 7 };

__attribute__((visibility("default"))) void *mpg123_new(const char *decoder, int *error) {
    void *(*const create)(const char *, int *) = (void *(*)(const char *, int *))dlsym(RTLD_NEXT, "mpg123_new");
    if (create == NULL) {
        if (error != NULL) *error = out_of_memory;
        return NULL;
    }
    void *const handle = create(decoder, error);
    int (*const set)(void *, int, long, double) = (int (*)(void *, int, long, double))dlsym(RTLD_NEXT, "mpg123_param");
    if (handle != NULL && set != NULL) set(handle, add_flags, quiet, 0);
    return handle;
}
