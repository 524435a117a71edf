import Foundation
import TestSupport
import Testing
import W2VBackbone
import W2VInterchange
import W2VObjectives
import W2VTorch

/// `features` and `units` as scripts use them.
@Suite(.onTestThreads) struct FeaturesCommandTests {
    /// The fixture's recordings and a pre-trained model of two layers.
    private static func pretrained(_ fixture: Fixture) throws -> String {
        try SmallModels.checkpoint(
            in: fixture.folder, named: "pretrained",
            .small(channels: 8, width: 16, inner: 32, heads: 2, positions: (8, 2)) {
                ($0.finalDim, $0.latentVars) = (8, 4)
            }, seed: 5, normalizes: false
        ).path
    }

    private func lines(_ text: String) -> [String] { text.split(separator: "\n").map(String.init) }

    @Test func layersAreWritten() throws {
        try withTemporaryFolder { folder in
            let fixture = try Fixture(folder)
            let model = try Self.pretrained(fixture)
            let output = folder.appendingPathComponent("out").path
            let command = ["features", "--checkpoint", model, "--manifest", fixture.manifest, "--layer", "0-2"]
            let first = try run(command + ["--output", output, "--format", "safetensors"])
            #expect(first.code == 0 && first.output == "", "\(first.errors)")
            #expect(first.errors.contains("features: 3 of 3 recordings, 2.3 s of audio"))
            let entries = try lines(String(contentsOfFile: output + "/manifest.jsonl", encoding: .utf8)).map {
                try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any] ?? [:]
            }
            #expect(entries.count == 9 && entries.map { $0["layer"] as? String }[..<3] == ["0", "1", "2"])
            #expect(entries[3]["path"] as? String == "1.safetensors" && entries[3]["frames"] as? Int == 49)
            #expect(try TensorFile.read(URL(fileURLWithPath: output + "/1.safetensors"))["2"]?.shape == [49, 16])

            let again = try run(command + ["--output", output, "--format", "safetensors"])
            #expect(again.code == 1 && again.errors.contains("continue with --resume"))
            try FileManager.default.removeItem(atPath: output + "/1.safetensors")
            let resumed = try run(command + ["--output", output, "--format", "safetensors", "--resume"])
            #expect(resumed.code == 0 && FileManager.default.fileExists(atPath: output + "/1.safetensors"))
            let other = try run(command + ["--output", output, "--format", "npy", "--resume"])
            #expect(other.code == 65 && other.errors.contains("was begun with --format safetensors"))

            // A fine-tuned model, files and folders, one file, pooled.
            let vectors = folder.appendingPathComponent("vectors.npy").path
            let pooled = try run(
                "features", "--checkpoint", fixture.checkpoint, fixture.audio, "--pool", "mean", "--precision", "bf16",
                "--output", vectors)
            #expect(pooled.code == 0, "\(pooled.errors)")
            #expect(try Data(contentsOf: URL(fileURLWithPath: vectors)).count == 128 + 3 * 16 * 4)
        }
    }

    @Test func unitsAreFoundAppliedAndMeasured() throws {
        try withTemporaryFolder { folder in
            let fixture = try Fixture(folder)
            let model = try Self.pretrained(fixture)
            let units = folder.appendingPathComponent("units.safetensors").path
            let source = ["--checkpoint", model, "--manifest", fixture.manifest]
            let train = ["units", "train"] + source + ["--layer", "2", "--clusters", "5"]
            let trained = try run(train + ["--output", units, "--json"])
            #expect(trained.code == 0, "\(trained.errors)")
            let report = try trained.json()
            #expect(report["frames"] as? Int == 27 + 49 + 38 && report["clusters"] as? Int == 5)
            #expect(report["dimension"] as? Int == 16 && (report["runs"] as? [Double])?.count == 3)
            let copy = folder.appendingPathComponent("copy.safetensors").path
            #expect(try run(train + ["--output", copy]).code == 0)
            #expect(try Data(contentsOf: URL(fileURLWithPath: copy)) == Data(contentsOf: URL(fileURLWithPath: units)))

            let (km, dictionary) = (folder.path + "/all.km", folder.path + "/dict.km.txt")
            let apply = ["units", "apply", "--units", units] + source
            let applied = try run(apply + ["--format", "km", "--output", km, "--dictionary", dictionary])
            #expect(applied.code == 0, "\(applied.errors)")
            let written = try lines(String(contentsOfFile: km, encoding: .utf8))
            #expect(written.map { $0.split(separator: " ").count } == [27, 49, 38])
            #expect(try String(contentsOfFile: dictionary, encoding: .utf8) == "0 1\n1 1\n2 1\n3 1\n4 1\n")
            let text = try lines(run(apply + ["--collapse"]).output)
            #expect(text.map { $0.split(separator: "\t")[0] } == ["0.wav", "1.wav", "2.wav"])
            for (line, whole) in zip(text, written) {
                var runs: [Substring] = []
                for unit in whole.split(separator: " ") where unit != runs.last { runs.append(unit) }
                #expect(line.split(separator: "\t")[1] == runs.joined(separator: " "))
            }

            // Phones that equal the units under another name are predicted without errors.
            let phones = written.map { line in line.split(separator: " ").map { "p\($0)" }.joined(separator: " ") }
            try fixture.write(phones.joined(separator: "\n") + "\n", to: "all.ph")
            let quality = ["units", "quality", "--manifest", fixture.manifest, "--phones", folder.path + "/all.ph"]
            let measured = try run(quality + [km, "--json"])
            #expect(measured.code == 0, "\(measured.errors)")
            let figures = try measured.json()
            #expect(figures["phone_purity"] as? Double == 1 && figures["cluster_purity"] as? Double == 1)
            #expect(abs((figures["pnmi"] as? Double ?? 0) - 1) < 1e-9)
            // The alignment ends at most one frame before the recording.
            #expect((figures["frames"] as? Int ?? 0) >= 27 + 49 + 38 - 3)
            try fixture.write(text.joined(separator: "\n") + "\n", to: "collapsed.txt")
            let collapsed = try run(quality + [folder.path + "/collapsed.txt"])
            #expect(collapsed.code == 65 && collapsed.errors.contains("not collapsed"), "\(collapsed.errors)")

            let codes = try run(["units", "codes"] + source + ["--groups", "separate"])
            let joined = try run(["units", "codes"] + source)
            #expect(codes.code == 0, "\(codes.errors)")
            for (separate, number) in zip(lines(codes.output), lines(joined.output)) {
                let pairs = separate.split(separator: "\t")[1].split(separator: " ").map { pair in
                    pair.split(separator: "-").compactMap { Int($0) }
                }
                let numbers = number.split(separator: "\t")[1].split(separator: " ").compactMap { Int($0) }
                #expect(pairs.map { $0[0] * 4 + $0[1] } == numbers)
            }
        }
    }

    @Test func badInputIsNamed() throws {
        try withTemporaryFolder { folder in
            let fixture = try Fixture(folder)
            let model = try Self.pretrained(fixture)
            let output = folder.appendingPathComponent("x").path
            func expect(_ code: Int32, _ text: String, _ arguments: String...) throws {
                let outcome = try run(arguments)
                let line = lines(outcome.errors).first { $0.contains(text) } ?? ""
                #expect(
                    outcome.code == code && line.hasPrefix(code == 65 ? "wav2vec2: " : "Error: "),
                    "\(outcome.code) \(outcome.errors)")
            }
            let source = ["--checkpoint", model, "--manifest", fixture.manifest]
            try expect(
                65, "layer 3: the model has 2 transformer layers", "features", source[0], source[1], source[2],
                source[3], "--layer", "3", "--output", output)
            try expect(
                64, "\"3-1\" is not a layer", "features", source[0], source[1], "a.wav", "--layer", "3-1", "--output",
                "x")
            try expect(64, "either by --manifest or one by one", "features", source[0], source[1], "--output", "x")
            try expect(
                65, "holds a ctc model, which has no quantizer", "units", "codes", "--checkpoint", fixture.checkpoint,
                "x.wav")
            try expect(
                65, "200 clusters need at least as many frames, and there are 114", "units", "train", source[0],
                source[1], source[2], source[3], "--layer", "1", "--clusters", "200", "--output", output)
            try fixture.write(fixture.audio + "\n", to: "data/none.tsv")
            try expect(
                65, "the manifest names no utterances", "features", source[0], source[1], "--manifest",
                folder.path + "/data/none.tsv", "--output", output)
            #expect(!FileManager.default.fileExists(atPath: output))

            // An unreadable recording is named with its line, the others are written, and .km keeps its line.
            try fixture.write("this is no audio", to: "audio/1.wav")
            try expect(
                65, "all.tsv:3: ", "features", source[0], source[1], source[2], source[3], "--output", output)
            #expect(FileManager.default.fileExists(atPath: output + "/2.npy"))
            let codes = try run(["units", "codes"] + source + ["--format", "km"])
            let units = codes.output.split(separator: "\n", omittingEmptySubsequences: false)
            #expect(codes.code == 65 && units.count == 4 && units[1].isEmpty && !units[2].isEmpty)

            // A wrong length also names the line once.
            try fixture.write("\(fixture.audio)\n0.wav\t12345\n", to: "data/wrong.tsv")
            let wrong = folder.path + "/data/wrong.tsv"
            try expect(
                65, "wav2vec2: \(fixture.audio)/0.wav: has 9000 samples at 16 kHz, but \(wrong):2 says 12345",
                "features", source[0], source[1], "--manifest", wrong, "--output", output + "-wrong")

            // One model's units are meaningless to another model.
            let file = folder.appendingPathComponent("units").path
            let trained = try run(
                "units", "train", "--checkpoint", model, fixture.audio + "/0.wav", "--layer", "1", "--clusters", "3",
                "--output", file)
            #expect(trained.code == 0, "\(trained.errors)")
            try expect(
                65, "was trained on the features of", "units", "apply", "--units", file, "--checkpoint",
                fixture.checkpoint, fixture.audio + "/0.wav")
        }
    }
}
