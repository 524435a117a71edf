import Foundation

/// A tone that fades in and out, so that the edges of a resampled signal are quiet.
func tone(_ frequency: Double = 440, rate: Int = 16_000, count: Int, amplitude: Double = 0.5) -> [Float] {
    (0..<count).map { index in
        let envelope = sin(Double.pi * (Double(index) + 0.5) / Double(count))
        return Float(amplitude * envelope * sin(2 * Double.pi * frequency * Double(index) / Double(rate)))
    }
}

/// A folder that is removed when its owner goes.
final class TemporaryFolder {
    let url: URL

    init() throws {
        url = FileManager.default.temporaryDirectory.appendingPathComponent("wav2vec2-tests-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: url) }

    func file(_ name: String) -> URL { url.appendingPathComponent(name) }
}

/// The root of the mean squared difference.
func rootMeanSquare(_ first: [Float], _ second: [Float]) -> Double {
    let count = min(first.count, second.count)
    let squares = (0..<count).reduce(0.0) { $0 + pow(Double(first[$1]) - Double(second[$1]), 2) }
    return (squares / Double(max(count, 1))).squareRoot()
}
