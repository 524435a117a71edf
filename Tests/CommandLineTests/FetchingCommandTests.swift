import Foundation
import TestSupport
import Testing
import W2VFetching

/// A hub's answers about a model of two files.
private struct Hub {
    let weights = Data(String(repeating: "weights ", count: 20_000).utf8)
    let config = Data("{\"model_type\": \"wav2vec2\"}".utf8)
    let commit = "0123456789abcdef0123456789abcdef01234567"
    let server: TestServer

    init(_ folder: URL, breaksAt: Int? = nil) throws {
        func digest(_ kind: Checksum.Kind, _ data: Data) throws -> String {
            let file = folder.appendingPathComponent("digest")
            try data.write(to: file)
            return try Checksum.compute(kind, of: file).digest
        }
        let tree = try """
        [{"type": "directory", "oid": "1", "size": 0, "path": "runs"},
         {"type": "file", "oid": "\(digest(.gitBlob, config))", "size": \(config.count), "path": "config.json"},
         {"type": "file", "oid": "2", "size": 7, "path": "tf_model.h5"},
         {"type": "file", "oid": "3", "size": 130, "path": "model.safetensors",
          "lfs": {"oid": "\(digest(.sha256, weights))", "size": \(weights.count), "pointerSize": 130}}]
        """
        let files = [
            "/api/models/some/model/revision/main": Data("{\"sha\": \"\(commit)\"}".utf8),
            "/api/models/some/model/tree/\(commit)": Data(tree.utf8),
            "/some/model/resolve/\(commit)/config.json": config,
            "/some/model/resolve/\(commit)/model.safetensors": weights,
        ]
        server = try TestServer { request, _ in
            guard let content = files[request.target] else { return TestResponse(404) }
            var response = TestResponse.file(content, request)
            if request.target.hasSuffix("safetensors"), request.rangeStart == nil { response.closesAfter = breaksAt }
            return response
        }
    }
}

@Suite(.onTestThreads) struct FetchingCommandTests {
    @Test func wrongUsageIsSixtyFour() throws {
        for arguments in [
            ["data", "librispeech"], ["data", "librispeech", "--output", "x", "--parts", "dev"],
            ["data", "librispeech", "--output", "x", "--parts", "none"],
            ["data", "librispeech", "--output", "x", "--mirror", "ftp://x"],
            ["data", "librispeech", "--output", "x", "--timeout", "0"],
            ["checkpoint", "fetch"], ["checkpoint", "fetch", "wav2vec_small"],
            ["checkpoint", "fetch", "nonsense", "--output", "x"],
        ] {
            let outcome = try run(arguments)
            #expect(outcome.code == 64 && outcome.output == "", "\(arguments)")
        }
    }

    @Test func librispeechIsPreparedFromAMirror() throws {
        try withTemporaryFolder { folder in
            let miniature = try MiniatureLibriSpeech(["dev-clean", "librispeech_finetuning"], in: folder)
            let sums = folder.appendingPathComponent("md5sum.txt")
            try Data(miniature.checksums(in: folder).utf8).write(to: sums)
            let server = try TestServer(files: miniature.files)
            defer { server.stop() }
            let output = folder.appendingPathComponent("data").path
            let arguments = [
                "data", "librispeech", "--output", output, "--parts", "dev-clean", "--libri-light", "--mirror",
                server.address + "/none", "--mirror", server.address + "/12/", "--checksums", sums.path,
                "--keep-archives",
            ]
            let outcome = try run(arguments + ["--json"])
            #expect(outcome.code == 0, "\(outcome.errors)")
            let object = try outcome.json()
            let lists = object["lists"] as? [[String: Any]] ?? []
            #expect(lists.count == 9 && lists[0]["utterances"] as? Int == 6)
            #expect(object["received_bytes"] as? Int == miniature.archives.values.reduce(0) { $0 + $1.count })
            #expect(outcome.errors.contains("status 404") && outcome.errors.contains("dev-clean.tsv: 6 recordings"))
            #expect(FileManager.default.fileExists(atPath: output + "/archives/dev-clean.tar.gz"))
            let second = try run(arguments)
            #expect(second.code == 0 && second.output == "" && server.requests.count == 4)

            try Data("\(String(repeating: "0", count: 32))  dev-clean.tar.gz\n".utf8).write(to: sums)
            let wrong = try run([
                "data", "librispeech", "--output", output + "2", "--parts", "dev-clean", "--mirror",
                server.address + "/12", "--checksums", sums.path,
            ])
            #expect(wrong.code == 65 && wrong.errors.contains("MD5") && wrong.errors.contains(".damaged"))
            let refused = try run(
                "data", "librispeech", "--output", output, "--source", folder.path + "/data/archives", "--parts",
                "dev-other")
            #expect(refused.code == 65 && refused.errors.contains("holds neither a folder nor an archive of dev-other"))
        }
    }

