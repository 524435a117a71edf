import CW2VFetching
import Foundation
import SystemPackage
import W2VBase

/// A file's published digest.
public struct Checksum: Equatable, Sendable {
    /// The digest algorithm.
    public enum Kind: String, Sendable {
        /// MD5, which openslr publishes: it detects damage, not forgery.
        case md5 = "MD5"
        /// SHA-256.
        case sha256 = "SHA-256"
        /// SHA-1 of git's blob with the file's content, which names the file on a git server.
        case gitBlob = "git SHA-1"

        /// The number of hexadecimal digits.
        public var digits: Int {
            switch self {
            case .md5: 32
            case .sha256: 64
            case .gitBlob: 40
            }
        }

        fileprivate var algorithm: String {
            switch self {
            case .md5: "MD5"
            case .sha256: "SHA256"
            case .gitBlob: "SHA1"
            }
        }
    }

    /// The digest algorithm.
    public let kind: Kind
    /// The digest in lower-case hexadecimal digits.
    public let digest: String

    /// Makes a published digest; nil if it does not have the kind's number of hexadecimal digits.
    ///
    /// - Parameter digest: Hexadecimal digits in any case.
    public init?(_ kind: Kind, _ digest: String) {
        guard digest.utf8.count == kind.digits, digest.allSatisfy({ $0.isHexDigit && $0.isASCII }) else { return nil }
        self.init(kind: kind, digest: digest.lowercased())
    }

    private init(kind: Kind, digest: String) {
        self.kind = kind
        self.digest = digest
    }

    /// Computes a file's digest.
    ///
    /// - Parameter monitor: Receives the progress, and can stop the computation.
    /// - Throws: `FetchError`.
    public static func compute(_ kind: Kind, of url: URL, monitor: FetchMonitor = FetchMonitor()) throws -> Checksum {
        try SystemLibrary.crypto.load()
        guard let digest = cfetching_digest_make(kind.algorithm) else {
            throw FetchError.missingLibrary(
                name: kind.rawValue, package: "libssl3", reason: "OpenSSL refuses it in its present configuration")
        }
        defer { cfetching_digest_free(digest) }
        func reading<Value>(_ body: () throws(Errno) -> Value) throws(FetchError) -> Value {
            do throws(Errno) {
                return try body()
            } catch {
                throw .unwritable(
                    file: url.path, reason: "it cannot be read: " + SystemReason.of(code: error.rawValue))
            }
        }
        let descriptor = FileDescriptor(rawValue: open(url.path, O_RDONLY | O_CLOEXEC))
        defer { try? descriptor.close() }
        let total = try reading { () throws(Errno) in Int(try descriptor.status().st_size) }
        if kind == .gitBlob {
            let head = Array("blob \(total)\0".utf8)
            _ = cfetching_digest_update(digest, head, head.count)
        }
        var meter = RateMeter(name: url.lastPathComponent, phase: .checking, total: total)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
        defer { buffer.deallocate() }
        while true {
            let count = try reading { () throws(Errno) in try descriptor.read(some: buffer) }
            if count == 0 { break }
            _ = cfetching_digest_update(digest, buffer.baseAddress, count)
            monitor.report(meter.advance(by: count))
            try monitor.stopIfAsked(at: url.lastPathComponent)
        }
        var bytes = [UInt8](repeating: 0, count: 64)
        let count = cfetching_digest_finish(digest, &bytes)
        return Checksum(
            kind: kind, digest: bytes.prefix(count).map { String(format: "%02x", $0) }.joined())
    }
}
