import Foundation
import W2VBase
import W2VCorpus
import W2VInference
import W2VTorch

/// A recording whose features are to be written.
public struct FeatureSource: Sendable, Equatable {
    /// The name in the manifest, from which the name of the file or tensor is derived.
    public var identifier: String
    /// The path of the audio file.
    public var audio: String

    /// Makes a source.
    ///
    /// - Parameters:
    ///   - identifier: The name in the manifest.
    ///   - audio: The path of the audio file.
    public init(identifier: String, audio: String) {
        self.identifier = identifier
        self.audio = audio
    }
}

/// A line of the manifest of features: the location of one layer of one recording.
public struct FeatureEntry: Codable, Sendable, Equatable {
    /// The recording's name in the manifest of recordings.
    public var id: String
    /// The path of the audio file.
    public var audio: String
    /// The file, relative to the manifest's own folder.
    public var path: String
    /// The layer's name.
    public var layer: String
    /// The number of rows.
    public var frames: Int
    /// The length of a row.
    public var dimension: Int
    /// The frames per second, before pooling.
    public var rate: Double
    /// The pooling of frames.
    public var pool: Pooling
    /// The tensor's name in a `.safetensors` file.
    public var tensor: String?
    /// The first row in a `.npy` file of several recordings.
    public var offset: Int?
    /// The place of the layer in a `.npy` file of [layers, frames, dimension].
    public var index: Int?
}

/// The settings of a folder's features: two runs can share a folder only if all of them are equal.
struct FeatureSettings: Codable, Equatable {
    var checkpoint: String
    var layers: String
    var pool: String
    var upsample: String
    var precision: String
    var dtype: String
    var format: String
    var windows: String

    /// Returns the first setting that differs.
    func difference(from other: FeatureSettings) -> (key: String, own: String, other: String)? {
        let keys: [(String, KeyPath<FeatureSettings, String>)] = [
            ("the checkpoint", \.checkpoint), ("\(Phrase.layers)", \.layers), ("\(Phrase.pooling)", \.pool),
            ("\(Phrase.upsampling)", \.upsample),
            ("\(Phrase.precision)", \.precision), ("\(Phrase.elementType)", \.dtype),
            ("\(Phrase.fileFormat)", \.format), ("windows of", \.windows),
        ]
        for (key, path) in keys where self[keyPath: path] != other[keyPath: path] {
            return (key, self[keyPath: path], other[keyPath: path])
        }
        return nil
    }
}

/// Writes the features of recordings, with a manifest.
///
/// A path that ends in `.npy` becomes one array of one layer with the frames of all recordings one after the other, and
/// a `.len` file with each recording's number of frames, one per line, as HuBERT's k-means scripts expect. A path that
/// ends in `.safetensors` becomes one file with a tensor for each recording and layer. Both appear only when they are
/// complete. Any other path is a folder of one file per recording; the files appear one by one, so that an interrupted
/// run can be resumed.
///
/// The manifest has one JSON object per line for each recording and layer, in the order of the recordings. It is
/// `manifest.jsonl` in a folder, and a `.jsonl` file of the same name beside a single file.
public final class FeatureWriter {
    /// A file format.
    public enum Format: String, Sendable, Codable, CaseIterable {
        /// NumPy arrays; several layers are one array [layers, frames, dimension].
        case npy
        /// Safetensors files with one tensor per layer.
        case safetensors
    }

    /// The format and settings of the output.
    public struct Options: Sendable, Equatable {
        /// The format of a folder's files; that of a single file follows from its name.
        public var format = Format.npy
        /// The type of the numbers.
        public var element = NumPyFile.Element.float32
        /// Whether to resume an existing folder of the same settings.
        public var resumes = false
        /// The name of the model's number formats; part of a folder's settings.
        public var precision = "fp32"
        /// The windows of long recordings; part of a folder's settings.
        public var windows = WindowOptions()

        /// Makes the default options: FP32 in `.npy` files.
        public init() {}
    }

