import Foundation
import Logging
import W2VBase

/// Fetches files over HTTP and HTTPS from the first of several addresses that has them.
///
/// It continues where an earlier attempt ended, and gives a file its name only when it is complete and verified.
public struct Downloader: Sendable {
    /// Timeouts and retries.
    public var options: FetchOptions

    /// Makes a downloader with timeouts and retries.
    public init(options: FetchOptions = FetchOptions()) { self.options = options }

    /// Fetches a file, unless it exists already.
    ///
    /// An address is kept as long as it delivers bytes, however often its connection breaks; otherwise the next one
    /// follows, and after the last one, with a growing pause, the first again.
    ///
    /// - Parameters:
    ///   - download: The file.
    ///   - monitor: Receives progress, and may stop the transfer, keeping the partial file.
    /// - Throws: `FetchError`.
    public func fetch(_ download: Download, monitor: FetchMonitor = FetchMonitor()) throws -> FetchedFile {
        try SystemLibrary.curl.load()
        for address in download.addresses { try Self.validate(address) }
        if let present = try present(download, monitor) { return present }
        var attempt = Attempt(download: download, part: try PartialFile(for: download.destination), monitor: monitor)
        var addresses = download.addresses
        var pause = options.pause
        for round in 1...max(1, options.rounds) {
            var wait: Double?
            for address in addresses {
                switch try attempt.exhaust(address, options) {
                case .complete:
                    return FetchedFile(
                        url: download.destination, bytes: size(download.destination) ?? 0, received: attempt.received,
                        isVerified: download.checksum != nil, sha256: download.sha256)
                case .refused: addresses.removeAll { $0 == address }
                case .broken(_, let asked): wait = asked ?? wait
                }
            }
            if addresses.isEmpty { break }
            if round < options.rounds {
                try sleep(wait.map { .seconds($0) } ?? pause, download, monitor)
                pause = min(pause * 2, options.longestPause)
            }
        }
        if let wrong = attempt.wrongChecksum { throw wrong }
        throw FetchError.unreachable(
            file: download.name,
            attempts: download.addresses.compactMap { address in
                attempt.reasons[address].map { address == download.name ? $0 : "\(address): \($0)" }
            }, isRefused: addresses.isEmpty)
    }

    /// Fetches a short text, such as a server's listing.
    ///
    /// - Parameters:
    ///   - address: The text's address.
    ///   - header: An additional line of the request's head.
    ///   - monitor: May stop the request.
    /// - Throws: `FetchError`.
    public func data(
        _ address: String, header: String? = nil, monitor: FetchMonitor = FetchMonitor()
    ) throws -> Data {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("wav2vec2-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appendingPathComponent("answer")
        let download = Download(name: address, addresses: [address], destination: file, header: header)
        _ = try fetch(download, monitor: monitor)
        do {
            return try Data(contentsOf: file)
        } catch {
            throw FetchError.unwritable(file: file.path, reason: SystemReason.of(error))
        }
    }

    private static func validate(_ address: String) throws {
        guard let url = URL(string: address), ["http", "https"].contains(url.scheme?.lowercased()), url.host != nil
        else { throw FetchError.badAddress(address) }
    }

    /// Returns the file if it exists and is correct; a wrong one is set aside.
    private func present(_ download: Download, _ monitor: FetchMonitor) throws -> FetchedFile? {
        guard let bytes = size(download.destination) else { return nil }
        let isRight =
            try (download.size.map { $0 == bytes } ?? true)
            && (download.checksum.map {
                try Checksum.compute($0.kind, of: download.destination, monitor: monitor) == $0
            }
                ?? true)
        if isRight {
            return FetchedFile(
                url: download.destination, bytes: bytes, received: 0, isVerified: download.checksum != nil,
                sha256: download.sha256)
        }
        let aside = download.destination.appendingPathExtension("damaged")
        guard rename(download.destination.path, aside.path) == 0 else {
            throw FetchError.unwritable(file: download.destination.path, reason: SystemReason.of(code: errno))
        }
        monitor.logger.warning(
            """
            \(download.destination.path): is not what its publisher describes; it is set aside as \
            \(aside.lastPathComponent) and fetched again
            """, metadata: ["file": "\(download.destination.path)"])
        return nil
    }

    private func size(_ url: URL) -> Int? {
        var status = stat()
        guard stat(url.path, &status) == 0, status.isFile else { return nil }
        return Int(status.st_size)
    }

    private func sleep(_ duration: Duration, _ download: Download, _ monitor: FetchMonitor) throws {
        try Attempt.sleep(duration, file: download.name, monitor)
    }
}

extension Download {
    /// The published SHA-256; nil if there is none, or a checksum of another kind.
    fileprivate var sha256: String? { checksum.flatMap { $0.kind == .sha256 ? $0.digest : nil } }
}

/// The attempts to fetch one file.
private struct Attempt {
    let download: Download
    var part: PartialFile
    let monitor: FetchMonitor
    /// The reason of each address's last failure.
    var reasons: [String: String] = [:]
    var wrongChecksum: FetchError?
    /// Number of bytes received.
    var received = 0
    /// The only address that the partial file's bytes come from; nil if some come from another address or an earlier
    /// run.
    private var origin: String?

