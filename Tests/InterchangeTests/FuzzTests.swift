import Foundation
import TestSupport
import Testing
import W2VBase
import W2VCorpus
import W2VTorch

@testable import W2VBackbone
@testable import W2VInterchange
@testable import W2VObjectives

/// Twenty thousand damaged files: each gives a clear error or a checkpoint, at once, and in little memory.
@Suite(.onTestThreads) struct FuzzTests {
    /// Sizes and offsets at the limits of their types.
    private static let limits: [UInt64] = [.max, 1 << 63, 1 << 62, 1 << 40, 0xFFFF_FFFF, 0x7FFF_FFFF, 0]
    /// Content of other files of the kind, at another place: digits, brackets, opcodes.
    private static let words = [
        "9999999999999999999", "-1", "1e999", "[[[[", "null", "{}", "\"", "..", "((((", "}}}}", "R.", "Q",
    ].map { Array($0.utf8) }

    /// Changes, repeats, removes or inserts bytes in one to four places.
    static func mutated(_ original: [UInt8], _ choices: inout Choices) -> [UInt8] {
        var data = original
        for _ in 0..<Int.random(in: 1...4, using: &choices) {
            guard !data.isEmpty else { break }
            let place = Int.random(in: 0..<data.count, using: &choices)
            switch Int.random(in: 0..<8, using: &choices) {
            case 0: data[place] ^= 1 << UInt8.random(in: 0..<8, using: &choices)
            case 1: data[place] = .random(in: 0...255, using: &choices)
            case 2: data[place] = [0, 1, 0x7F, 0x80, 0xFF].randomElement(using: &choices) ?? 0
            case 3: data.removeSubrange(place...)
            case 4:
                let number = limits[Int.random(in: 0..<limits.count, using: &choices)]
                let width = min([2, 4, 8].randomElement(using: &choices) ?? 8, data.count - place)
                let bytes = withUnsafeBytes(of: number.littleEndian) { Array($0.prefix(width)) }
                data.replaceSubrange(place..<place + width, with: bytes)
            case 5: data.removeSubrange(place..<min(data.count, place + Int.random(in: 1...32, using: &choices)))
            case 6:
                let copy = data[place..<min(data.count, place + Int.random(in: 1...64, using: &choices))]
                data.insert(contentsOf: copy, at: Int.random(in: 0...data.count, using: &choices))
            default: data.insert(contentsOf: words[Int.random(in: 0..<words.count, using: &choices)], at: place)
            }
        }
        return data
    }

    /// One small file, its mutations, and its reader.
    struct Target {
        var name: String
        var original: Data
        var read: (Data) throws -> Void
    }

    /// Runs mutations until the count is reached, and checks each against the limits.
    private func fuzz(_ target: Target, count: Int, seed: UInt64) throws {
        var choices = Choices(seed: seed)
        let original = Array(target.original)
        var (read, refused) = (0, 0)
        for index in 0..<count {
            let data = Data(Self.mutated(original, &choices))
            let before = usage()
            do {
                try target.read(data)
                read += 1
            } catch {
                refused += 1
                if !isClear(error) || "\(error)".count < 10 {
                    Issue.record("\(target.name), mutation \(index): \(type(of: error)): \(error)")
                }
            }
            let after = usage()
            let seconds = after.seconds - before.seconds
            if seconds > 1 { Issue.record("\(target.name), mutation \(index) takes \(seconds) s") }
            let touched = after.bytes - before.bytes
            let allowed = (8 << 20) + 512 * data.count
            if touched > allowed {
                Issue.record(
                    "\(target.name), mutation \(index) of \(data.count) bytes takes \(touched) bytes of memory")
            }
        }
        #expect(read + refused == count && refused > 0, "\(target.name) is never refused")
    }

    /// Errors that name the file and the damage.
    private func isClear(_ error: any Error) -> Bool {
        error is CheckpointError || error is SafetensorsError || error is ConfigurationError || error is TorchError
            || error is CorpusError
    }

    /// Returns the processor time of this thread so far, and the new memory that it has touched: other tests run beside
    /// it in the same process.
    private func usage() -> (seconds: Double, bytes: Int) {
        var usage = rusage()
        // RUSAGE_THREAD
        getrusage(__rusage_who_t(1), &usage)
        let time = [usage.ru_utime, usage.ru_stime].map { Double($0.tv_sec) + Double($0.tv_usec) / 1e6 }
        return (time[0] + time[1], (usage.ru_minflt + usage.ru_majflt) * 4096)
    }

