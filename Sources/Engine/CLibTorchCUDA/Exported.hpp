// Export and error conventions of the library's functions.
#pragma once

#include <c10/util/Exception.h>

#include <cstring>
#include <exception>
#include <stdexcept>

#define EXPORTED extern "C" __attribute__((visibility("default")))

/// Runs `body` and turns exceptions into a message that the caller frees; no exception leaves the library.
template <typename Body>
char *exported(Body &&body) noexcept {
    try {
        body();
        return nullptr;
    } catch (const c10::Error &error) {
        return strdup(error.what_without_backtrace());
    } catch (const std::exception &error) {
        return strdup(error.what());
    } catch (...) {
        return strdup("an unknown C++ exception");
    }
}
