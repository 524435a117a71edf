#define _GNU_SOURCE
#include "CFetching.h"
#include "Library.h"

#include <archive.h>
#include <archive_entry.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static __typeof__(archive_read_new) *read_new;
static __typeof__(archive_read_support_format_tar) *support_tar;
static __typeof__(archive_read_support_filter_gzip) *support_gzip;
static __typeof__(archive_read_open_filename) *open_filename;
static __typeof__(archive_read_next_header) *next_header;
static __typeof__(archive_read_data) *read_data;
static __typeof__(archive_filter_bytes) *filter_bytes;
static __typeof__(archive_error_string) *error_string;
static __typeof__(archive_read_free) *read_free;
static __typeof__(archive_entry_pathname) *entry_name;
static __typeof__(archive_entry_filetype) *entry_type;
static __typeof__(archive_entry_hardlink) *entry_hardlink;
static __typeof__(archive_entry_size) *entry_size;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static const char *failure;
static char failure_text[512];

static void load(void) {
    static const char *const names[] = {"libarchive.so.13", NULL};
    static const library_symbol symbols[] = {
        {"archive_read_new", (void **)&read_new},
        {"archive_read_support_format_tar", (void **)&support_tar},
        {"archive_read_support_filter_gzip", (void **)&support_gzip},
        {"archive_read_open_filename", (void **)&open_filename},
        {"archive_read_next_header", (void **)&next_header},
        {"archive_read_data", (void **)&read_data},
        {"archive_filter_bytes", (void **)&filter_bytes},
        {"archive_error_string", (void **)&error_string},
        {"archive_read_free", (void **)&read_free},
        {"archive_entry_pathname", (void **)&entry_name},
        {"archive_entry_filetype", (void **)&entry_type},
        {"archive_entry_hardlink", (void **)&entry_hardlink},
        {"archive_entry_size", (void **)&entry_size},
        {NULL, NULL},
    };
    failure = load_library(names, symbols, failure_text, sizeof failure_text);
}

const char *cfetching_load_archive(void) {
    pthread_once(&once, load);
    return failure;
}

void *cfetching_archive_open(const char *path, char *message, size_t length) {
    struct archive *archive = cfetching_load_archive() ? NULL : read_new();
    if (!archive) {
        snprintf(message, length, "%s", failure ? failure : "libarchive has no memory");
        return NULL;
    }
    support_tar(archive);
    support_gzip(archive);
    if (open_filename(archive, path, 1 << 20) != ARCHIVE_OK) {
        snprintf(message, length, "%s", cfetching_archive_message(archive));
        read_free(archive);
        return NULL;
    }
    return archive;
}

int cfetching_archive_next(void *archive, const char **name, cfetching_kind *kind, int64_t *size) {
    struct archive_entry *entry = NULL;
    int code = next_header(archive, &entry);
    if (code == ARCHIVE_EOF) { return 0; }
    // Warnings concern names that are not valid UTF-8 and the like: the bytes are still available.
    if (code != ARCHIVE_OK && code != ARCHIVE_WARN) { return -1; }
    *name = entry_name(entry);
    *size = entry_size(entry);
    *kind = cfetching_other;
    if (*name && !entry_hardlink(entry)) {
        if (entry_type(entry) == AE_IFREG) { *kind = cfetching_file; }
        if (entry_type(entry) == AE_IFDIR) { *kind = cfetching_folder; }
    }
    return *name ? 1 : -1;
}

int64_t cfetching_archive_read(void *archive, void *buffer, size_t length) {
    la_ssize_t count = read_data(archive, buffer, length);
    return count < 0 ? -1 : count;
}

int64_t cfetching_archive_position(void *archive) { return filter_bytes(archive, -1); }

const char *cfetching_archive_message(void *archive) {
    const char *message = error_string(archive);
    return message ? message : "libarchive gives no reason";
}

void cfetching_archive_close(void *archive) { read_free(archive); }

void cfetching_sync(int descriptor) { syncfs(descriptor); }
