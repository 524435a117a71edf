import Foundation
import W2V

/// Prints the size of a recording's features of the first Transformer layer: `swift run Features CHECKPOINT FILE`.
@main enum Features {
    static func main() async throws {
        guard CommandLine.arguments.count == 3 else {
            print("usage: Features CHECKPOINT FILE")
            exit(64)
        }
        let featurizer = try await Featurizer(checkpoint: URL(filePath: CommandLine.arguments[1]))
        let speech = URL(filePath: CommandLine.arguments[2])
        let features = try await featurizer.features(of: speech, layer: .transformer(1))
        print("\(features.frames) frames of \(features.dimension) numbers, \(features.rate) a second")
    }
}
