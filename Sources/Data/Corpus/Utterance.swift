import Foundation

/// One entry of a manifest.
public struct Utterance: Equatable, Sendable {
    /// What people call it: the name or path that the manifest has.
    public var identifier: String
    /// The recording.
    public var audio: URL
    /// Its length, in samples at 16 kHz.
    public var sampleCount: Int
    /// Where the utterance begins within a longer recording, in samples at 16 kHz; nil where it is the whole recording.
    public var offset: Int?
    /// The label line, symbols separated by spaces; nil if the manifest was read without labels.
    public var labels: String?
    /// Who speaks, where the manifest says it.
    public var speaker: String?
    /// The line of the manifest that names it, from 1.
    public var line: Int
}
