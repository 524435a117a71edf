import Foundation
import Synchronization
import TestSupport

@testable import W2VFetching

extension TemporaryFolder {
    func sha256(_ data: Data) throws -> Checksum {
        let file = file(UUID().uuidString)
        try data.write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        return try Checksum.compute(.sha256, of: file)
    }
}

extension Downloader {
    /// A downloader that does not wait long.
    static var quick: Downloader {
        var options = FetchOptions(environment: [:])
        options.pause = .milliseconds(5)
        options.rounds = 3
        options.connectTimeout = .seconds(5)
        options.stallTimeout = .seconds(20)
        return Downloader(options: options)
    }
}

extension CapturedLog {
    /// A monitor that writes to this log.
    var monitor: FetchMonitor { FetchMonitor(logger: logger()) }
}

/// Bytes that differ from place to place.
func content(_ count: Int, seed: UInt64 = 1) -> Data {
    var state = seed
    return Data(
        (0..<count).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return UInt8(truncatingIfNeeded: state >> 56)
        })
}