    @Test func aHubModelBecomesAFolder() throws {
        try withTemporaryFolder { folder in
            let hub = try Hub(folder, breaksAt: 50_000)
            defer { hub.server.stop() }
            let output = folder.appendingPathComponent("model")
            let arguments = [
                "checkpoint", "fetch", "some/model", "--output", output.path, "--endpoint", hub.server.address,
            ]
            let outcome = try run(arguments)
            #expect(outcome.code == 0 && outcome.output == output.path + "\n", "\(outcome.errors)")
            #expect(try Data(contentsOf: output.appendingPathComponent("model.safetensors")) == hub.weights)
            #expect(try FileManager.default.contentsOfDirectory(atPath: output.path).count == 2)
            #expect(
                outcome.errors.contains("left out: tf_model.h5") && outcome.errors.contains("continuing from there"))
            let again = try run(arguments + ["--json"])
            let object = try again.json()
            let files = object["files"] as? [[String: Any]] ?? []
            #expect(object["revision"] as? String == hub.commit && files.count == 2)
            #expect(files.allSatisfy { $0["verified"] as? Bool == true && $0["received_bytes"] as? Int == 0 })
            let missing = try run(
                "checkpoint", "fetch", "some/other", "--output", output.path, "--endpoint", hub.server.address)
            #expect(missing.code == 1 && missing.errors.contains("status 404"))
        }
    }

    @Test func fairseqsFilesComeWithTheirDigest() throws {
        try withTemporaryFolder { folder in
            let model = Data("PK weights".utf8)
            let server = try TestServer(files: [
                "/good/wav2vec_small_960h.pt": model, "/good/dict.ltr.txt": Data("| 94802\nE 51860\n".utf8),
                "/bad/wav2vec_small.pt": Data("<html>please log in</html>".utf8),
            ])
            defer { server.stop() }
            let outcome = try run(
                "checkpoint", "fetch", "wav2vec_small_960h", "--output", folder.path, "--mirror",
                server.address + "/good", "--json")
            let object = try outcome.json()
            #expect(object["path"] as? String == folder.path + "/wav2vec_small_960h.pt", "\(outcome.errors)")
            let files = object["files"] as? [[String: Any]] ?? []
            #expect(files.count == 2 && files[0]["verified"] as? Bool == false)
            #expect((files[0]["sha256"] as? String)?.count == 64 && outcome.errors.contains("no checksum is published"))
            let page = try run(
                "checkpoint", "fetch", "wav2vec_small", "--output", folder.path, "--mirror", server.address + "/bad")
            #expect(page.code == 65 && page.errors.contains("is not a PyTorch file"))
            #expect(FileManager.default.fileExists(atPath: folder.path + "/wav2vec_small.pt.damaged"))
        }
    }

    @Test func wellKnownModelsAreListed() throws {
        let outcome = try run("checkpoint", "fetch", "--list")
        #expect(outcome.code == 0 && outcome.output.contains("\nfacebook/wav2vec2-base-960h "))
        let lines = try run("checkpoint", "fetch", "--list", "--json").output.split(separator: "\n")
        #expect(lines.count == PublicModel.all.count && lines.allSatisfy { $0.hasPrefix("{\"form\":") })
    }

    @Test func proxiesOfTheEnvironmentAreUsed() throws {
        try withTemporaryFolder { folder in
            let proxy = try TestServer { request, _ in
                request.target.hasSuffix(".pt") ? TestResponse(body: Data("PK weights".utf8)) : TestResponse(404)
            }
            defer { proxy.stop() }
            let outcome = try run(
                ["checkpoint", "fetch", "wav2vec_small", "--output", folder.path, "--mirror", "http://models.invalid"],
                environment: ["http_proxy": proxy.address, "no_proxy": ""])
            #expect(outcome.code == 0, "\(outcome.errors)")
            #expect(proxy.requests.map(\.target) == ["http://models.invalid/wav2vec_small.pt"])
        }
    }

    @Test(arguments: [(SIGINT, Int32(130)), (SIGTERM, Int32(143))])
    func signalsStopAndKeepWhatCame(signal: Int32, code: Int32) throws {
        try withTemporaryFolder { folder in
            let content = Data(("PK" + String(repeating: "x", count: 100_000)).utf8)
            let server = try TestServer { request, number in
                var response = TestResponse.file(content, request)
                if number == 0 { (response.closesAfter, response.stalls) = (60_000, true) }
                return response
            }
            defer { server.stop() }
            let part = folder.appendingPathComponent("wav2vec_small.pt.part").path
            let arguments = [
                "checkpoint", "fetch", "wav2vec_small", "--output", folder.path, "--mirror", server.address,
            ]
            let outcome = try run(arguments) { process in
                func size() -> Int {
                    (try? FileManager.default.attributesOfItem(atPath: part))?[.size] as? Int ?? 0
                }
                try? wait(for: "60,000 bytes") { size() >= 60_000 }
                kill(process.processIdentifier, signal)
            }
            #expect(outcome.code == code && outcome.errors.contains("run the same command again"), "\(outcome.errors)")
            #expect(try run(arguments).code == 0 && server.requests.last?.rangeStart == 60_000)
            #expect(try Data(contentsOf: folder.appendingPathComponent("wav2vec_small.pt")) == content)
        }
    }
}