    init(download: Download, part: PartialFile, monitor: FetchMonitor) {
        self.download = download
        self.part = part
        self.monitor = monitor
    }

    /// Requests the file from one address until it is complete or no more bytes come.
    mutating func exhaust(_ address: String, _ options: FetchOptions) throws -> Transfer.Outcome {
        while true {
            try monitor.stopIfAsked(at: download.name)
            let before = part.size
            monitor.logger.debug(
                "\(download.name): asking \(address) for what comes after \(before) bytes", metadata: metadata(address))
            let transfer = Transfer(address, download, into: part, monitor: monitor)
            let outcome = try transfer.run(options)
            received += transfer.received
            if transfer.beganAtZero {
                origin = address
            } else if transfer.received > 0 && origin != address {
                origin = nil
            }
            switch outcome {
            case .complete:
                if let failed = try verify(address) {
                    if case .broken = failed { continue }
                    return failed
                }
                return .complete
            case .refused(let reason):
                reasons[address] = reason
                monitor.logger.warning("\(place(address)): \(reason)", metadata: metadata(address))
                return outcome
            case .broken(let reason, let wait):
                reasons[address] = reason
                guard part.size > before else { return outcome }
                monitor.logger.notice(
                    "\(place(address)): \(reason); continuing from there", metadata: metadata(address))
                try Self.sleep(wait.map { .seconds($0) } ?? options.pause, file: download.name, monitor)
            }
        }
    }

    /// The file and the address for people; a text without a name of its own is named by its address.
    private func place(_ address: String) -> String {
        address == download.name ? address : "\(download.name): \(address)"
    }

    private func metadata(_ address: String) -> Logger.Metadata {
        ["file": "\(download.destination.path)", "address": "\(address)"]
    }

    /// Compares the complete file with its publisher's checksum, and gives it its name.
    private mutating func verify(_ address: String) throws -> Transfer.Outcome? {
        if let expected = download.checksum {
            let found = try Checksum.compute(expected.kind, of: part.url, monitor: monitor)
            if found != expected {
                let reason = "the \(expected.kind.rawValue) is \(found.digest) and should be \(expected.digest)"
                reasons[address] = reason
                if origin != address {
                    // The beginning comes from an earlier run or another address, which may be the problem.
                    monitor.logger.warning(
                        "\(download.name): \(reason); fetching it once more from the beginning",
                        metadata: metadata(address))
                    try part.discard()
                    return .broken(reason, wait: nil)
                }
                let kept = try part.setAside()
                wrongChecksum = .wrongChecksum(
                    file: download.name, address: address, kind: expected.kind.rawValue, expected: expected.digest,
                    found: found.digest, kept: kept.path)
                part = try PartialFile(for: download.destination)
                return .refused(reason)
            }
        }
        try part.finish()
        return nil
    }

    static func sleep(_ duration: Duration, file: String, _ monitor: FetchMonitor) throws {
        let end = ContinuousClock.now + duration
        while ContinuousClock.now < end {
            try monitor.stopIfAsked(at: file)
            Thread.sleep(forTimeInterval: min(0.1, (end - .now) / .seconds(1)))
        }
    }
}
