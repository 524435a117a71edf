import Foundation
import TestSupport
import Testing
import W2VBase
import W2VFetching

@testable import W2VCorpus
@testable import W2VLibriSpeech

@Suite(.onTestThreads) struct LibriSpeechTests {
    private let corpus: TestCorpus
    private var output: URL { corpus.file("output") }
    private var mirror: URL { corpus.file("mirror") }

    init() throws {
        corpus = try TestCorpus()
        try FileManager.default.createDirectory(at: mirror, withIntermediateDirectories: true)
    }

    private func prepare(
        _ names: String, limited: Bool = false, _ miniature: MiniatureLibriSpeech, server: TestServer? = nil,
        source: URL? = nil
    ) throws -> LibriSpeechPreparation.Report {
        let sums = try corpus.write("md5sum.txt", miniature.checksums(in: mirror))
        let parts = try LibriSpeech.replacingChecksums(of: LibriSpeech.parts(named: names, limited: limited), by: sums)
        var preparation = LibriSpeechPreparation(parts, output: output)
        preparation.mirrors = [(server?.address ?? "http://127.0.0.1:1") + "/12"]
        preparation.source = source
        preparation.downloader.options.pause = .milliseconds(5)
        preparation.downloader.options.rounds = 2
        return try preparation.run()
    }

    private func expect(_ name: String, _ recordings: [MiniatureLibriSpeech.Recording], root: URL) throws {
        let manifest = try Manifest.read(output.appendingPathComponent(name + ".tsv"), labels: "ltr")
        #expect(manifest.sources[0].root.path == root.standardizedFileURL.path)
        #expect((0..<manifest.count).map { manifest.path($0) } == recordings.map(\.path))
        #expect(manifest.sampleCounts == recordings.map(\.samples))
        #expect((0..<manifest.count).map { manifest[$0].labels } == recordings.map { Transcript.letters($0.text) })
        let words = try Lines.read(output.appendingPathComponent(name + ".wrd"))
        #expect(words == recordings.map(\.text))
        try manifest.validate()
        try LabelDictionary(contentsOf: output.appendingPathComponent("dict.ltr.txt")).validate(manifest)
    }

    @Test func partsBecomeListsAndASecondRunDoesNothing() throws {
        let names = LibriSpeech.trainingNames + ["dev-clean"]
        let miniature = try MiniatureLibriSpeech(names, in: mirror)
        // Every first response breaks off in the middle.
        let server = try TestServer { request, number in
            guard let content = miniature.files[request.target] else { return TestResponse(404) }
            var response = TestResponse.file(content, request)
            if request.rangeStart == nil { response.closesAfter = content.count / 2 }
            return response
        }
        defer { server.stop() }
        let report = try prepare(names.joined(separator: ","), miniature, server: server)
        #expect(report.received == miniature.archives.values.reduce(0) { $0 + $1.count })
        #expect(report.lists.map(\.name) == ["dev-clean"] + LibriSpeech.trainingNames + ["train-full-960"])
        for name in names {
            try expect(
                name, #require(miniature.recordings[name]),
                root: output.appendingPathComponent("LibriSpeech/" + name))
        }
        let combined = try LibriSpeech.trainingNames.flatMap { name in
            try #require(miniature.recordings[name]).map { recording in
                MiniatureLibriSpeech.Recording(
                    path: name + "/" + recording.path, samples: recording.samples, text: recording.text)
            }
        }
        try expect("train-full-960", combined, root: output.appendingPathComponent("LibriSpeech"))
        let there = try FileManager.default.contentsOfDirectory(atPath: output.path)
        #expect(!there.contains("archives") && !there.contains { $0.hasPrefix(".") })
        #expect(FileManager.default.fileExists(atPath: output.path + "/LibriSpeech/LICENSE.TXT"))

