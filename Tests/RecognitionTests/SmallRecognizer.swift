import TestSupport
import W2VBackbone
import W2VInference
import W2VRecognition

extension SmallModels {
    /// A recognizer with ``ctcModel()``.
    static func recognizer(
        batchSeconds: Double = 60, windows: WindowOptions = WindowOptions(), normalizes: Bool = true,
        precision: ModelPrecision = ModelPrecision()
    ) async throws -> Recognizer {
        try await Recognizer(
            model: ctcModel(), symbols: symbols, normalizes: normalizes, batchSeconds: batchSeconds, windows: windows,
            precision: precision)
    }
}
