#define _GNU_SOURCE
#include "CFetching.h"
#include "Library.h"

#include <curl/curl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

// The header's macros around variadic functions check types; calls through pointers are checked by hand.
#undef curl_easy_setopt
#undef curl_easy_getinfo

static __typeof__(curl_global_init) *global_init;
static __typeof__(curl_version) *version;
static __typeof__(curl_easy_init) *easy_init;
static __typeof__(curl_easy_setopt) *set;
static __typeof__(curl_easy_perform) *perform;
static __typeof__(curl_easy_getinfo) *get_info;
static __typeof__(curl_easy_strerror) *text_of;
static __typeof__(curl_easy_cleanup) *cleanup;
static __typeof__(curl_slist_append) *list_append;
static __typeof__(curl_slist_free_all) *list_free;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static const char *failure;
static char failure_text[512];

static void load(void) {
    static const char *const names[] = {"libcurl.so.4", "libcurl-gnutls.so.4", NULL};
    static const library_symbol symbols[] = {
        {"curl_global_init", (void **)&global_init},   {"curl_version", (void **)&version},
        {"curl_easy_init", (void **)&easy_init},       {"curl_easy_setopt", (void **)&set},
        {"curl_easy_perform", (void **)&perform},      {"curl_easy_getinfo", (void **)&get_info},
        {"curl_easy_strerror", (void **)&text_of},     {"curl_easy_cleanup", (void **)&cleanup},
        {"curl_slist_append", (void **)&list_append},  {"curl_slist_free_all", (void **)&list_free},
        {NULL, NULL},
    };
    failure = load_library(names, symbols, failure_text, sizeof failure_text);
    if (!failure && global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) { failure = "libcurl could not be initialized"; }
}

const char *cfetching_load_curl(void) {
    pthread_once(&once, load);
    return failure;
}

const char *cfetching_curl_version(void) { return version ? version() : NULL; }

static size_t pass_header(char *bytes, size_t size, size_t count, void *data) {
    const cfetching_request *request = data;
    request->on_header(request->context, bytes, size * count);
    return size * count;
}

static size_t pass_body(char *bytes, size_t size, size_t count, void *data) {
    const cfetching_request *request = data;
    // Any other number than the given one ends the transfer, also for an empty part.
    return request->on_body(request->context, (const uint8_t *)bytes, size * count) ? size * count : size * count + 1;
}

static int pass_tick(void *data, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d) {
    (void)a, (void)b, (void)c, (void)d;
    const cfetching_request *request = data;
    return request->on_tick(request->context) ? 0 : 1;
}

static void limit_protocols(CURL *handle, bool only_https) {
    const char *redirects = only_https ? "https" : "http,https";
#if LIBCURL_VERSION_NUM >= 0x075500
    if (set(handle, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
        set(handle, CURLOPT_REDIR_PROTOCOLS_STR, redirects) == CURLE_OK) {
        return;
    }
#endif
    // Libraries older than 7.85 only have these options.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    set(handle, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
    set(handle, CURLOPT_REDIR_PROTOCOLS, (long)(only_https ? CURLPROTO_HTTPS : CURLPROTO_HTTP | CURLPROTO_HTTPS));
#pragma GCC diagnostic pop
}

static void configure(CURL *handle, const cfetching_request *request, struct curl_slist **headers, char *message) {
    set(handle, CURLOPT_URL, request->address);
    set(handle, CURLOPT_USERAGENT, request->agent);
    set(handle, CURLOPT_NOSIGNAL, 1L);
    set(handle, CURLOPT_ERRORBUFFER, message);
    set(handle, CURLOPT_FOLLOWLOCATION, 1L);
    set(handle, CURLOPT_MAXREDIRS, 10L);
    limit_protocols(handle, strncasecmp(request->address, "https:", 6) == 0);
    set(handle, CURLOPT_CONNECTTIMEOUT_MS, (long)request->connect_timeout_ms);
    set(handle, CURLOPT_LOW_SPEED_LIMIT, 1L);
    set(handle, CURLOPT_LOW_SPEED_TIME, (long)request->stall_timeout_s);
    if (request->certificate_file) { set(handle, CURLOPT_CAINFO, request->certificate_file); }
    if (request->certificate_folder) { set(handle, CURLOPT_CAPATH, request->certificate_folder); }
    if (request->header) { *headers = list_append(*headers, request->header); }
    if (request->offset > 0) {
        char text[300];
        // Not CURLOPT_RESUME_FROM, which fails if a server sends the whole file.
        snprintf(text, sizeof text, "Range: bytes=%lld-", (long long)request->offset);
        *headers = list_append(*headers, text);
        if (request->if_range && snprintf(text, sizeof text, "If-Range: %s", request->if_range) < (int)sizeof text) {
            *headers = list_append(*headers, text);
        }
    }
    if (*headers) { set(handle, CURLOPT_HTTPHEADER, *headers); }
    set(handle, CURLOPT_HEADERFUNCTION, pass_header);
    set(handle, CURLOPT_HEADERDATA, request);
    set(handle, CURLOPT_WRITEFUNCTION, pass_body);
    set(handle, CURLOPT_WRITEDATA, request);
    set(handle, CURLOPT_NOPROGRESS, 0L);
    set(handle, CURLOPT_XFERINFOFUNCTION, pass_tick);
    set(handle, CURLOPT_XFERINFODATA, request);
    set(handle, CURLOPT_BUFFERSIZE, 256L << 10);
}

// A server that hangs up must not end the program: TLS libraries write without MSG_NOSIGNAL.
static CURLcode perform_without_sigpipe(CURL *handle) {
    sigset_t pipe_only, pending, before;
    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    sigpending(&pending);
    bool was_pending = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &pipe_only, &before);
    CURLcode code = perform(handle);
    if (!was_pending) {
        struct timespec none = {0, 0};
        sigtimedwait(&pipe_only, NULL, &none);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return code;
}

void cfetching_transfer(const cfetching_request *request, cfetching_outcome *outcome) {
    memset(outcome, 0, sizeof *outcome);
    CURL *handle = cfetching_load_curl() ? NULL : easy_init();
    if (!handle) {
        outcome->code = CURLE_FAILED_INIT;
        snprintf(outcome->message, sizeof outcome->message, "%s", failure ? failure : "libcurl has no memory");
        return;
    }
    char message[CURL_ERROR_SIZE] = "";
    struct curl_slist *headers = NULL;
    configure(handle, request, &headers, message);
    CURLcode code = perform_without_sigpipe(handle);
    outcome->code = (int)code;
    get_info(handle, CURLINFO_RESPONSE_CODE, &outcome->status);
    if (code != CURLE_OK) {
        snprintf(outcome->message, sizeof outcome->message, "%s", message[0] ? message : text_of(code));
    }
    cleanup(handle);
    list_free(headers);
}