        let asked = server.requests.count
        let inode = try FileManager.default.attributesOfItem(atPath: output.path + "/dev-clean.tsv")[.systemFileNumber]
        let second = try prepare(names.joined(separator: ","), miniature, server: server)
        #expect(second.received == 0 && second.lists == report.lists && server.requests.count == asked)
        let after = try FileManager.default.attributesOfItem(atPath: output.path + "/dev-clean.tsv")[.systemFileNumber]
        #expect(inode as? Int == after as? Int)
        // A list that lost a file is remade.
        try FileManager.default.removeItem(at: output.appendingPathComponent("dev-clean.wrd"))
        _ = try prepare("dev-clean", miniature)
        try expect(
            "dev-clean", #require(miniature.recordings["dev-clean"]),
            root: output.appendingPathComponent("LibriSpeech/dev-clean"))
    }

    @Test func limitedSupervisionIsSplit() throws {
        let miniature = try MiniatureLibriSpeech(["librispeech_finetuning"], in: mirror)
        let server = try TestServer(files: miniature.files)
        defer { server.stop() }
        let report = try prepare("none", limited: true, miniature, server: server)
        let all = try #require(miniature.recordings["librispeech_finetuning"])
        let root = output.appendingPathComponent("librispeech_finetuning")
        for fold in 0..<6 {
            let wanted = all.filter { $0.path.hasPrefix("1h/\(fold)/") }
            #expect(wanted.count == 12)
            try expect("train-10min-\(fold)", wanted, root: root)
        }
        try expect("train-1h", all.filter { $0.path.hasPrefix("1h/") }, root: root)
        try expect("train-10h", all, root: root)
        #expect(report.lists.map(\.utterances) == [12, 12, 12, 12, 12, 12, 72, 84])
        #expect(try prepare("none", limited: true, miniature).lists == report.lists)
    }

    @Test func aCopyOnDiskIsRead() throws {
        let miniature = try MiniatureLibriSpeech(["dev-clean", "dev-other", "test-clean"], in: mirror)
        let server = try TestServer(files: miniature.files)
        defer { server.stop() }
        // One part is unpacked, one is an archive, one is missing.
        try FileManager.default.removeItem(at: mirror.appendingPathComponent("LibriSpeech/dev-other"))
        try FileManager.default.removeItem(at: mirror.appendingPathComponent("LibriSpeech/test-clean"))
        let archive = mirror.appendingPathComponent("dev-other.tar.gz")
        try #require(miniature.archives["dev-other.tar.gz"]).write(to: archive)
        // Checksums are computed in another folder, because they pass through files with the same names.
        let source = corpus.file("source")
        try FileManager.default.moveItem(at: mirror, to: source)
        try FileManager.default.createDirectory(at: mirror, withIntermediateDirectories: true)
        let report = try prepare("dev-clean,dev-other,test-clean", miniature, server: server, source: source)
        #expect(server.requests.map(\.target) == ["/12/test-clean.tar.gz"])
        #expect(report.lists.count == 3)
        for (name, root) in [
            ("dev-clean", source), ("dev-other", output), ("test-clean", output),
        ] {
            try expect(
                name, #require(miniature.recordings[name]), root: root.appendingPathComponent("LibriSpeech/" + name))
        }
        #expect(FileManager.default.fileExists(atPath: source.path + "/dev-other.tar.gz"))
        #expect(throws: LibriSpeechError.nothingInSource(folder: source.path, parts: ["test-other"])) {
            let parts = try LibriSpeech.parts(named: "test-other")
            var preparation = LibriSpeechPreparation(parts, output: output)
            preparation.source = source
            _ = try preparation.run()
        }
    }

    @Test func wrongArchivesAreRefused() throws {
        let miniature = try MiniatureLibriSpeech(["dev-clean", "dev-other"], in: mirror)
        var files = miniature.files
        files["/12/dev-clean.tar.gz"]?[200] ^= 1
        let server = try TestServer(files: files)
        defer { server.stop() }
        let error = #expect(throws: FetchError.self) { try prepare("dev-clean", miniature, server: server) }
        #expect(error?.kind == .input && "\(error as Any)".contains("MD5"))
        #expect(!FileManager.default.fileExists(atPath: output.path + "/LibriSpeech"))
        // A correct checksum of an archive with another part in it.
        let swapped = corpus.file("swapped")
        try FileManager.default.createDirectory(at: swapped, withIntermediateDirectories: true)
        let archive = swapped.appendingPathComponent("dev-clean.tar.gz")
        try #require(miniature.archives["dev-other.tar.gz"]).write(to: archive)
        let parts = try LibriSpeech.replacingChecksums(
            of: LibriSpeech.parts(named: "dev-clean"),
            by: corpus.write("sums", Checksum.compute(.md5, of: archive).digest + " *dev-clean.tar.gz\n"))
        var preparation = LibriSpeechPreparation(parts, output: output)
        preparation.source = swapped
        #expect(throws: LibriSpeechError.otherContent(archive: archive.path, expected: "dev-clean")) {
            try preparation.run()
        }
        #expect(throws: LibriSpeechError.noChecksum(archive: "dev-clean.tar.gz", file: corpus.file("empty").path)) {
            try LibriSpeech.replacingChecksums(of: parts, by: corpus.write("empty", "\n"))
        }
        #expect(throws: LibriSpeechError.badChecksums(file: corpus.file("bad").path, line: 1, found: "abc  x")) {
            try LibriSpeech.replacingChecksums(of: parts, by: corpus.write("bad", "abc  x\n"))
        }
    }

    @Test func damagedCopiesAreNamed() throws {
        func expectError(_ expected: String, _ change: (URL) throws -> Void) throws {
            let fresh = corpus.file(UUID().uuidString)
            try FileManager.default.createDirectory(at: fresh, withIntermediateDirectories: true)
            _ = try MiniatureLibriSpeech(["dev-clean"], in: fresh)
            try change(fresh.appendingPathComponent("LibriSpeech/dev-clean/84/7"))
            var preparation = try LibriSpeechPreparation(LibriSpeech.parts(named: "dev-clean"), output: output)
            preparation.source = fresh
            let error = #expect(throws: LibriSpeechError.self, "\(expected)") { try preparation.run() }
            #expect("\(error as Any)".contains(expected), "\(error as Any)")
            #expect(!FileManager.default.fileExists(atPath: output.path + "/dev-clean.tsv"))
        }
        try expectError("84-7-0001.flac") {
            try Data("84-7-0000 ONE\n".utf8).write(to: $0.appendingPathComponent("84-7.trans.txt"))
        }
        try expectError("no recording 84-7-0002.flac") {
            try Data("84-7-0002 ONE\n".utf8).write(to: $0.appendingPathComponent("84-7.trans.txt"))
        }
        try expectError("84-7.trans.txt:1: expected words of the letters A to Z") {
            try Data("84-7-0000 one\n".utf8).write(to: $0.appendingPathComponent("84-7.trans.txt"))
        }
        try expectError("1 of 6 recordings cannot be read") {
            try Data("no audio".utf8).write(to: $0.appendingPathComponent("84-7-0000.flac"))
        }
    }

    /// Two runs that unpack the same part would remove each other's files.
    @Test func theFolderIsFilledByOneRunAtATime() throws {
        let miniature = try MiniatureLibriSpeech(["dev-clean"], in: mirror)
        let server = try TestServer(files: miniature.files)
        defer { server.stop() }
        try FileManager.default.createDirectory(at: output, withIntermediateDirectories: true)
        do {
            let lock = try FolderLock(output)
            #expect(throws: LibriSpeechError.folderInUse(folder: output.path)) {
                try prepare("dev-clean", miniature, server: server)
            }
            withExtendedLifetime(lock) {}
        }
        #expect(server.requests.isEmpty)
        #expect(try prepare("dev-clean", miniature, server: server).lists[0].utterances == 6)
    }

    /// A folder with a part's name is trusted only if a record or the publisher's number confirms it.
    @Test func halfOfAPartIsNeverTakenForAllOfIt() throws {
        let miniature = try MiniatureLibriSpeech(["dev-clean", "dev-other"], in: mirror)
        let server = try TestServer(files: miniature.files)
        defer { server.stop() }
        _ = try prepare("dev-clean", miniature, server: server)
        let own = output.appendingPathComponent("LibriSpeech/dev-clean").standardizedFileURL
        let other = output.appendingPathComponent("LibriSpeech/dev-other").standardizedFileURL
        let chapter = try #require(
            FileManager.default.enumerator(at: own, includingPropertiesForKeys: nil)?.compactMap { $0 as? URL }
                .first { $0.pathExtension == "flac" }
        ).deletingLastPathComponent()
        // Recordings that another program, or an older version, has left there with their lists.
        try FileManager.default.createDirectory(at: other, withIntermediateDirectories: true)
        try FileManager.default.copyItem(at: chapter, to: other.appendingPathComponent("1"))
        let missing = try FileManager.default.contentsOfDirectory(atPath: chapter.path).count { $0.hasSuffix(".flac") }
        #expect(throws: LibriSpeechError.unfinished(folder: other.path, archive: "dev-other.tar.gz")) {
            try prepare("dev-other", miniature, server: server)
        }
        let parts = try LibriSpeech.parts(named: "dev-other")
        #expect(
            throws: LibriSpeechError.wrongCount(folder: other.path, found: missing, expected: 2864, isOwn: true)
        ) { try LibriSpeechPreparation(parts, output: output).run() }
        // A chapter is lost; the full list still exists.
        try FileManager.default.removeItem(at: chapter)
        #expect(
            throws: LibriSpeechError.wrongCount(folder: own.path, found: 6 - missing, expected: 6, isOwn: true)
        ) { try prepare("dev-clean", miniature, server: server) }
        // The advice helps.
        try FileManager.default.moveItem(at: own, to: corpus.file("away"))
        #expect(try prepare("dev-clean", miniature, server: server).lists[0].utterances == 6)
    }

    @Test func theCountOfPublishedPartsIsCompared() throws {
        _ = try MiniatureLibriSpeech(["dev-clean"], in: mirror)
        var preparation = try LibriSpeechPreparation(LibriSpeech.parts(named: "dev-clean"), output: output)
        preparation.source = mirror
        let folder = mirror.appendingPathComponent("LibriSpeech/dev-clean").standardizedFileURL.path
        #expect(
            throws: LibriSpeechError.wrongCount(folder: folder, found: 6, expected: 2703, isOwn: false)
        ) { try preparation.run() }
    }

    @Test func partsAreChosenByName() throws {
        #expect(try LibriSpeech.parts(named: "all").count == 7)
        #expect(try LibriSpeech.parts(named: "dev-other, dev-clean").map(\.name) == ["dev-clean", "dev-other"])
        #expect(try LibriSpeech.parts(named: "none", limited: true).map(\.isLimitedSupervision) == [true])
        #expect(throws: LibriSpeechError.unknownPart("dev")) { try LibriSpeech.parts(named: "dev") }
        #expect(LibriSpeech.parts.allSatisfy { $0.checksum != nil && $0.size != nil })
        #expect(LibriSpeech.limitedSupervision.checksum?.kind == .sha256)
    }

    @Test func theDictionaryIsThePublicModels() {
        let symbols = LabelDictionary.librispeech.symbols
        #expect(symbols.count == 32 && symbols[4] == "|" && symbols[5] == "E" && symbols[31] == "Z")
    }
}
