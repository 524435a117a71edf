#include "CFetching.h"
#include "Library.h"

#include <openssl/evp.h>
#include <pthread.h>

static __typeof__(EVP_MD_CTX_new) *context_new;
static __typeof__(EVP_MD_CTX_free) *context_free;
static __typeof__(EVP_get_digestbyname) *digest_by_name;
static __typeof__(EVP_DigestInit_ex) *init;
static __typeof__(EVP_DigestUpdate) *update;
static __typeof__(EVP_DigestFinal_ex) *finish;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static const char *failure;
static char failure_text[512];

static void load(void) {
    static const char *const names[] = {"libcrypto.so.3", "libcrypto.so.1.1", NULL};
    static const library_symbol symbols[] = {
        {"EVP_MD_CTX_new", (void **)&context_new},          {"EVP_MD_CTX_free", (void **)&context_free},
        {"EVP_get_digestbyname", (void **)&digest_by_name}, {"EVP_DigestInit_ex", (void **)&init},
        {"EVP_DigestUpdate", (void **)&update},             {"EVP_DigestFinal_ex", (void **)&finish},
        {NULL, NULL},
    };
    failure = load_library(names, symbols, failure_text, sizeof failure_text);
}

const char *cfetching_load_crypto(void) {
    pthread_once(&once, load);
    return failure;
}

void *cfetching_digest_make(const char *name) {
    if (cfetching_load_crypto()) { return NULL; }
    const EVP_MD *kind = digest_by_name(name);
    EVP_MD_CTX *context = kind ? context_new() : NULL;
    if (context && init(context, kind, NULL) != 1) {
        context_free(context);
        return NULL;
    }
    return context;
}

bool cfetching_digest_update(void *digest, const void *bytes, size_t length) {
    return update(digest, bytes, length) == 1;
}

size_t cfetching_digest_finish(void *digest, uint8_t *bytes) {
    unsigned count = 0;
    return finish(digest, bytes, &count) == 1 ? count : 0;
}

void cfetching_digest_free(void *digest) { context_free(digest); }
