import Foundation
import TestServer
import TestSupport

@testable import W2VFetching

/// A folder that is removed when its owner goes.
final class Scratch: Sendable {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("wav2vec2-fetch-\(UUID().uuidString)")

    init() throws { try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true) }

    deinit { try? FileManager.default.removeItem(at: folder) }

    func file(_ name: String) -> URL { folder.appendingPathComponent(name) }

    /// The names in the folder, sorted.
    func names() throws -> [String] { try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() }

    func sha256(_ data: Data) throws -> Checksum {
        let file = file(UUID().uuidString)
        try data.write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        return try Checksum.compute(.sha256, of: file)
    }
}

extension Downloader {
    /// One that does not wait long.
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
    /// A monitor that logs here.
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