    private let output: URL
    private let isFolder: Bool
    private let format: Format
    private let options: Options
    private let request: FeatureRequest
    private let stages: [LayerStage]
    private let frameRate: Double
    private let sources: [FeatureSource]
    private var entries: [Int: [FeatureEntry]] = [:]
    private let spool: Spool?
    private let settings: FeatureSettings
    private var isBegun = false
    private var pieces: [(name: String, shape: [Int], range: Range<Int>)] = []
    private var rows = 0

    /// The name of the manifest in a folder.
    public static let manifestName = "manifest.jsonl"
    private static let settingsName = "features.json"

    /// Prepares the output.
    ///
    /// - Parameters:
    ///   - output: A folder, or a file that ends in `.npy` or `.safetensors`.
    ///   - sources: All recordings.
    ///   - request: The layers.
    ///   - featurizer: The model.
    ///   - options: The format and settings.
    /// - Throws: ``FeatureError`` when the output exists, was begun with other settings, or cannot hold the requested
    ///   layers; `FileWriteError` or `CocoaError` when it cannot be created.
    public init(
        _ output: URL, sources: [FeatureSource], _ request: FeatureRequest, of featurizer: Featurizer,
        options: Options = Options()
    ) throws {
        let single = Format(rawValue: output.pathExtension.lowercased())
        self.output = output
        self.sources = sources
        self.request = request
        self.options = options
        isFolder = single == nil
        format = single ?? options.format
        frameRate = featurizer.frameRate
        stages = try request.layers.map { layer in try LayerStage(layer, in: featurizer.configuration) }
        settings = FeatureSettings(
            checkpoint: featurizer.fingerprint, layers: request.layers.map(\.description).joined(separator: ","),
            pool: request.pooling.rawValue, upsample: String(request.upsamples), precision: options.precision,
            dtype: options.element.rawValue, format: format.rawValue,
            windows: "\(options.windows.seconds) s, \(options.windows.overlap) s shared")
        spool = isFolder ? nil : try Spool(beside: output)
        try requireDistinctNames()
        if format == .npy { try requireOneArray() }
        if isFolder { try checkFolder() } else { try checkFiles() }
    }

    /// Checks that no file would be overwritten.
    private func checkFiles() throws {
        let files = [output, manifestURL] + (format == .npy && !isPooled ? [lengthsURL] : [])
        for file in files {
            AtomicFile.removeLeftovers(of: file)
        }
        if let there = files.first(where: { FileManager.default.fileExists(atPath: $0.path) }) {
            throw FeatureError.occupied(
                path: there.path,
                advice: options.resumes
                    ? "a single file is written at the end and cannot be continued: remove it, or write a folder"
                    : "remove it, or name another file")
        }
    }

    // MARK: Names

    private var manifestURL: URL {
        isFolder
            ? output.appendingPathComponent(Self.manifestName)
            : output.deletingPathExtension().appendingPathExtension("jsonl")
    }

    private var lengthsURL: URL { output.deletingPathExtension().appendingPathExtension("len") }

    /// Returns the path of a recording's file in the folder: its identifier with another extension, never outside the
    /// folder.
    private func fileName(_ source: FeatureSource) -> String {
        let parts = source.identifier.utf8.split(separator: 0x2F).map { String(Substring($0)) }
            .filter { ![".", ".."].contains($0) }
        let path = parts.isEmpty ? "recording" : parts.joined(separator: "/")
        // In "a.flac@1.5", a part of a recording, the text after the last dot is not an extension.
        let isAudio = ManifestBuilder.defaultExtensions.contains((path as NSString).pathExtension.lowercased())
        return (isAudio ? (path as NSString).deletingPathExtension : path) + "." + format.rawValue
    }

