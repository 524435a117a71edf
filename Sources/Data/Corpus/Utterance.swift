import Foundation

/// One entry of a manifest.
public struct Utterance: Equatable, Sendable {
    /// The utterance's name for people: the name or path in the manifest.
    public var identifier: String
    /// The recording.
    public var audio: URL
    /// Length, in samples at 16 kHz.
    public var sampleCount: Int
    /// Start offset within a longer recording, in samples at 16 kHz; nil for a whole recording.
    public var offset: Int?
    /// The label line, symbols separated by spaces; nil if the manifest was read without labels.
    public var labels: String?
    /// The speaker, if the manifest gives one.
    public var speaker: String?
    /// The utterance's line in the manifest, from 1.
    public var line: Int
}
