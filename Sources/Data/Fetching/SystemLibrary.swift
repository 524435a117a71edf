import CW2VFetching

/// A library of the system that is loaded when something is fetched, so that it does not delay other commands.
public enum SystemLibrary: String, CaseIterable, Sendable {
    /// Transfers.
    case curl = "libcurl"
    /// Digests.
    case crypto = "OpenSSL's libcrypto"
    /// Archives.
    case archive = "libarchive"

    /// Debian's package of it.
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

    /// libcurl's version and that of its TLS library; nil where it cannot be loaded.
    public static var curlVersion: String? {
        guard cfetching_load_curl() == nil else { return nil }
        // The rest of the text names every further library that libcurl is made of.
        return cfetching_curl_version().map {
            String(cString: $0).split(separator: " ").prefix(2).joined(separator: ", ")
        }
    }
}
