import Foundation
import TestSupport
import Testing
import W2VInference
import W2VTorch

@testable import W2VFeatures

@Suite(.onTestThreads) struct FeatureWriterTests {
    /// A featurizer, three recordings and their features of layers 1 and 2.
    private struct Setting {
        let featurizer: Featurizer
        let sources: [FeatureSource]
        let features: [[LayerFeatures]]
        let folder: URL

        init(_ folder: URL, pooling: Pooling = .none) async throws {
            self.folder = folder
            featurizer = try await Featurizer(checkpoint: SmallModels.checkpoint(in: folder))
            sources = ["a/one.flac", "two.wav", "a/one.flac@1.5"].map {
                FeatureSource(identifier: $0, audio: "/audio/" + $0)
            }
            let recordings = [4_000, 6_000, 5_000].map { Recording(samples: tonesInNoise($0, seed: 1)) }
            let request = FeatureRequest([.transformer(1), .transformer(2)], pooling: pooling)
            features = try await featurizer.features(recordings, request).map { try $0.get() }
        }

        func writer(_ name: String, _ request: FeatureRequest, _ set: (inout FeatureWriter.Options) -> Void = { _ in })
            throws -> FeatureWriter
        {
            var options = FeatureWriter.Options()
            set(&options)
            return try FeatureWriter(
                folder.appendingPathComponent(name), sources: sources, request, of: featurizer, options: options)
        }

