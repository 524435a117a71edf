import Foundation
import Synchronization
import W2VAudio
import W2VBase

/// Converts a manifest's recordings to another format, sampling rate and speed.
///
/// Complete files from an earlier run are kept, so an interrupted conversion continues where it stopped.
public struct CorpusConverter: Sendable {
    /// The format of the new recordings.
    public var format: AudioFileFormat
    /// The sampling rate of the new recordings, in Hz.
    public var sampleRate: Int
    /// The speeds at which each recording is written; 1 leaves it unchanged.
    public var speeds: [Double]
    /// Number of converting threads.
    public var threads: Int

    /// Makes a converter.
    public init(
        format: AudioFileFormat = .flac, sampleRate: Int = AudioFile.modelSampleRate, speeds: [Double] = [1],
        threads: Int = 2
    ) {
        self.format = format
        self.sampleRate = sampleRate
        self.speeds = speeds
        self.threads = threads
    }

    /// The result of a conversion.
    public struct Report: Sendable {
        /// The new recordings, speed by speed in the original order, without those that failed.
        public var manifest: Manifest?
        /// For each new recording, the index of its original utterance.
        public var utterances: [Int] = []
        /// Number of files written.
        public var converted = 0
        /// Number of files kept from an earlier run.
        public var kept = 0
        /// The recordings that could not be converted, with the reasons.
        public var failures: [(utterance: String, reason: String)] = []
        /// Whether `stop` ended the conversion early; then there is no manifest.
        public var isStopped = false
    }

    private struct Target {
        var utterance: Int
        var speed: Double
        var path: String
    }

    /// Converts a manifest's recordings.
    ///
    /// - Parameters:
    ///   - manifest: The recordings, or segments of them.
    ///   - folder: The folder for the new recordings, with the same subfolders; created if needed.
    ///   - stop: Polled between files and while one is decoded; if it returns `true`, no further file is started.
    ///   - progress: Called now and then, on any thread, with the number of files done and the total.
    /// - Throws: `CorpusError` if an option is impossible, two recordings would get the same name, a source recording
    ///   would be overwritten, or the folder holds recordings that were converted differently; `CorpusError.unwritable`
    ///   or `AudioError.unwritable` if a file cannot be written; `AudioError.failed` if this machine cannot decode a
    ///   recording.
    public func convert(
        _ manifest: Manifest, to folder: URL, stop: @escaping @Sendable () -> Bool = { false },
        progress: @Sendable (Int, Int) -> Void = { _, _ in }
    ) throws -> Report {
        try validate()
        let targets = try targets(manifest)
        try protectRecordings(manifest, from: targets, in: folder)
        try claim(folder)
        let done = Atomic<Int>(0)
        let unwritable = Mutex<(any Error)?>(nil)
        let results = ParallelMap.map(
            count: targets.count, threads: threads, block: 1,
            stop: { stop() || unwritable.withLock { $0 != nil } }
        ) { index in
            defer { progress(done.add(1, ordering: .relaxed).newValue, targets.count) }
            do {
                return try convert(targets[index], of: manifest, to: folder, DecodingLimits(isCancelled: stop))
            } catch let error where Self.isAboutTheDisk(error) {
                unwritable.withLock { $0 = $0 ?? error }
                throw error
            }
        }
        if let error = unwritable.withLock({ $0 }) { throw error }
        if results.count == targets.count { removeLeftovers(targets, in: folder) }
        var report = Report()
        report.isStopped = results.count < targets.count
        var finished: [(target: Target, count: Int)] = []
        for (target, result) in zip(targets, results) {
            switch result {
            case .success(let (count, isNew)):
                if isNew { report.converted += 1 } else { report.kept += 1 }
                finished.append((target, count))
            case .failure(AudioError.cancelled): report.isStopped = true
            case .failure(let error): report.failures.append((manifest.identifier(target.utterance), "\(error)"))
            }
        }
        if !report.isStopped && !finished.isEmpty {
            report.utterances = finished.map(\.target.utterance)
            report.manifest = Manifest(
                name: folder.path, sources: [.init(name: folder.path, format: .fairseq, root: folder)],
                sampleCounts: finished.map(\.count), paths: PackedStrings(finished.lazy.map(\.target.path)),
                speakers: manifest.speakers?.selecting(report.utterances))
            report.manifest?.tags = manifest.tags?.selecting(report.utterances)
        }
        return report
    }