    private func requireDistinctNames() throws {
        var seen: [ExactText: FeatureSource] = [:]
        for source in sources {
            let name = isFolder ? fileName(source) : source.identifier
            if let other = seen.updateValue(source, forKey: ExactText(name)) {
                throw FeatureError.sameName(first: other.audio, second: source.audio, name: "\(output.path): \(name)")
            }
        }
    }

    private func requireOneArray() throws {
        guard isFolder || request.layers.count == 1 else { throw FeatureError.oneLayerOnly(file: output.path) }
        for (layer, stage) in zip(request.layers, stages) {
            let differs = stage.dimension != stages[0].dimension || (rate(stage) != rate(stages[0]) && !isPooled)
            guard !differs else {
                throw FeatureError.unequalLayers(
                    request.layers[0], layer,
                    advice: stage.dimension == stages[0].dimension
                        ? "\(.bringToOneRate), or \(.writeSafetensors)"
                        : "\(.writeSafetensors)")
            }
        }
    }

    private var isPooled: Bool { request.pooling != .none }

    private func rate(_ stage: LayerStage) -> Double {
        request.upsamples ? frameRate : frameRate / Double(stage.factor)
    }

    // MARK: Folders

    /// Checks that the folder holds nothing else.
    private func checkFolder() throws {
        AtomicFile.removeLeftovers(in: output)
        let content = (try? FileManager.default.contentsOfDirectory(atPath: output.path)) ?? []
        if content.isEmpty { return }
        guard let data = try? Data(contentsOf: output.appendingPathComponent(Self.settingsName)),
            let begun = try? JSONDecoder().decode(FeatureSettings.self, from: data)
        else {
            throw FeatureError.occupied(
                path: output.path, advice: "it holds something other than features: name another folder")
        }
        guard options.resumes else {
            throw FeatureError.occupied(
                path: output.path, advice: "\(.resume), remove it, or name another folder")
        }
        if let (key, own, other) = begun.difference(from: settings) {
            throw FeatureError.otherSettings(folder: output.path, key: key, begun: own, now: other)
        }
        isBegun = true
        let folders = Set(sources.map { output.appendingPathComponent(fileName($0)).deletingLastPathComponent() })
        for folder in folders { AtomicFile.removeLeftovers(in: folder) }
    }

    /// Creates the folder and writes its settings.
    private func beginFolder() throws {
        try FileManager.default.createDirectory(at: output, withIntermediateDirectories: true)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        let data = try encoder.encode(settings) + Data("\n".utf8)
        try AtomicFile.write(to: output.appendingPathComponent(Self.settingsName)) { try $0.append(data) }
        isBegun = true
    }

    /// Whether a recording's features exist from an interrupted run; if so, they are added to the manifest.
    ///
    /// - Parameter index: The recording's index.
    /// - Returns: True if the recording needs no further work.
    /// - Throws: ``FeatureError/damaged(file:reason:)`` or `SafetensorsError` when its file has been damaged or
    ///   changed.
    public func isWritten(_ index: Int) throws -> Bool {
        guard isFolder, options.resumes else { return false }
        let file = output.appendingPathComponent(fileName(sources[index]))
        guard FileManager.default.fileExists(atPath: file.path) else { return false }
        let shapes: [[Int]]
        switch format {
        case .npy:
            let shape = try NumPyFile.shape(file).shape
            shapes = stages.count == 1 ? [shape] : stages.map { _ in Array(shape.dropFirst()) }
        case .safetensors:
            let tensors = try SafetensorsFile(file)
            shapes = try request.layers.map { try tensors.requiredEntry($0.description).shape }
        }
        guard shapes.allSatisfy({ $0.count == (isPooled ? 1 : 2) }) else {
            throw FeatureError.damaged(file: file.path, reason: "it has another shape; remove it")
        }
        note(index, shapes: shapes)
        return true
    }

