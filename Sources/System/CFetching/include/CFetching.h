#pragma once

// Downloads, checksums and archives by libcurl, OpenSSL's libcrypto and libarchive.
//
// The three are loaded when something is fetched, and not when the program starts: with them come some thirty other
// libraries, which would delay every command. They are the system's own also where the program is installed as a tree
// that can be moved, so that the system's certificates and security updates are in force.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Loads a library on its first call. Returns NULL, or why it cannot be loaded: a text that stays valid.
const char *cfetching_load_curl(void);
const char *cfetching_load_crypto(void);
const char *cfetching_load_archive(void);

/// libcurl's name, version and TLS library; NULL before it is loaded.
const char *cfetching_curl_version(void);

// --- Transfers

/// One request, GET always. Texts may be NULL where that is said.
typedef struct {
    const char *address;
    const char *agent;
    /// `Name: value`, or NULL.
    const char *header;
    /// The first byte that is wanted; at 0 no range is asked for.
    int64_t offset;
    /// Asks for the range only if the file is still the one with this validator; NULL asks always.
    const char *if_range;
    /// Certificates: a file, a folder; NULL for the system's.
    const char *certificate_file;
    const char *certificate_folder;
    int64_t connect_timeout_ms;
    /// Fewer than one byte a second for so long ends the transfer.
    int64_t stall_timeout_s;
    void *context;
    /// A line of a response's head, of every response where one redirects.
    void (*on_header)(void *context, const char *line, size_t length);
    /// A part of the body; returning false ends the transfer.
    bool (*on_body)(void *context, const uint8_t *bytes, size_t length);
    /// Called about once a second or more often; returning false ends the transfer.
    bool (*on_tick)(void *context);
} cfetching_request;

typedef struct {
    /// libcurl's code, 0 for a whole response of whatever status.
    int code;
    /// The last response's status, 0 if there was none.
    long status;
    /// What went wrong, empty for code 0.
    char message[256];
} cfetching_outcome;

/// Runs a request to its end. Redirects are followed, from https to https only.
void cfetching_transfer(const cfetching_request *request, cfetching_outcome *outcome);

// --- Digests

/// A running digest, `MD5`, `SHA1` or `SHA256`; NULL if the library refuses it.
void *cfetching_digest_make(const char *name);
bool cfetching_digest_update(void *digest, const void *bytes, size_t length);
/// Writes at most 64 bytes. Returns their count, 0 on failure.
size_t cfetching_digest_finish(void *digest, uint8_t *bytes);
void cfetching_digest_free(void *digest);

// --- Archives

typedef enum { cfetching_file, cfetching_folder, cfetching_other } cfetching_kind;

/// Opens a tar archive, compressed by gzip or not; NULL, with the reason, if that fails.
void *cfetching_archive_open(const char *path, char *message, size_t length);
/// The next entry: 1 with its name, 0 at the end, -1 on failure. The name lives until the next call.
int cfetching_archive_next(void *archive, const char **name, cfetching_kind *kind, int64_t *size);
/// Bytes of the entry: their count, 0 at its end, -1 on failure.
int64_t cfetching_archive_read(void *archive, void *buffer, size_t length);
/// How many bytes of the archive's file have been read.
int64_t cfetching_archive_position(void *archive);
/// What went wrong last.
const char *cfetching_archive_message(void *archive);
void cfetching_archive_close(void *archive);
/// Waits until what was written to the disk of an open file or folder is there. Not visible in Swift by itself.
void cfetching_sync(int descriptor);

#ifdef __cplusplus
}
#endif
