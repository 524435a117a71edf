import Foundation
import TestSupport
import Testing

@testable import W2VFetching

@Suite(.onTestThreads) struct TarArchiveTests {
    private let scratch: TemporaryFolder

    init() throws { scratch = try TemporaryFolder() }

    private func unpack(_ data: Data, limit: Int = 1 << 20) throws -> Int {
        try data.write(to: scratch.file("archive"))
        return try TarArchive.unpack(scratch.file("archive"), into: scratch.file("folder"), maximumBytes: limit)
    }

    private static var sample: TestArchive {
        var archive = TestArchive()
        archive.add("./top/", type: "5")
        archive.add("./top/one.txt", Data("one".utf8))
        archive.add("top/deep/two.bin", content(100_000))
        archive.add("top/empty", Data())
        return archive
    }

    @Test(arguments: [true, false])
    func filesAndFoldersAreTaken(compressed: Bool) throws {
        #expect(try unpack(compressed ? Self.sample.gzip : Self.sample.tar) == 3)
        let folder = scratch.file("folder/top")
        #expect(try Data(contentsOf: folder.appendingPathComponent("one.txt")) == Data("one".utf8))
        #expect(try Data(contentsOf: folder.appendingPathComponent("deep/two.bin")) == content(100_000))
        #expect(try Data(contentsOf: folder.appendingPathComponent("empty")).isEmpty)
        #expect(try scratch.names() == ["archive", "folder"])
    }

    @Test func tricksAreRefusedAndNothingIsKept() throws {
        var tricks: [(String, TestArchive)] = []
        for (name, type, link) in [
            ("../out", "0", ""), ("top/../../out", "0", ""), ("/tmp/wav2vec2-out", "0", ""), ("link", "2", "/etc"),
            ("hard", "1", "top/one.txt"), ("device", "3", ""), ("bad\u{1}name", "0", ""), ("top/one.txt", "0", ""),
            ("top", "0", ""), ("pipe", "6", ""),
        ] as [(String, Character, String)] {
            var archive = Self.sample
            archive.add(name, type == "0" ? Data("x".utf8) : Data(), type: type, link: link)
            tricks.append((name, archive))
        }
        for (name, archive) in tricks {
            let error = #expect(throws: FetchError.self, "\(name)") { try unpack(archive.gzip) }
            guard case .unsafeArchive = error else {
                Issue.record("\(name): \(String(describing: error))")
                continue
            }
            #expect(error?.kind == .input)
            #expect(try scratch.names() == ["archive"], "\(name)")
        }
    }

    @Test func aFileThroughALinkStaysInside() throws {
        var archive = TestArchive()
        archive.add("link", type: "2", link: scratch.url.path)
        archive.add("link/escaped", Data("x".utf8))
        #expect(throws: FetchError.self) { try unpack(archive.tar) }
        #expect(try scratch.names() == ["archive"])
    }

    @Test func limitsHold() throws {
        #expect(throws: FetchError.self) { try unpack(Self.sample.gzip, limit: 50_000) }
        #expect(try scratch.names() == ["archive"])
    }

    @Test func damageIsFoundAndNothingIsKept() throws {
        let whole = Self.sample.gzip
        // The length of the second block; damage inside a block is for the checksums to find.
        var flipped = whole
        flipped[10 + 5 + 65_535 + 1] ^= 0x10
        for data in [whole.prefix(whole.count / 2), whole.prefix(40), Data("no archive".utf8), Data(), flipped] {
            let error = #expect(throws: FetchError.self) { try unpack(data) }
            guard case .damagedArchive = error else {
                Issue.record("\(String(describing: error))")
                continue
            }
            #expect(try scratch.names() == ["archive"])
        }
        #expect(throws: FetchError.self) {
            try TarArchive.unpack(scratch.file("none"), into: scratch.file("folder"), maximumBytes: 1)
        }
    }

    @Test func whatAKilledRunLeftIsCleared() throws {
        let stale = scratch.file(".folder.\(UUID().uuidString).partial/top")
        try FileManager.default.createDirectory(at: stale, withIntermediateDirectories: true)
        try Data("old".utf8).write(to: stale.appendingPathComponent("one.txt"))
        #expect(try unpack(Self.sample.tar) == 3)
        #expect(try scratch.names() == ["archive", "folder"])
    }

    @Test func aSignalStopsIt() throws {
        try Self.sample.tar.write(to: scratch.file("archive"))
        #expect(throws: FetchError.stopped(signal: SIGTERM, file: "archive")) {
            try TarArchive.unpack(
                scratch.file("archive"), into: scratch.file("folder"), maximumBytes: 1 << 20,
                monitor: FetchMonitor(stop: { SIGTERM }))
        }
        #expect(try scratch.names() == ["archive"])
    }
}