    private func body(_ folder: URL) throws -> (description: ModelDescription, state: [String: Tensor]) {
        let model = SmallModel(task: .ctc)
        var description = try model.description()
        description.model.convFeatureLayers = try ConvolutionLayers(parsing: "[(4,10,5)]+[(4,3,2)]")
        description.model.encoderLayers = 1
        (description.model.encoderEmbedDim, description.model.encoderFfnEmbedDim) = (8, 8)
        (description.model.encoderAttentionHeads, description.model.convPos) = (2, 4)
        let module = try CTCModel(description.model, labels: description.labels.count, initializer: .random(seed: 5))
        return (description, try FusedParameters.split(module.state()))
    }

    @Test(arguments: [
        ("model.safetensors", CheckpointFormat.native, 2500), ("config.json", .native, 2000),
        ("model.safetensors", .huggingFace, 1000), ("config.json", .huggingFace, 2000),
        ("vocab.json", .huggingFace, 1000), ("model.pt", .fairseq, 3000), ("model.pt", .nvidia, 3000),
    ])
    func damagedCheckpoints(_ name: String, _ format: CheckpointFormat, _ count: Int) throws {
        try withTemporaryFolder { folder in
            let (description, state) = try body(folder)
            let file = folder.appendingPathComponent(name)
            try Checkpoint.write(description, state: state, to: format.isFolder ? folder : file, format: format)
            let original = try Data(contentsOf: file)
            _ = try Checkpoint.read(format.isFolder ? folder : file)
            let target = Target(name: "\(format.rawValue) \(name)", original: original) { data in
                // A new file each time: the one before may still be mapped.
                try? FileManager.default.removeItem(at: file)
                try data.write(to: file)
                let checkpoint = try Checkpoint.read(format.isFolder ? folder : file)
                if checkpoint.description.task == .ctc { _ = try checkpoint.ctcModel() }
            }
            try fuzz(target, count: count, seed: UInt64(count) &+ UInt64(name.utf8.count))
        }
    }

    /// Damages only the pickle and corrects its checksum, so that every opcode is reached.
    @Test(arguments: ["fairseq", "nvidia"]) func damagedPickles(_ format: String) throws {
        try withTemporaryFolder { folder in
            let (description, state) = try body(folder)
            let file = folder.appendingPathComponent("model.pt")
            let kind = try #require(CheckpointFormat(rawValue: format))
            try Checkpoint.write(description, state: state, to: file, format: kind)
            let whole = try Data(contentsOf: file)
            let entries = try whole.withUnsafeBytes { try ZipArchive($0) }.entries
            let pickle = Data(whole[try #require(entries["archive/data.pkl"])])
            let target = Target(name: "\(format)'s pickle", original: pickle) { data in
                try? FileManager.default.removeItem(at: file)
                try AtomicFile.write(to: file) { output in
                    var zip = ZipWriter()
                    try zip.add("archive/data.pkl", data, output)
                    for (name, range) in entries where name != "archive/data.pkl" {
                        try zip.add(name, Data(whole[range]), output)
                    }
                    try zip.finish(output)
                }
                _ = try Checkpoint.read(file)
            }
            try fuzz(target, count: 1500, seed: 11)
        }
    }

    /// The old container, and pickles of all protocols with everything that PyTorch saves.
    @Test(arguments: ["legacy", "protocol2", "protocol4", "protocol0"]) func damagedFilesOfPyTorch(_ name: String)
        throws
    {
        try withTemporaryFolder { folder in
            let original = try Data(contentsOf: PyTorchFileTests.folder.appendingPathComponent(name + ".pt"))
            let file = folder.appendingPathComponent("model.pt")
            let target = Target(name: name, original: original) { data in
                try? FileManager.default.removeItem(at: file)
                try data.write(to: file)
                let read = try PyTorchFile(file)
                for key in ["dtypes", "views"] {
                    if let state = read.root[key] { _ = try read.tensors(state, key) }
                }
                _ = read.root.settingText
            }
            try fuzz(target, count: 500, seed: 13)
        }
    }

    @Test func damagedDictionaries() throws {
        try withTemporaryFolder { folder in
            let file = folder.appendingPathComponent("dict.ltr.txt")
            let original = Data("| 1000\nE 999\nT 998\nÄ 10 #fairseq:overwrite\n' 7\n".utf8)
            let target = Target(name: "dictionary", original: original) { data in
                try data.write(to: file)
                _ = try LabelDictionary(contentsOf: file)
            }
            try fuzz(target, count: 500, seed: 17)
        }
    }
}
