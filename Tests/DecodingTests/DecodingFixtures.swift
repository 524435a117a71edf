import Foundation
import TestSupport

/// The golden files that `Scripts/decoding-goldens` made.
enum DecodingFixtures {
    static let folder = Repository.fixtures.appendingPathComponent("decoding")

    static func url(_ name: String) -> URL { folder.appendingPathComponent(name) }

    static func read<Content: Decodable>(_ name: String, as type: Content.Type = Content.self) throws -> Content {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(type, from: Data(contentsOf: url(name)))
    }

    static func floats(_ data: Data) -> [Float] {
        data.withUnsafeBytes { bytes in
            (0..<bytes.count / 4).map { bytes.loadUnaligned(fromByteOffset: $0 * 4, as: Float.self) }
        }
    }
}
