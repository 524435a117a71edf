import CW2VFetching

/// A system library that is loaded only when something is fetched, so that it does not delay other commands.
public enum SystemLibrary: String, CaseIterable, Sendable {
    /// Transfers.
    case curl = "libcurl"
    /// Digests.
    case crypto = "OpenSSL's libcrypto"
    /// Archives.
    case archive = "libarchive"

    /// The Debian package that contains it.
    public var package: String {
        switch self {
        case .curl: "libcurl4"
        case .crypto: "libssl3"
        case .archive: "libarchive13"
        }
    }

    /// Loads the library, once.
    ///
    /// - Throws: `FetchError.missingLibrary`.
    public func load() throws(FetchError) {
        let reason =
            switch self {
            case .curl: cfetching_load_curl()
            case .crypto: cfetching_load_crypto()
            case .archive: cfetching_load_archive()
            }
        if let reason {
            throw .missingLibrary(name: rawValue, package: package, reason: String(cString: reason))
        }
    }

    /// The versions of libcurl and its TLS library; nil if libcurl cannot be loaded.
    public static var curlVersion: String? {
        guard cfetching_load_curl() == nil else { return nil }
        // The rest of the text names all other libraries that libcurl is built with.
        return cfetching_curl_version().map {
            String(cString: $0).split(separator: " ").prefix(2).joined(separator: ", ")
        }
    }
}