    private func note(_ index: Int, shapes: [[Int]], offset: Int? = nil) {
        let source = sources[index]
        entries[index] = zip(zip(request.layers, stages), shapes).enumerated().map { place, pair in
            let ((layer, stage), shape) = pair
            return FeatureEntry(
                id: source.identifier, audio: source.audio,
                path: isFolder ? fileName(source) : output.lastPathComponent, layer: layer.description,
                frames: shape.count == 1 ? 1 : shape[0], dimension: shape[shape.count - 1], rate: rate(stage),
                pool: request.pooling, tensor: format == .safetensors ? tensorName(source, layer) : nil,
                offset: format == .npy ? offset : nil,
                index: format == .npy && stages.count > 1 ? place : nil)
        }
    }

    private func tensorName(_ source: FeatureSource, _ layer: FeatureLayer) -> String {
        if isFolder { return layer.description }
        return request.layers.count == 1 ? source.identifier : "\(source.identifier)/\(layer)"
    }

    // MARK: Writing

    /// Writes a recording's features; into a single file, in the order of the calls.
    ///
    /// - Parameters:
    ///   - features: The requested layers, in order.
    ///   - index: The recording's index.
    /// - Throws: `FileWriteError` when the disk is full or the system fails.
    public func write(_ features: [LayerFeatures], of index: Int) throws {
        let source = sources[index]
        let tensors = try features.map { try $0.values.to(dtype: options.element.dtype) }
        guard try options.element == .float32 || tensors.allSatisfy({ try $0.isFinite() }) else {
            throw FeatureError.overflow(recording: "\(source.audio)", element: options.element.rawValue)
        }
        guard let spool else {
            if !isBegun { try beginFolder() }
            let file = output.appendingPathComponent(fileName(source))
            try FileManager.default.createDirectory(
                at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            switch format {
            case .npy:
                let array = tensors.count == 1 ? tensors[0] : try .stack(tensors)
                try NumPyFile.write(array, as: options.element, to: file)
            case .safetensors:
                try TensorFile.write(
                    Dictionary(uniqueKeysWithValues: zip(features.map(\.layer.description), tensors)), to: file)
            }
            return note(index, shapes: tensors.map(\.shape))
        }
        for (feature, tensor) in zip(features, tensors) {
            let start = spool.count
            try tensor.contiguous().withUnsafeMutableBytes { try spool.append(UnsafeRawBufferPointer($0)) }
            pieces.append((tensorName(source, feature.layer), tensor.shape, start..<spool.count))
        }
        note(index, shapes: tensors.map(\.shape), offset: rows)
        rows += features[0].frames
    }

    /// Completes the output: gives a single file its name and writes the manifest, or writes nothing without features.
    ///
    /// - Returns: The number of recordings written.
    /// - Throws: `FileWriteError` when the disk is full or the system fails.
    @discardableResult
    public func finish() throws -> Int {
        guard !entries.isEmpty else { return 0 }
        if let spool { try finish(spool) }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        try AtomicFile.write(to: manifestURL) { file in
            for index in sources.indices {
                for entry in entries[index] ?? [] {
                    try file.append(encoder.encode(entry))
                    try file.append(Data("\n".utf8))
                }
            }
        }
        return entries.count
    }

    private func finish(_ spool: Spool) throws {
        switch format {
        case .safetensors:
            let type: SafetensorsType = options.element == .float32 ? .float32 : .float16
            try SafetensorsWriter.write(
                pieces.map { piece in
                    SafetensorsTensor(name: piece.name, type: type, shape: piece.shape) { write in
                        try spool.copy(piece.range, to: write)
                    }
                }, to: output)
        case .npy:
            if !isPooled {
                let lines = pieces.map { "\($0.shape[0])\n" }.joined()
                try AtomicFile.write(to: lengthsURL) { try $0.append(Data(lines.utf8)) }
            }
            let dimension = stages[0].dimension * (request.pooling == .meanStd ? 2 : 1)
            try AtomicFile.write(to: output) { file in
                try file.append(NumPyFile.header(shape: [rows, dimension], options.element))
                try spool.copy(0..<spool.count) { try file.append($0) }
            }
        }
    }
}
