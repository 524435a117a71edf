import Foundation

/// One label of a transcript, with the frames in which it was found.
public struct AlignedLabel: Sendable, Equatable {
    /// The label's index in the dictionary.
    public var label: Int
    /// Its frames, without the blanks around it.
    public var frames: Range<Int>
    /// The mean of its log-probabilities over these frames.
    public var score: Double

    /// Makes a label.
    ///
    /// - Parameters:
    ///   - label: Its index in the dictionary.
    ///   - score: The mean of its log-probabilities over them.
    public init(label: Int, frames: Range<Int>, score: Double) {
        self.label = label
        self.frames = frames
        self.score = score
    }
}

/// The alignment of a transcript with a recording: a path through the frames.
public struct Alignment: Sendable, Equatable {
    /// The transcript's labels with their frames, without optional ends that are missing from the recording.
    public var labels: [AlignedLabel]
    /// The label of every frame, including blanks.
    public var path: [Int]
    /// The natural logarithm of the path's probability.
    public var score: Double
}

/// A forced aligner: finds the most probable path of a CTC model through a known transcript.
///
/// The Viterbi recursion is exact, in double precision. States that cannot be on the best path are pruned: an initial
/// guess bounds the path's score from below, and the remaining frames bound it from above. Memory is bounded for any
/// length: the recursion's state is stored at a few frames only, and the traceback recomputes the stretch between two
/// of them in the narrow band that can lead to its end. Source: Graves et al. 2006; Kürzinger et al. 2020,
/// "CTC-segmentation". The band of a stretch of n frames is 2n + 1 states wide, since a path advances by at most two
/// states per frame.
public struct ForcedAligner: Sendable {
    /// The CTC blank's index.
    public var blank: Int
    /// Whether the transcript's first and last labels may be missing from the recording, like word boundaries.
    ///
    /// In a transcript of fewer than three labels, all of them must occur.
    public var optionalEnds: Bool
    /// The approximate memory of the recursion, in bytes.
    public var memory: Int
    /// The number of states that the initial guess follows, in transcripts with more.
    var width = 4096

    /// Makes an aligner.
    ///
    /// - Parameters:
    ///   - blank: The CTC blank's index.
    ///   - optionalEnds: Whether the first and last labels may be missing from the recording.
    ///   - memory: The approximate memory of the recursion, in bytes.
    public init(blank: Int = 0, optionalEnds: Bool = false, memory: Int = 128 << 20) {
        self.blank = blank
        self.optionalEnds = optionalEnds
        self.memory = memory
    }

    /// Aligns a transcript.
    ///
    /// - Parameter logProbabilities: Natural logarithms [frames, labels], contiguous: after log-softmax.
    /// - Returns: The most probable path.
    /// - Throws: `DecoderError` when the shape is wrong, a score is NaN, or the transcript is empty, contains labels
    ///   that the model lacks, or is too long for the frames.
    public func align(_ logProbabilities: [Float], labels: Int, transcript: [Int]) throws(DecoderError) -> Alignment {
        guard labels > 0, logProbabilities.count.isMultiple(of: labels) else {
            throw .wrongCount(count: logProbabilities.count, labels: labels)
        }
        guard (0..<labels).contains(blank) else { throw .blankOutOfRange(blank: blank, labels: labels) }
        guard !transcript.isEmpty else { throw .emptyTranscript }
        for label in transcript where !(0..<labels).contains(label) || label == blank {
            throw .badLabel(label: label, labels: labels)
        }
        if let bad = logProbabilities.firstIndex(where: \.isNaN) {
            throw .notANumber(frame: bad / labels, label: bad % labels)
        }
        let frames = logProbabilities.count / labels
        let certain = optionalEnds && transcript.count > 2 ? transcript.dropFirst().dropLast() : transcript[...]
        // Two equal labels need a blank between them.
        let needed = certain.count + zip(certain, certain.dropFirst()).count { $0 == $1 }
        guard frames >= needed else { throw .tooLong(labels: certain.count, needed: needed, frames: frames) }
        let result = logProbabilities.withUnsafeBufferPointer { scores in
            Result { () throws(DecoderError) in
                var trellis = Trellis(scores: scores, labels: labels, aligner: self, transcript: transcript)
                return try trellis.bestPath()
            }
        }
        return alignment(try result.get(), logProbabilities, labels, transcript)
    }

    /// Reads the labels' frames off a path of states.
    private func alignment(
        _ states: [Int32], _ logProbabilities: [Float], _ labels: Int, _ transcript: [Int]
    ) -> Alignment {
        var aligned: [AlignedLabel] = []
        var score = 0.0
        var path: [Int] = []
        path.reserveCapacity(states.count)
        var start = 0
        while start < states.count {
            let state = Int(states[start])
            let label = state & 1 == 0 ? blank : transcript[state >> 1]
            var end = start
            var sum = 0.0
            while end < states.count, Int(states[end]) == state {
                sum += Double(logProbabilities[end * labels + label])
                path.append(label)
                end += 1
            }
            score += sum
            if state & 1 == 1 {
                aligned.append(AlignedLabel(label: label, frames: start..<end, score: sum / Double(end - start)))
            }
            start = end
        }
        return Alignment(labels: aligned, path: path, score: score)
    }
}
