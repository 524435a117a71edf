import Foundation

/// One entry of a manifest.
public struct Utterance: Equatable, Sendable {
    /// What people call it: the path as the manifest has it.
    public var identifier: String
    /// The recording.
    public var audio: URL
    /// Its length, in samples at 16 kHz.
    public var sampleCount: Int
    /// Where the utterance begins within a longer recording, in samples at 16 kHz; nil where it is the whole recording.
    public var offset: Int?
    /// The label line, symbols separated by spaces; nil if the manifest was read without labels.
    public var labels: String?
    /// The line of the manifest that names it, from 1.
    public var line: Int
}
