import Foundation
import W2VBase
import W2VDecoding
import W2VInterchange
import W2VTorch

/// A folder with a model's log-probabilities of each utterance, for trying decoders without the model.
///
/// - `logits.json`: the symbol of each label (the first is the blank) and the seconds from one frame to the next;
/// - `index.jsonl`: a line for each utterance, in the manifest's order, with the file of its log-probabilities, its
///   reference and other data for evaluation;
/// - `00000000.safetensors` and so on: the tensor `log_probabilities`, FP32 [frames, labels], natural logarithms after
///   log-softmax.
///
/// The index is written last: without it the folder is incomplete.
public struct SavedLogits: Sendable {
    /// A line of the index.
    public struct Entry: Codable, Sendable, Equatable {
        /// The utterance's name in the manifest.
        public var utterance: String
        /// The path of the recording.
        public var audio: String
        /// The reference transcript, as words.
        public var reference: String
        /// The recording's length in seconds.
        public var seconds: Double
        /// The file of the log-probabilities; nil where the recording is too short for a frame.
        public var file: String?
        /// The tags to group the utterance by, by name.
        public var tags: [String: String]
    }

    private struct Description: Codable {
        var symbols: [String]
        var frameSeconds: Double
        /// The rules that turn symbols into text, where they differ from fairseq's.
        var text: String?

        enum CodingKeys: String, CodingKey {
            case symbols
            case text
            case frameSeconds = "frame_seconds"
        }
    }

    /// The folder.
    public let folder: URL
    /// The symbol of each label; the first is the blank.
    public let symbols: [String]
    /// The rules that turn symbols into text.
    public let style: TextStyle
    /// The seconds from one frame to the next.
    public let frameSeconds: Double
    /// The utterances, in the manifest's order.
    public let entries: [Entry]

    private static let descriptionName = "logits.json"
    private static let indexName = "index.jsonl"
    private static let tensorName = "log_probabilities"

    /// Opens a folder of saved log-probabilities.
    ///
    /// - Parameter folder: A folder that an evaluation wrote.
    /// - Throws: `RecognitionError.badLogits`, naming file and line.
    public init(contentsOf folder: URL) throws {
        self.folder = folder
        func read(_ name: String) throws -> (URL, Data) {
            let url = folder.appendingPathComponent(name)
            do {
                return (url, try Data(contentsOf: url))
            } catch {
                throw RecognitionError.badLogits(
                    file: folder.path,
                    reason: "has no readable \(name)", advice: "give \(.logitsFolder)")
            }
        }
        let (place, text) = try read(Self.descriptionName)
        guard let description = try? JSONDecoder().decode(Description.self, from: text), !description.symbols.isEmpty,
            description.frameSeconds > 0
        else {
            throw RecognitionError.badLogits(
                file: place.path, reason: "has no list of symbols with frame_seconds", advice: "\(.saveLogits)")
        }
        let (index, lines) = try read(Self.indexName)
        symbols = description.symbols
        do {
            style = try description.text.map { try TextStyle(encoded: $0) } ?? TextStyle()
        } catch {
            throw RecognitionError.badLogits(file: place.path, reason: "\(error)", advice: "\(.saveLogits)")
        }
        frameSeconds = description.frameSeconds
        entries = try lines.split(separator: UInt8(ascii: "\n")).enumerated().map { number, line in
            do {
                return try JSONDecoder().decode(Entry.self, from: line)
            } catch {
                throw RecognitionError.badLogits(
                    file: "\(index.path):\(number + 1)",
                    reason:
                        "is no JSON object with utterance, audio, reference, seconds and tags", advice: "\(.saveLogits)"
                )
            }
        }
        if entries.isEmpty {
            throw RecognitionError.badLogits(file: index.path, reason: "names no utterances", advice: "\(.saveLogits)")
        }
    }

    /// The text of the labels, for decoders.
    ///
    /// - Throws: `DecoderError` when there are no symbols.
    public var alphabet: DecodingAlphabet {
        get throws { try LabelWriting(symbols: symbols, style: style).alphabet }
    }