    private func validate() throws {
        guard sampleRate > 0 else {
            throw CorpusError.badOption(
                name: "sampling rate", reason: "expected a positive number, found \(sampleRate)")
        }
        guard !speeds.isEmpty, speeds.allSatisfy({ (0.1...10).contains($0) }), Set(speeds).count == speeds.count else {
            throw CorpusError.badOption(
                name: "speeds", reason: "expected different numbers from 0.1 to 10, found \(speeds)")
        }
        if let reason = AudioFile.refusal(of: format, sampleRate: sampleRate) {
            throw CorpusError.badOption(
                name: "encoding", reason: "\(format.rawValue) at \(sampleRate) Hz cannot be written (\(reason))")
        }
        guard threads > 0 else {
            throw CorpusError.badOption(name: "threads", reason: "expected at least 1, found \(threads)")
        }
    }

    /// Whether an error would affect the other recordings too.
    private static func isAboutTheDisk(_ error: any Error) -> Bool {
        switch error {
        case AudioError.cancelled: false
        case let error as AudioError: error.kind == .failure
        case CorpusError.unwritable: true
        default: false
        }
    }

    /// Removes partial files that killed conversions left behind.
    private func removeLeftovers(_ targets: [Target], in folder: URL) {
        let places = Dictionary(grouping: targets.map { $0.path as NSString }, by: \.deletingLastPathComponent)
        for (place, paths) in places {
            let own = Set(paths.map(\.lastPathComponent))
            Leftovers.remove(in: folder.appendingPathComponent(place)) { name in
                AtomicFile.writtenName(ofTemporary: name).map { own.contains(String($0)) } ?? false
            }
        }
    }

    // MARK: - Names

    private func targets(_ manifest: Manifest) throws -> [Target] {
        var targets: [Target] = []
        targets.reserveCapacity(manifest.count * speeds.count)
        var owners: [ExactText: Int] = [:]
        for speed in speeds {
            for index in 0..<manifest.count {
                let path = path(manifest, index, speed: speed)
                if let other = owners.updateValue(index, forKey: ExactText(path)) {
                    throw CorpusError.sameName(
                        first: manifest.audio(other).path, second: manifest.audio(index).path, name: path)
                }
                targets.append(Target(utterance: index, speed: speed, path: path))
            }
        }
        return targets
    }

    /// Returns the path of a new recording: subfolders as in the manifest; for absolute paths and paths that lead
    /// upward, everything below the top.
    private func path(_ manifest: Manifest, _ index: Int, speed: Double) -> String {
        let parts = manifest.path(index).utf8.split(separator: 0x2F).map { Substring($0) }
            .filter { $0 != "." && $0 != ".." }
        var name = (parts.joined(separator: "/") as NSString).deletingPathExtension
        if let offset = manifest.offset(index) { name += "-\(offset)-\(manifest.sampleCounts[index])" }
        if speed != 1 { name += "-sp\(speed)" }
        return name + "." + format.pathExtension
    }

    /// Refuses to overwrite source recordings, under any of their names.
    private func protectRecordings(_ manifest: Manifest, from targets: [Target], in folder: URL) throws {
        var owners: [FileIdentity: Int] = [:]
        for target in targets {
            // A file that does not exist yet cannot be a source.
            guard let identity = FileIdentity(folder.path + "/" + target.path) else { continue }
            if owners.isEmpty {
                for index in 0..<manifest.count {
                    if let own = FileIdentity(manifest.audio(index).path) { owners[own] = index }
                }
            }
            guard let owner = owners[identity] else { continue }
            let place = manifest.place(of: owner)
            throw CorpusError.overwritesRecording(
                recording: manifest.audio(owner).path, manifest: place.file, line: place.line)
        }
    }

