import Foundation
import TestSupport
import Testing

@testable import W2VProgram

/// Models named as on the hub, by the environment, and by a run's folder.
@Suite(.onTestThreads) struct ModelReferenceTests {
    private static func content(of folder: String) throws -> [String: Data] {
        let url = URL(fileURLWithPath: folder)
        return try Dictionary(
            uniqueKeysWithValues: FileManager.default.contentsOfDirectory(atPath: folder).map {
                ($0, try Data(contentsOf: url.appendingPathComponent($0)))
            })
    }

    @Test func aNameOfTheHubIsFetchedOnce() throws {
        try withTemporaryFolder { folder in
            let fixture = try Fixture(folder)
            let hub = try TestHub(Self.content(of: fixture.checkpoint), in: folder)
            let cache = folder.appendingPathComponent("cache")
            let environment = hub.environment(cache: cache)
            let recording = fixture.audio + "/0.wav"
            let expected = try run("transcribe", "--checkpoint", fixture.checkpoint, recording).output
            let command = ["transcribe", "-c", "some/model", recording]
            let first = try run(command, environment: environment)
            #expect(first.code == 0 && first.output == expected, "\(first.errors)")
            #expect(first.errors.contains("some/model: downloading") && first.errors.contains("license apache-2.0"))
            #expect(first.errors.contains("into \(cache.path)/wav2vec2/models/some/model/0123456789ab"))
            let asked = hub.server.requests.count

            // From now on nothing is asked, by no command.
            let second = try run(command, environment: environment)
            #expect(second.output == expected && !second.errors.contains("download"))
            let inspected = try run(["checkpoint", "inspect", "some/model", "--json"], environment: environment)
            #expect(try inspected.json()["task"] as? String == "ctc")
            #expect(hub.server.requests.count == asked)

            // A branch is another reference to the same commit, whose files are there; a commit needs no reference.
            let branch = try run(["checkpoint", "inspect", "some/model@v1/x"], environment: environment)
            #expect(branch.code == 0, "\(branch.errors)")
            #expect(hub.server.requests.count == asked + 2)
            hub.server.stop()
            let commit = try run(["checkpoint", "inspect", "some/model@\(hub.commit)"], environment: environment)
            #expect(commit.code == 0, "\(commit.errors)")

            // A path of that name wins.
            let local = folder.appendingPathComponent("some")
            try FileManager.default.createDirectory(at: local, withIntermediateDirectories: true)
            try Data("x".utf8).write(to: local.appendingPathComponent("model"))
            let path = try run(["checkpoint", "inspect", "some/model"], in: folder, environment: environment)
            #expect(path.code == 65 && path.errors.contains("\(local.path)/model"), "\(path.errors)")
        }
    }

    @Test func whatCannotBeFetchedIsToldInASentence() throws {
        try withTemporaryFolder { folder in
            let hub = try TestHub([:], in: folder)
            defer { hub.server.stop() }
            let environment = hub.environment(cache: folder)
            func refusal(_ name: String, _ more: [String: String] = [:]) throws -> Outcome {
                try run(
                    ["checkpoint", "inspect", name], in: folder, environment: environment.merging(more) { $1 })
            }
            let misspelt = try refusal("facebook/wav2vec2-base-960")
            #expect(misspelt.code == 65 && misspelt.errors.hasSuffix("; did you mean facebook/wav2vec2-base-960h?\n"))
            #expect(misspelt.errors.split(separator: "\n").count == 1, "\(misspelt.errors)")
            let asked = hub.server.requests.count
            let offline = try refusal("some/model", ["HF_HUB_OFFLINE": "1"])
            #expect(offline.code == 1 && offline.errors.contains("checkpoint fetch some/model --output FOLDER"))
            let runs = folder.appendingPathComponent("runs")
            try FileManager.default.createDirectory(at: runs, withIntermediateDirectories: true)
            let typo = try refusal("runs/ft")
            #expect(typo.code == 65 && typo.errors.contains("runs/ft: there is no such file or folder in runs"))
            let file = try refusal("wav2vec_smal.pt")
            #expect(file.code == 65 && file.errors.contains("checkpoint fetch wav2vec_small.pt"), "\(file.errors)")
            #expect(try refusal("no/such/path").errors.contains("no/such/path: there is no such file or folder"))
            #expect(hub.server.requests.count == asked)

            let unreachable = try refusal("some/model", ["HF_ENDPOINT": "http://127.0.0.1:9"])
            #expect(unreachable.code == 1 && unreachable.errors.split(separator: "\n").count == 1)
            #expect(unreachable.errors.contains("http://127.0.0.1:9 cannot be reached"), "\(unreachable.errors)")
        }
    }

    @Test func theEnvironmentNamesTheDefault() throws {
        try withTemporaryFolder { folder in
            let fixture = try Fixture(folder)
            let recording = fixture.audio + "/0.wav"
            let environment = ["WAV2VEC2_CHECKPOINT": fixture.checkpoint]
            let given = try run("transcribe", "--checkpoint", fixture.checkpoint, recording)
            #expect(try run(["transcribe", recording], environment: environment).output == given.output)
            let rates = try run(["evaluate", "-m", fixture.manifest, "--json"], environment: environment)
            #expect(rates.code == 0, "\(rates.errors)")
            // What is given wins.
            let other = try run(
                ["transcribe", "-c", fixture.checkpoint, recording], environment: ["WAV2VEC2_CHECKPOINT": "x"])
            #expect(other.output == given.output)
            let missing = try run(["transcribe", recording], environment: ["WAV2VEC2_CHECKPOINT": ""])
            #expect(missing.code == 64 && missing.errors.contains("--checkpoint"))
            #expect(missing.errors.contains("WAV2VEC2_CHECKPOINT"))
        }
    }

    @Test func aRunsFolderMeansItsBest() throws {
        try withTemporaryFolder { folder in
            let fixture = try Fixture(folder)
            let ran = folder.appendingPathComponent("run")
            try FileManager.default.createDirectory(at: ran, withIntermediateDirectories: true)
            let model = URL(fileURLWithPath: fixture.checkpoint)
            try FileManager.default.copyItem(at: model, to: ran.appendingPathComponent("last"))
            func inspected() throws -> String? {
                try run("checkpoint", "inspect", ran.path, "--json").json()["path"] as? String
            }
            #expect(try inspected() == ran.path + "/last")
            try FileManager.default.copyItem(at: model, to: ran.appendingPathComponent("best"))
            #expect(try inspected() == ran.path + "/best")
            let recording = fixture.audio + "/0.wav"
            let alone = try run("transcribe", "-c", fixture.checkpoint, recording)
            #expect(try run("transcribe", "-c", ran.path, recording).output == alone.output)
        }
    }
}
