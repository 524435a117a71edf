import Foundation
import NIOHTTP1
import W2VBase

/// The keys of which a request has to show one.
public struct APIKeys: Sendable {
    private let keys: [[UInt8]]

    /// The fewest characters of a key: shorter ones could be found by trying.
    static let shortest = 16

    /// Reads a file of keys: one on each line; empty lines and those that begin with `#` are skipped.
    ///
    /// - Parameter file: The file.
    /// - Throws: `ServerError` for a file that cannot be read, that other users may change, that has no keys, or whose
    ///   keys are too short or have characters other than printable ASCII.
    public init(file: URL) throws {
        let text: String
        var status = stat()
        do {
            let handle = try FileHandle(forReadingFrom: file)
            text = String(decoding: try handle.readToEnd() ?? Data(), as: UTF8.self)
            // The rights of what was read: a symbolic link, as in a volume with a secret of Kubernetes, has all rights.
            guard fstat(handle.fileDescriptor, &status) == 0 else {
                throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO)
            }
        } catch {
            throw ServerError.badKeys(file.path, reason: "cannot be read: \(SystemReason.of(error))")
        }
        guard status.st_mode & 0o002 == 0 else {
            throw ServerError.badKeys(file.path, reason: "every user of this machine may change it")
        }
        var keys: [[UInt8]] = []
        for (number, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let key = line.trimmingCharacters(in: .whitespaces)
            if key.isEmpty || key.hasPrefix("#") { continue }
            guard key.utf8.allSatisfy({ (33...126).contains($0) }) else {
                throw ServerError.badKeys(
                    file.path, reason: "line \(number + 1) has a space or a character that is not printable ASCII")
            }
            guard key.utf8.count >= Self.shortest else {
                throw ServerError.badKeys(
                    file.path, reason: "the key on line \(number + 1) has fewer than \(Self.shortest) characters")
            }
            keys.append(Array(key.utf8))
        }
        guard !keys.isEmpty else { throw ServerError.badKeys(file.path, reason: "it has no keys") }
        self.keys = keys
    }

    /// Whether a key is one of these.
    ///
    /// The time does not depend on how much of the key is right, and all keys are compared.
    func contains(_ key: String) -> Bool {
        let given = Array(key.utf8)
        var isFound = false
        for known in keys {
            var difference = UInt8(given.count == known.count ? 0 : 1)
            for index in known.indices { difference |= known[index] ^ (index < given.count ? given[index] : 0) }
            isFound = isFound || difference == 0
        }
        return isFound
    }

    /// The prefix of the subprotocol by which a browser shows its key, since its WebSockets have no headers.
    ///
    /// Source: https://platform.openai.com/docs/guides/realtime-websocket
    static let subprotocol = "openai-insecure-api-key."

    /// Checks that a request shows a key.
    ///
    /// - Throws: `RequestError` with status 401.
    func check(_ headers: HTTPHeaders) throws {
        var given: String?
        if let header = headers.first(name: "Authorization") {
            let parts = header.split(separator: " ", maxSplits: 1)
            if parts.count == 2, parts[0].lowercased() == "bearer" {
                given = parts[1].trimmingCharacters(in: .whitespaces)
            }
        }
        for name in headers[canonicalForm: "sec-websocket-protocol"] where name.hasPrefix(Self.subprotocol) {
            given = given ?? String(name.dropFirst(Self.subprotocol.count))
        }
        if let given, contains(given) { return }
        throw RequestError(
            status: .unauthorized, type: "invalid_api_key",
            given == nil ? "The request has no API key" : "The API key is not one of this server's",
            "send the header \"Authorization: Bearer KEY\"", headers: ["WWW-Authenticate": "Bearer"])
    }
}
