// Restarts the program with settings that libraries read while they are loaded, before any of our code runs.
//
// GOMP_SPINCOUNT: after each operator OpenMP's threads spin for milliseconds. That is harmless on an idle machine, but
// if another process needs the cores too, waiting threads take the time that working ones need, and training becomes
// several times slower. A short spin costs nothing measurable on an idle machine.
//
// GLIBC_TUNABLES: the C library asks the system for large pages; without them the first use of a tensor's memory, and
// reading weights, costs a tenth of the time.
//
// Settings of the user are kept. The restart happens before the libraries are initialized, which is most of the start
// time.
//
// Help that is only asked for is printed here: loading LibTorch takes several times as long as reading it (Help.c).
//
// This also makes all threads treat subnormal numbers as zero: each inherits that from the thread that starts it.
#if defined(__linux__)
#define _GNU_SOURCE
#include "CStart.h"
#include "CSubnormals.h"
#include "Help.h"

#include <malloc.h>
#include <string.h>
#include <unistd.h>

static int is_set(char **environment, const char *name) {
    const size_t length = strlen(name);
    for (; *environment != NULL; environment++)
        if (strncmp(*environment, name, length) == 0 && (*environment)[length] == '=') return 1;
    return 0;
}

/// Help, and a command without arguments, are not worth a second start.
static int computes(int count, char **arguments) {
    if (count < 3 || strcmp(arguments[1], "help") == 0) return 0;
    for (int i = 1; i < count; i++)
        if (strcmp(arguments[i], "--help") == 0 || strcmp(arguments[i], "-h") == 0) return 0;
    return 1;
}

static void start_again(int count, char **arguments, char **environment) {
    print_help(count, arguments, environment);
    subnormals_flush();
    if (!computes(count, arguments)) {
        // LibTorch registers its operators in very many small allocations; without the lists of recently freed small
        // chunks, which are searched and merged repeatedly meanwhile, help appears a twentieth earlier.
        mallopt(M_MXFAST, 0);
        return;
    }
    if (is_set(environment, "GOMP_SPINCOUNT") || is_set(environment, "OMP_WAIT_POLICY")) return;
    size_t size = 0;
    while (environment[size] != NULL) size++;
    char *changed[size + 3];
    memcpy(changed, environment, size * sizeof(char *));
    changed[size++] = (char *)"GOMP_SPINCOUNT=10000";
    if (!is_set(environment, "GLIBC_TUNABLES")) changed[size++] = (char *)"GLIBC_TUNABLES=glibc.malloc.hugetlb=1";
    changed[size] = NULL;
    // By its own path: as /proc/self/exe the process would be called "exe" in ps and for pkill.
    char path[4096];
    const ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    if (length <= 0) return;
    path[length] = 0;
    execve(path, arguments, changed);
    // Without /proc, or in the restarted program, the program continues unchanged: slower at worst.
}

__attribute__((section(".preinit_array"), used)) static void (*const before_libraries)(int, char **, char **) =
    start_again;
#endif
