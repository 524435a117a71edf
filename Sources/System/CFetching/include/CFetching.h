#pragma once

// Downloads, checksums and archives with libcurl, OpenSSL's libcrypto and libarchive.
//
// The three are loaded when something is fetched, not when the program starts: they load some thirty other libraries,
// which would delay every command. They are the system's own even if the program is installed as a relocatable tree, so
// that the system's certificates and security updates apply.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Loads a library on its first call. Returns NULL, or the reason why it cannot be loaded: a text that stays valid.
const char *cfetching_load_curl(void);
const char *cfetching_load_crypto(void);
const char *cfetching_load_archive(void);

/// libcurl's name, version and TLS library; NULL before it is loaded.
const char *cfetching_curl_version(void);

// --- Transfers

/// One GET request. Texts may be NULL where noted.
typedef struct {
    const char *address;
    const char *agent;
    /// `Name: value`, or NULL.
    const char *header;
    /// The first byte to request; 0 requests the whole file.
    int64_t offset;
    /// Requests the range only if the file still has this validator; NULL requests it always.
    const char *if_range;
    /// Certificates: a file, a folder; NULL for the system's.
    const char *certificate_file;
    const char *certificate_folder;
    int64_t connect_timeout_ms;
    /// Seconds with fewer than one byte per second after which the transfer ends.
    int64_t stall_timeout_s;
    void *context;
    /// Receives a line of a response's head, also for responses that redirect.
    void (*on_header)(void *context, const char *line, size_t length);
    /// Receives a part of the body; returning false ends the transfer.
    bool (*on_body)(void *context, const uint8_t *bytes, size_t length);
    /// Called at least about once a second; returning false ends the transfer.
    bool (*on_tick)(void *context);
} cfetching_request;

typedef struct {
    /// libcurl's code, 0 for a complete response with any status.
    int code;
    /// The last response's status, 0 if there was none.
    long status;
    /// The error message, empty for code 0.
    char message[256];
} cfetching_outcome;

/// Runs a request to its end, following redirects, from https to https only.
void cfetching_transfer(const cfetching_request *request, cfetching_outcome *outcome);

// --- Digests

/// Starts a digest, `MD5`, `SHA1` or `SHA256`; NULL if the library refuses it.
void *cfetching_digest_make(const char *name);
bool cfetching_digest_update(void *digest, const void *bytes, size_t length);
/// Writes at most 64 bytes, and returns their count, 0 on failure.
size_t cfetching_digest_finish(void *digest, uint8_t *bytes);
void cfetching_digest_free(void *digest);

// --- Archives

typedef enum { cfetching_file, cfetching_folder, cfetching_other } cfetching_kind;

/// Opens a tar archive, compressed with gzip or not; returns NULL, with the reason, if that fails.
void *cfetching_archive_open(const char *path, char *message, size_t length);
/// Moves to the next entry: returns 1 with its name, 0 at the end, -1 on failure. The name is valid until the next
/// call.
int cfetching_archive_next(void *archive, const char **name, cfetching_kind *kind, int64_t *size);
/// Reads bytes of the entry: returns their count, 0 at its end, -1 on failure.
int64_t cfetching_archive_read(void *archive, void *buffer, size_t length);
/// Number of bytes of the archive's file read so far.
int64_t cfetching_archive_position(void *archive);
/// The last error message.
const char *cfetching_archive_message(void *archive);
void cfetching_archive_close(void *archive);
/// Syncs an open file or folder to the disk. Swift cannot see the function directly.
void cfetching_sync(int descriptor);

#ifdef __cplusplus
}
#endif
