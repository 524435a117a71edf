/// What can be wrong with running a model over recordings, one sentence each.
public enum InferenceError: Error, Equatable, Sendable, CustomStringConvertible {
    /// A recording is too short for a single frame; counts are samples at 16 kHz.
    case tooShort(recording: String, samples: Int, needed: Int)
    /// The model's output for a recording is NaN or infinite.
    case notFinite(recording: String)
    /// Recordings cannot be cut into windows of this length, in seconds, with this overlap.
    case badWindows(seconds: Double, overlap: Double)
    /// An option is no number that it can be.
    case badOption(name: String, value: Double, expected: String)

    /// The sentence.
    public var description: String {
        switch self {
        case .tooShort(let recording, let samples, let needed):
            "\(recording): has \(samples) samples at 16 kHz, and the model needs at least \(needed); leave it out."
        case .notFinite(let recording):
            "\(recording): the model's output is NaN or infinite; look for samples far beyond full scale in the recording, and "
                + "for NaN in the checkpoint."
        case .badWindows(let seconds, let overlap):
            "windows of \(seconds) s that share \(overlap) s cannot be cut: a window needs a length, and its neighbours may "
                + "share at most half of it."
        case .badOption(let name, let value, let expected): "\(name) is \(value); it must be \(expected)."
        }
    }
}