    /// Reads the log-probabilities of an utterance.
    ///
    /// - Parameter index: The utterance's index among the entries.
    /// - Returns: [frames, labels], row-major; empty where the recording is too short for a frame.
    /// - Throws: `SafetensorsError` and `RecognitionError.badLogits`, naming the file.
    public func logProbabilities(_ index: Int) throws -> [Float] {
        guard let name = entries[index].file else { return [] }
        let url = folder.appendingPathComponent(name)
        let file = try SafetensorsFile(url)
        let entry = try file.requiredEntry(Self.tensorName)
        guard entry.type == .float32, entry.shape.count == 2, entry.shape[1] == symbols.count else {
            throw RecognitionError.badLogits(
                file: url.path,
                reason: "has log-probabilities of type \(entry.type.rawValue) and shape \(entry.shape), where F32 "
                    + "[frames, \(symbols.count)] goes with the \(symbols.count) symbols of \(Self.descriptionName)")
        }
        let scores = file.withBytes(of: entry) { bytes in
            // Other programs may write headers of any length, so the numbers may be unaligned.
            [Float](unsafeUninitializedCapacity: bytes.count / MemoryLayout<Float>.stride) { values, count in
                UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(values)[..<bytes.count])
                    .copyMemory(from: bytes)
                count = bytes.count / MemoryLayout<Float>.stride
            }
        }
        guard Recognizer.isFinite(scores) else {
            throw RecognitionError.badLogits(
                file: url.path,
                reason: "the log-probabilities of \(entries[index].utterance) are NaN or infinite",
                advice: "\(.saveLogits)")
        }
        return scores
    }

    /// Begins a folder: removes an old index, whose files are about to be replaced.
    ///
    /// - Parameter folder: The folder, which is created if necessary.
    /// - Throws: The file system's error.
    public static func begin(_ folder: URL) throws {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        AtomicFile.removeLeftovers(in: folder)
        let index = folder.appendingPathComponent(indexName)
        if FileManager.default.fileExists(atPath: index.path) { try FileManager.default.removeItem(at: index) }
    }

    /// Returns the name of an utterance's file.
    static func fileName(_ index: Int) -> String {
        let digits = String(index)
        return String(repeating: "0", count: max(0, 8 - digits.count)) + digits + ".safetensors"
    }

    /// Writes one utterance's file.
    static func write(_ values: [Float], labels: Int, index: Int, to folder: URL) throws {
        let tensor = values.withUnsafeBytes { Data($0) }
        try SafetensorsWriter.write(
            [
                SafetensorsTensor(
                    name: tensorName, type: .float32, shape: [values.count / labels, labels], bytes: tensor)
            ],
            to: folder.appendingPathComponent(fileName(index)))
    }

    /// Writes the dictionary and the index, which complete the folder.
    ///
    /// - Parameters:
    ///   - folder: The folder, with the log-probabilities of all utterances.
    ///   - evaluation: The evaluation of the utterances.
    ///   - recognizer: The recognizer that evaluated them.
    /// - Throws: `FileWriteError`.
    public static func finish(_ folder: URL, _ evaluation: Evaluation, by recognizer: Recognizer) throws {
        let entries = evaluation.utterances.enumerated().map { index, utterance in
            Entry(
                utterance: utterance.identifier, audio: utterance.audio, reference: utterance.writtenReference,
                seconds: utterance.transcription.duration, file: utterance.isTooShort ? nil : fileName(index),
                tags: utterance.tags)
        }
        try finish(
            folder, symbols: recognizer.symbols, style: recognizer.style, frameSeconds: recognizer.frameSeconds,
            entries: entries)
    }

    static func finish(
        _ folder: URL, symbols: [String], style: TextStyle, frameSeconds: Double, entries: [Entry]
    ) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let description = try encoder.encode(
            Description(
                symbols: symbols, frameSeconds: frameSeconds, text: style == TextStyle() ? nil : style.encoded))
        try AtomicFile.write(to: folder.appendingPathComponent(descriptionName)) { try $0.append(description) }
        var lines = Data()
        for entry in entries {
            lines.append(try encoder.encode(entry))
            lines.append(UInt8(ascii: "\n"))
        }
        try AtomicFile.write(to: folder.appendingPathComponent(indexName)) { try $0.append(lines) }
    }
}
