import W2VBase

/// An error of running a model over recordings.
public enum InferenceError: ExplainedError, Equatable {
    /// A recording is too short for a single frame; counts are samples at 16 kHz.
    case tooShort(recording: String, samples: Int, needed: Int)
    /// The model's output for a recording is NaN or infinite.
    case notFinite(recording: String)
    /// Recordings cannot be cut into windows of this length, in seconds, with this overlap.
    case badWindows(seconds: Double, overlap: Double)
    /// An option's value is out of its range.
    case badOption(name: String, value: Double, expected: String)

    /// Always an input error.
    public var kind: ErrorKind { .input }

    /// The recording or option at fault, and the remedy.
    public var explanation: Explanation {
        switch self {
        case .tooShort(let recording, let samples, let needed):
            Explanation(
                "\(recording): has \(samples) samples at 16 kHz, and the model needs at least \(needed)", "leave it out"
            )
        case .notFinite(let recording):
            Explanation(
                "\(recording): the model's output is NaN or infinite",
                "look for samples far beyond full scale in the recording, and for NaN in the checkpoint")
        case .badWindows(let seconds, let overlap):
            Explanation(
                "windows of \(seconds) s that share \(overlap) s cannot be cut",
                "give windows a length, and let neighbors share at most half of it")
        case .badOption(let name, let value, let expected): Explanation("\(name) is \(value); it must be \(expected)")
        }
    }
}
