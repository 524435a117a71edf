import Foundation
import TestSupport
import Testing
import W2VFetching

@Suite(.onTestThreads) struct FetchingCommandTests {
    @Test func wrongUsageIsSixtyFour() throws {
        for arguments in [
            ["data", "librispeech"], ["data", "librispeech", "--output", "x", "--parts", "dev"],
            ["data", "librispeech", "--output", "x", "--parts", "none"],
            ["data", "librispeech", "--output", "x", "--mirror", "ftp://x"],
            ["data", "librispeech", "--output", "x", "--timeout", "0"],
            ["checkpoint", "fetch"], ["checkpoint", "fetch", "nonsense", "--output", "x"],
            ["checkpoint", "fetch", "a/b@c", "--revision", "d"], ["checkpoint", "fetch", "wav2vec_smal"],
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
            let weights = Data(String(repeating: "weights ", count: 20_000).utf8)
            let hub = try TestHub(
                [
                    "config.json": Data("{\"model_type\": \"wav2vec2\"}".utf8), "model.safetensors": weights,
                    "tf_model.h5": Data("other".utf8),
                ], in: folder, breaksAt: 50_000)
            defer { hub.server.stop() }
            let output = folder.appendingPathComponent("model")
            let arguments = [
                "checkpoint", "fetch", "some/model", "--output", output.path, "--endpoint", hub.server.address,
            ]
            let outcome = try run(arguments)
            #expect(outcome.code == 0 && outcome.output == output.path + "\n", "\(outcome.errors)")
            #expect(try Data(contentsOf: output.appendingPathComponent("model.safetensors")) == weights)
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
            #expect(missing.code == 65 && missing.errors.contains("status 404"))
            #expect(missing.errors.contains("is neither a file or folder here nor a model at \(hub.server.address)"))
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
        #expect(outcome.code == 0)
        let table = outcome.output.split(separator: "\n")
        #expect(table[0].hasPrefix("model ") && table[0].hasSuffix("  license     trained on"))
        let line = try #require(table.first { $0.hasPrefix("facebook/wav2vec2-base-960h ") })
        let cells = line.split(separator: #/ {2,}/#)
        #expect(
            cells == [
                "facebook/wav2vec2-base-960h", "recognition", "English", "378 MB", "Apache-2.0",
                "BASE, fine-tuned on 960 h",
            ])
        // Columns line up.
        let place = try #require(table[0].range(of: "languages")).lowerBound
        #expect(line[line.index(line.startIndex, offsetBy: place.utf16Offset(in: table[0]))...].hasPrefix("English"))
        let lines = try run("checkpoint", "fetch", "--list", "--json").output.split(separator: "\n")
        #expect(lines.count == PublicModel.all.count && lines.allSatisfy { $0.hasPrefix("{\"form\":") })
        let first = try #require(try JSONSerialization.jsonObject(with: Data(lines[0].utf8)) as? [String: Any])
        #expect(first["license"] as? String == "MIT" && first["weight_bytes"] as? Int == 380_160_000)
        #expect(first["task"] as? String == "pre-training" && first["languages"] as? String == "English")
        let near = try run("checkpoint", "fetch", "wav2vec_smal_960h")
        #expect(near.errors.contains("did you mean wav2vec_small_960h.pt?"))
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