        func entries(_ name: String) throws -> [FeatureEntry] {
            try String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8).split(separator: "\n").map {
                try JSONDecoder().decode(FeatureEntry.self, from: Data($0.utf8))
            }
        }
    }

    private let both = FeatureRequest([.transformer(1), .transformer(2)])
    private let one = FeatureRequest([.transformer(2)])

    @Test func arraysAreNumPys() throws {
        try withTemporaryFolder { folder in
            // The bytes of numpy.save for numpy.array([[1, 2], [3, 4.5]], dtype="<f4").
            let file = folder.appendingPathComponent("x.npy")
            try NumPyFile.write(Tensor([Float(1), 2, 3, 4.5], shape: [2, 2]), to: file)
            let data = try Data(contentsOf: file)
            #expect(data.prefix(10) == Data([0x93]) + Data("NUMPY".utf8) + Data([1, 0, 118, 0]))
            let header = String(decoding: data[10..<128], as: UTF8.self)
            #expect(header.hasPrefix("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }   "))
            #expect(header.hasSuffix(" \n") && data.count == 128 + 16)
            #expect(Array(data[128..<136]) == [0, 0, 0x80, 0x3F, 0, 0, 0, 0x40])
            #expect(try relativeError(NumPyFile.read(file), Tensor([Float(1), 2, 3, 4.5], shape: [2, 2])) == 0)
            try NumPyFile.write(Tensor([Float(1), 0.5, -2]), as: .float16, to: file)
            #expect(String(decoding: try Data(contentsOf: file)[10..<128], as: UTF8.self).contains("'shape': (3,), "))
            #expect(try NumPyFile.read(file).to(dtype: .float32).elements(Float.self) == [1, 0.5, -2])
            for damaged in [data.prefix(9), data.prefix(60), data.prefix(140), data + [0], Data("no".utf8)] {
                try Data(damaged).write(to: file)
                #expect(throws: FeatureError.self) { try NumPyFile.read(file) }
            }
        }
    }

    @Test func foldersHaveAFileARecording() async throws {
        try await withTemporaryFolder { folder in
            let setting = try await Setting(folder)
            let writer = try setting.writer("out", both)
            // The order of writing differs from that of the manifest.
            for index in [2, 0, 1] { try writer.write(setting.features[index], of: index) }
            #expect(try writer.finish() == 3)
            let entries = try setting.entries("out/manifest.jsonl")
            #expect(entries.map(\.id) == setting.sources.flatMap { [$0.identifier, $0.identifier] })
            #expect(entries.map(\.path)[1...3] == ["a/one.npy", "two.npy", "two.npy"])
            #expect(entries[5].path == "a/one.flac@1.5.npy")
            #expect(entries[3].layer == "2" && entries[3].index == 1 && entries[3].frames == 18)
            #expect(entries[3].dimension == 32 && entries[3].rate == 50 && entries[3].audio == "/audio/two.wav")
            let array = try NumPyFile.read(folder.appendingPathComponent("out/two.npy"))
            #expect(array.shape == [2, 18, 32])
            #expect(try relativeError(array.selected(0, 1), setting.features[1][1].values) == 0)

            let tensors = try setting.writer("st", both) { $0.format = .safetensors }
            try tensors.write(setting.features[0], of: 0)
            try tensors.finish()
            let file = try TensorFile.read(folder.appendingPathComponent("st/a/one.safetensors"))
            #expect(try relativeError(#require(file["2"]), setting.features[0][1].values) == 0)
            #expect(try setting.entries("st/manifest.jsonl").map(\.tensor) == ["1", "2"])
        }
    }

    @Test func interruptedFoldersAreGoneOnWith() async throws {
        try await withTemporaryFolder { folder in
            let setting = try await Setting(folder)
            for format in FeatureWriter.Format.allCases {
                let name = "out-\(format)"
                let first = try setting.writer(name, both) { $0.format = format }
                try first.write(setting.features[1], of: 1)
                #expect(try !first.isWritten(1))
                #expect(throws: FeatureError.self) { try setting.writer(name, both) { $0.format = format } }
                let second = try setting.writer(name, both) { ($0.format, $0.resumes) = (format, true) }
                #expect(try [0, 1, 2].map(second.isWritten) == [false, true, false])
                for index in [0, 2] { try second.write(setting.features[index], of: index) }
                #expect(try second.finish() == 3)
                let resumed = try setting.entries(name + "/manifest.jsonl")
                let whole = try setting.writer(name + "-whole", both) { $0.format = format }
                for index in 0..<3 { try whole.write(setting.features[index], of: index) }
                try whole.finish()
                #expect(try setting.entries(name + "-whole/manifest.jsonl") == resumed)
                #expect(
                    throws: FeatureError.otherSettings(
                        folder: folder.appendingPathComponent(name).path, key: "the layers", begun: "1,2", now: "2")
                ) { try setting.writer(name, one) { ($0.format, $0.resumes) = (format, true) } }
            }
            // A kill before the settings were written, or between files, leaves temporary files behind.
            let begun = folder.appendingPathComponent("begun")
            let partial = { (name: String) in begun.appendingPathComponent(".\(name).\(UUID().uuidString).partial") }
            try FileManager.default.createDirectory(at: begun, withIntermediateDirectories: true)
            try Data().write(to: partial("features.json"))
            for resumes in [true, false] {
                let writer = try setting.writer("begun", both) { $0.resumes = resumes }
                if resumes { continue }
                try writer.write(setting.features[0], of: 0)
            }
            try Data("half".utf8).write(to: partial("two.npy"))
            let deep = begun.appendingPathComponent("a/.one.npy.\(UUID().uuidString).partial")
            try Data("half".utf8).write(to: deep)
            let rest = try setting.writer("begun", both) { $0.resumes = true }
            #expect(try [0, 1, 2].map(rest.isWritten) == [true, false, false])
            #expect(
                try FileManager.default.contentsOfDirectory(atPath: begun.path).allSatisfy { !$0.hasSuffix(".partial") }
            )
            #expect(!FileManager.default.fileExists(atPath: deep.path))
            // A folder of another program is not touched.
            let other = folder.appendingPathComponent("other")
            try FileManager.default.createDirectory(at: other, withIntermediateDirectories: true)
            try Data("x".utf8).write(to: other.appendingPathComponent("features.json"))
            for resumes in [false, true] {
                #expect(throws: FeatureError.self) { try setting.writer("other", one) { $0.resumes = resumes } }
            }
        }
    }

    @Test func oneFileHoldsAllRecordings() async throws {
        try await withTemporaryFolder { folder in
            let setting = try await Setting(folder)
            let layer = setting.features.map { [$0[1]] }
            let writer = try setting.writer("x.npy", one)
            for index in [0, 2] { try writer.write(layer[index], of: index) }
            #expect(!FileManager.default.fileExists(atPath: folder.path + "/x.npy"))
            try writer.finish()
            let array = try NumPyFile.read(folder.appendingPathComponent("x.npy"))
            #expect(array.shape == [12 + 15, 32])
            #expect(try relativeError(array.rows(12..<27), layer[2][0].values) == 0)
            let lengths = try String(contentsOf: folder.appendingPathComponent("x.len"), encoding: .utf8)
            #expect(lengths == "12\n15\n")
            #expect(try setting.entries("x.jsonl").map(\.offset) == [0, 12])
            #expect(throws: FeatureError.self) { try setting.writer("x.npy", one) }
            #expect(throws: FeatureError.oneLayerOnly(file: folder.path + "/y.npy")) {
                try setting.writer("y.npy", both)
            }

            let tensors = try setting.writer("x2.safetensors", both) { $0.element = .float16 }
            for index in 0..<3 { try tensors.write(setting.features[index], of: index) }
            try tensors.finish()
            let file = try TensorFile.read(folder.appendingPathComponent("x2.safetensors"))
            let names = try setting.entries("x2.jsonl").compactMap(\.tensor)
            #expect(Set(names) == Set(file.keys) && names[2] == "two.wav/1")
            let found = try #require(file["two.wav/1"])
            #expect(found.dtype == .float16)
            #expect(try relativeError(found.to(dtype: .float32), setting.features[1][0].values) < 1e-3)
        }
    }

    @Test func pooledRecordingsAreRows() async throws {
        try await withTemporaryFolder { folder in
            let setting = try await Setting(folder, pooling: .meanStd)
            let writer = try setting.writer("v.npy", FeatureRequest([.transformer(2)], pooling: .meanStd))
            for index in 0..<3 { try writer.write([setting.features[index][1]], of: index) }
            try writer.finish()
            let array = try NumPyFile.read(folder.appendingPathComponent("v.npy"))
            #expect(array.shape == [3, 64])
            #expect(try relativeError(array.selected(0, 1), setting.features[1][1].values) == 0)
            #expect(!FileManager.default.fileExists(atPath: folder.path + "/v.len"))
            #expect(try setting.entries("v.jsonl").map(\.frames) == [1, 1, 1])
        }
    }

    @Test func whatDoesNotFitIsRefused() async throws {
        try await withTemporaryFolder { folder in
            let setting = try await Setting(folder)
            #expect(throws: FeatureError.self) {
                try setting.writer("out", FeatureRequest([.extractor, .transformer(1)]))
            }
            #expect(!FileManager.default.fileExists(atPath: folder.path + "/out"))
            let twins = ["a.wav", "a.flac"].map { FeatureSource(identifier: $0, audio: $0) }
            #expect {
                try FeatureWriter(folder.appendingPathComponent("out"), sources: twins, one, of: setting.featurizer)
            } throws: {
                if case FeatureError.sameName(first: "a.wav", second: "a.flac", _) = $0 { true } else { false }
            }
            // Names never lead out of the folder.
            let outside = [FeatureSource(identifier: "/../../x.wav", audio: "x.wav")]
            let writer = try FeatureWriter(
                folder.appendingPathComponent("in"), sources: outside, one, of: setting.featurizer)
            try writer.write([setting.features[0][1]], of: 0)
            #expect(FileManager.default.fileExists(atPath: folder.path + "/in/x.npy"))
        }
    }
}