    /// Records in the folder how its recordings are made, so that others are not mistaken for them later.
    private func claim(_ folder: URL) throws {
        let settings = "format \(format.rawValue), \(sampleRate) Hz"
        let note = folder.appendingPathComponent("conversion.txt")
        if FileManager.default.fileExists(atPath: note.path) {
            let found = try Lines.read(note).first ?? ""
            guard found == settings else {
                throw CorpusError.badOption(
                    name: folder.path, reason: "expected a folder for \(settings), found one for \(found)")
            }
            return
        }
        do {
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        } catch {
            throw CorpusError.unwritable(file: folder.path, reason: SystemReason.of(error))
        }
        try Lines.write([settings], to: note)
    }

    // MARK: - One file

    /// Decoders and resamplers overshoot full scale by less than this; floating-point samples beyond it have another
    /// scale, or are wrong.
    private static let loudest: Float = 2

    private func convert(
        _ target: Target, of manifest: Manifest, to folder: URL, _ limits: DecodingLimits
    ) throws -> (count: Int, isNew: Bool) {
        let utterance = manifest[target.utterance]
        let file = URL(fileURLWithPath: folder.path + "/" + target.path)
        let expected = Double(utterance.sampleCount) / target.speed
        if let count = wholeCount(file, source: utterance.audio, expected: expected) { return (count, false) }
        let scale = Double(sampleRate) / Double(AudioFile.modelSampleRate)
        let range = utterance.offset.map { offset in
            Int((Double(offset) * scale).rounded())..<Int((Double(offset + utterance.sampleCount) * scale).rounded())
        }
        let samples = try AudioFile.read(utterance.audio, sampleRate: sampleRate, frames: range, limits: limits)
        let found = Int((Double(samples.count) / scale).rounded())
        guard abs(found - utterance.sampleCount) <= manifest.lengthTolerance(of: target.utterance) else {
            throw manifest.lengthMismatch(of: target.utterance, found: found)
        }
        let peak = samples.reduce(0) { max($0, abs($1)) }
        guard format == .wavFloat || peak <= Self.loudest else {
            throw AudioError.tooLoud(file: utterance.audio.path, peak: peak, format: format.rawValue)
        }
        do {
            try FileManager.default.createDirectory(
                at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        } catch {
            throw CorpusError.unwritable(file: file.path, reason: SystemReason.of(error))
        }
        let changed = try Resampler.changingSpeed(samples, by: target.speed, name: utterance.audio.path)
        try AudioFile.write(changed, sampleRate: sampleRate, to: file, format: format)
        // A lossy codec may change the length: the manifest gives the length that is read back.
        return (try AudioFile.info(file).sampleCount(at: AudioFile.modelSampleRate), true)
    }

    /// Returns the number of samples at 16 kHz of a file that was converted earlier; nil unless it decodes to its end,
    /// is newer than its source, and has the expected length.
    private func wholeCount(_ file: URL, source: URL, expected: Double) -> Int? {
        var made = stat()
        var origin = stat()
        guard stat(file.path, &made) == 0, stat(source.path, &origin) == 0,
            (made.st_mtim.tv_sec, made.st_mtim.tv_nsec) >= (origin.st_mtim.tv_sec, origin.st_mtim.tv_nsec),
            let info = try? AudioFile.info(file), info.sampleRate == sampleRate || format == .opus,
            let samples = try? AudioFile.read(file, sampleRate: info.sampleRate), samples.count == info.frames
        else { return nil }
        let count = info.sampleCount(at: AudioFile.modelSampleRate)
        return abs(Double(count) - expected) <= Double(AudioFile.modelSampleRate) / 10 ? count : nil
    }
}
