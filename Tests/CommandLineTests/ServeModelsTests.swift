import Foundation
import TestSupport
import Testing

@testable import W2VProgram

/// `serve` with several models.
@Suite(.onTestThreads) struct ServeModelsTests {
    /// Sends a recording to a running server and returns the answers of several targets.
    private func answers(
        _ arguments: [String], _ targets: [String], audio: Data, in folder: URL
    ) throws -> (replies: [TestReply], outcome: Outcome) {
        var replies: [TestReply] = []
        let outcome = try run(["serve", "--port", "0", "--json"] + arguments, environment: ["TMPDIR": folder.path]) {
            process in
            defer { process.terminate() }
            guard let port = servingPort(of: process) else { return }
            for target in targets {
                guard let client = try? TestClient(port: port) else { return }
                client.send(
                    "POST \(target) HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: \(audio.count)\r\n\r\n")
                client.send(audio)
                if let reply = try? client.response() { replies.append(reply) }
            }
        }
        return (replies, outcome)
    }

    @Test func modelsAreCalledByName() throws {
        try withTemporaryFolder { folder in
            let fixture = try Fixture(folder)
            let pretrained = try SmallModels.checkpoint(in: folder, named: "pretrained").path
            let audio = try Data(contentsOf: URL(fileURLWithPath: fixture.audio + "/1.wav"))
            let file = fixture.audio + "/1.wav"
            let units = folder.appendingPathComponent("units.safetensors").path
            let trained = try run([
                "units", "train", "--checkpoint", pretrained, fixture.audio, "--layer", "1", "--clusters", "4",
                "--output", units,
            ])
            #expect(trained.code == 0, "\(trained.errors)")
            let targets = [
                "/v1/transcribe?filename=\(file.split(separator: "/").last ?? "")", "/v1/transcribe?model=second",
                "/v1/units?model=encoder&format=km", "/v1/units?model=encoder&format=km&source=codes",
                "/v1/features?model=encoder&layer=1", "/v1/transcribe?model=third",
            ]
            let (replies, outcome) = try answers(
                [
                    "--checkpoint", "first=\(fixture.checkpoint)", "--checkpoint", "second=\(fixture.checkpoint)",
                    "--checkpoint", "encoder=\(pretrained)", "--units", "encoder=\(units)",
                ], targets, audio: audio, in: folder)
            #expect(
                replies.map(\.status) == [200, 200, 200, 200, 200, 404], "\(replies.map(\.text)) \(outcome.errors)")
            let home = URL(fileURLWithPath: fixture.audio)
            func printed(_ arguments: String...) throws -> String { try run(arguments, in: home).output }
            #expect(try replies[0].text == printed("transcribe", "--checkpoint", fixture.checkpoint, "--json", "1.wav"))
            #expect(
                try replies[2].text
                    == printed(
                        "units", "apply", "--units", units, "--checkpoint", pretrained, "--format", "km", "1.wav"))
            #expect(
                try replies[3].text == printed("units", "codes", "--checkpoint", pretrained, "--format", "km", "1.wav"))
            let array = folder.appendingPathComponent("a.npy")
            _ = try printed("features", "--checkpoint", pretrained, "--layer", "1", "--output", array.path, "1.wav")
            #expect(try replies[4].body == Data(contentsOf: array))
            let ready = try #require(outcome.output.split(separator: "\n").first)
            let object = try JSONSerialization.jsonObject(with: Data(ready.utf8)) as? [String: Any]
            #expect(object?["models"] as? [String] == ["first", "second", "encoder"])
            #expect(object?["model"] as? String == fixture.checkpoint)
            for model in ["second", "encoder"] {
                #expect(outcome.errors.contains("serve: loaded \(model) in "), "\(outcome.errors)")
            }
        }
    }

    @Test func modelsThatDoNotFitAreNamed() throws {
        try withTemporaryFolder { folder in
            let fixture = try Fixture(folder)
            let model = fixture.checkpoint
            let units = folder.appendingPathComponent("units.safetensors").path
            _ = try run([
                "units", "train", "--checkpoint", model, fixture.audio, "--layer", "1", "--clusters", "4", "--output",
                units,
            ])
            let other = try SmallModels.checkpoint(in: folder, named: "other").path
            for (code, words, arguments) in [
                (64, "Two models are called model", ["--checkpoint", model, "--checkpoint", model]),
                (
                    64, "no model has this name; the names are a",
                    ["--checkpoint", "a=\(model)", "--units", "b=\(units)"]
                ),
                (
                    64, "given twice for the model a",
                    ["--checkpoint", "a=\(model)", "--units", units, "--units", "a=\(units)"]
                ),
                (
                    65, "use the model and the layer that they were trained on",
                    ["--checkpoint", other, "--units", units]
                ),
                (64, "--max-model-memory-mb is 0", ["--checkpoint", model, "--max-model-memory-mb", "0"]),
                (65, "none: there is no such file or folder", ["--checkpoint", model, "--checkpoint", "b=none"]),
                (65, "not a file of clusters", ["--checkpoint", model, "--units", model + "/model.safetensors"]),
            ] as [(Int32, String, [String])] {
                let outcome = try run(["serve", "--port", "0"] + arguments)
                let isSaid = outcome.errors.contains(words)
                #expect(outcome.code == code && isSaid, "\(arguments): \(outcome.code) \(outcome.errors)")
            }
        }
    }

    @Test func namesEndAtTheFirstSign() throws {
        try withTemporaryFolder { folder in
            #expect(NamedPath("a=b/c") == NamedPath(name: "a", path: "b/c"))
            #expect(NamedPath("a=b=c") == NamedPath(name: "a", path: "b=c"))
            #expect(NamedPath("./a=b") == NamedPath(name: nil, path: "./a=b"))
            #expect(NamedPath("=b") == NamedPath(name: nil, path: "=b"))
            #expect(NamedPath("b") == NamedPath(name: nil, path: "b"))
            let file = folder.appendingPathComponent("x=y").path
            #expect(NamedPath(file) == NamedPath(name: nil, path: file))
        }
    }
}
