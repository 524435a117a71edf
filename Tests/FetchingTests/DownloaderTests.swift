import Foundation
import Synchronization
import TestSupport
import Testing

@testable import W2VFetching

@Suite(.onTestThreads) struct DownloaderTests {
    private let scratch: TemporaryFolder
    private let body = content(300_000)

    init() throws { scratch = try TemporaryFolder() }

    private func download(_ addresses: String..., checked: Bool = true, size: Int? = nil) throws -> Download {
        Download(
            addresses: addresses, destination: scratch.file("file"), checksum: checked ? try scratch.sha256(body) : nil,
            size: size)
    }

    private func expectWhole() throws {
        #expect(try Data(contentsOf: scratch.file("file")) == body)
        #expect(try scratch.names() == ["file"])
    }

    @Test func aFileComesOnce() throws {
        let server = try TestServer(files: ["/file": body])
        defer { server.stop() }
        let wanted = try download(server.address + "/file", size: body.count)
        let last = Mutex<FetchProgress?>(nil)
        let first = try Downloader.quick.fetch(
            wanted, monitor: FetchMonitor(report: { progress in last.withLock { $0 = progress } }))
        #expect(first.bytes == body.count && first.received == body.count && first.isVerified)
        #expect(last.withLock { $0 }?.phase == .checking && last.withLock { $0 }?.done == body.count)
        let second = try Downloader.quick.fetch(wanted)
        #expect(second.received == 0 && second.isVerified && server.requests.count == 1)
        try expectWhole()
    }

    @Test func digestsAreTheKnownOnes() throws {
        try Data("abc".utf8).write(to: scratch.file("abc"))
        let known: [(Checksum.Kind, String)] = [
            (.md5, "900150983cd24fb0d6963f7d28e17f72"),
            (.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (.gitBlob, "f2ba8f84ab5c1bce84a7b441cb1959cfc7093b7f"),
        ]
        for (kind, digest) in known {
            #expect(try Checksum.compute(kind, of: scratch.file("abc")).digest == digest)
            #expect(Checksum(kind, digest.uppercased())?.digest == digest)
            #expect(Checksum(kind, digest + "0") == nil)
        }
    }

    @Test(arguments: [true, false])
    func brokenConnectionsAreResumed(checked: Bool) throws {
        let server = try TestServer { [body] request, number in
            var response = TestResponse.file(body, request)
            if number < 3 { response.closesAfter = 70_000 }
            return response
        }
        defer { server.stop() }
        let log = CapturedLog()
        let fetched = try Downloader.quick.fetch(
            download(server.address + "/file", checked: checked), monitor: log.monitor)
        #expect(fetched.received == body.count && fetched.isVerified == checked)
        let ranges = server.requests.map(\.rangeStart)
        #expect(ranges == [nil, 70_000, 140_000, 210_000])
        #expect(server.requests.dropFirst().allSatisfy { $0.headers["if-range"] == "\"1\"" })
        #expect(log.lines.count == 3 && log.lines[0].contains("continuing from there"))
        try expectWhole()
    }

    @Test func aLaterRunGoesOn() throws {
        let server = try TestServer { [body] request, number in
            var response = TestResponse.file(body, request)
            if number == 0 { (response.closesAfter, response.stalls) = (100_000, true) }
            return response
        }
        defer { server.stop() }
        let wanted = try download(server.address + "/file")
        let isEnough = Mutex(false)
        let monitor = FetchMonitor(
            report: { progress in isEnough.withLock { $0 = progress.done >= 100_000 } },
            stop: { isEnough.withLock { $0 } ? SIGINT : nil })
        #expect(throws: FetchError.stopped(signal: SIGINT, file: "file")) {
            try Downloader.quick.fetch(wanted, monitor: monitor)
        }
        #expect(FetchError.stopped(signal: SIGINT, file: "file").kind == .interrupted(signal: SIGINT))
        #expect(try scratch.names() == ["file.part", "file.part.source"])
        let fetched = try Downloader.quick.fetch(wanted)
        #expect(fetched.received == body.count - 100_000 && server.requests.last?.rangeStart == 100_000)
        try expectWhole()
    }

    @Test func aFileThatChangedIsFetchedAnew() throws {
        let old = content(300_000, seed: 2)
        try old.prefix(120_000).write(to: scratch.file("file.part"))
        let server = try TestServer { [body] request, _ in .file(body, request, tag: "\"new\"") }
        defer { server.stop() }
        let address = server.address + "/file"
        try Data("\(address)\n\"old\"\n".utf8).write(to: scratch.file("file.part.source"))
        let log = CapturedLog()
        _ = try Downloader.quick.fetch(download(address, checked: false), monitor: log.monitor)
        #expect(log.lines.contains { $0.contains("from the beginning") })
        try expectWhole()
    }

    @Test func anotherFilesBeginningIsFoundOutByTheChecksum() throws {
        try content(120_000, seed: 2).write(to: scratch.file("file.part"))
        let server = try TestServer(files: ["/file": body])
        defer { server.stop() }
        let log = CapturedLog()
        _ = try Downloader.quick.fetch(download(server.address + "/file"), monitor: log.monitor)
        #expect(server.requests.map(\.rangeStart) == [120_000, nil])
        #expect(log.lines.contains { $0.contains("once more from the beginning") })
        try expectWhole()
    }

    @Test func aServerWithoutRangesBeginsAnew() throws {
        try body.prefix(120_000).write(to: scratch.file("file.part"))
        let server = try TestServer { [body] _, _ in TestResponse(body: body) }
        defer { server.stop() }
        _ = try Downloader.quick.fetch(download(server.address + "/file"))
        try expectWhole()
    }

    @Test func aBeginningThatIsLongerThanTheFileIsDropped() throws {
        try content(400_000, seed: 3).write(to: scratch.file("file.part"))
        let server = try TestServer(files: ["/file": body])
        defer { server.stop() }
        _ = try Downloader.quick.fetch(download(server.address + "/file"))
        try expectWhole()
    }

    @Test func aWrongChecksumIsRefusedAndTheFileSetAside() throws {
        let wrong = content(300_000, seed: 4)
        let server = try TestServer(files: ["/file": wrong])
        defer { server.stop() }
        let error = try #require(throws: FetchError.self) {
            try Downloader.quick.fetch(download(server.address + "/file"))
        }
        guard case .wrongChecksum(_, _, kind: "SHA-256", _, _, let kept) = error else { throw error }
        #expect(error.kind == .input && kept.hasSuffix("file.damaged"))
        #expect(try scratch.names() == ["file.damaged"])
        #expect(try Data(contentsOf: scratch.file("file.damaged")) == wrong)
    }

    @Test func mirrorsFollowEachOther() throws {
        let wrong = content(300_000, seed: 4)
        let bad = try TestServer { request, _ in
            switch request.target {
            case "/damaged": TestResponse(body: wrong)
            case "/short": TestResponse(body: wrong.prefix(1000))
            default: TestResponse(404)
            }
        }
        let good = try TestServer(files: ["/file": body])
        defer {
            bad.stop()
            good.stop()
        }
        let log = CapturedLog()
        let fetched = try Downloader.quick.fetch(
            download(
                bad.address + "/none", "http://127.0.0.1:1/closed", bad.address + "/short", bad.address + "/damaged",
                good.address + "/file", size: body.count), monitor: log.monitor)
        #expect(fetched.isVerified && bad.requests.map(\.target) == ["/none", "/short", "/damaged"])
        #expect(log.lines.contains { $0.contains("404") } && log.lines.contains { $0.contains("1000 bytes") })
        #expect(try Data(contentsOf: scratch.file("file")) == body)
    }

    @Test func aGoodMirrorIsNotBlamedForABadOnesBeginning() throws {
        let wrong = content(300_000, seed: 4)
        let bad = try TestServer { request, number in
            var response = number == 0 ? TestResponse.file(wrong, request) : TestResponse(503)
            response.closesAfter = 100_000
            return response
        }
        let good = try TestServer(files: ["/file": body])
        defer {
            bad.stop()
            good.stop()
        }
        let fetched = try Downloader.quick.fetch(download(bad.address + "/file", good.address + "/file"))
        #expect(good.requests.map(\.rangeStart) == [100_000, nil])
        #expect(fetched.received == 100_000 + 200_000 + body.count)
        try expectWhole()
    }

    @Test func busyServersAreAskedAgain() throws {
        let server = try TestServer { [body] request, number in
            number < 2 ? TestResponse(503, headers: ["Retry-After": "0"]) : .file(body, request)
        }
        defer { server.stop() }
        _ = try Downloader.quick.fetch(download(server.address + "/file"))
        #expect(server.requests.count == 3)
        try expectWhole()
    }

    @Test func everyFailureIsNamed() throws {
        let server = try TestServer { request, _ in TestResponse(request.target == "/denied" ? 403 : 500) }
        defer { server.stop() }
        let error = try #require(throws: FetchError.self) {
            try Downloader.quick.fetch(
                download(server.address + "/denied", server.address + "/ill", "http://127.0.0.1:1/closed"))
        }
        for text in ["denies access", "status 500", "127.0.0.1:1/closed: "] { #expect("\(error)".contains(text)) }
        #expect(error.kind == .failure && server.requests.count == 4)
        #expect(try scratch.names() == [])
        #expect(throws: FetchError.badAddress("file:///etc/passwd")) {
            try Downloader.quick.fetch(download("file:///etc/passwd"))
        }
    }

    @Test func aServerThatStallsIsLeft() throws {
        let slow = try TestServer { [body] request, _ in
            var response = TestResponse.file(body, request)
            (response.closesAfter, response.stalls) = (50_000, true)
            return response
        }
        let good = try TestServer(files: ["/file": body])
        defer {
            slow.stop()
            good.stop()
        }
        var downloader = Downloader.quick
        downloader.options.stallTimeout = .seconds(1)
        let isSilent = try TestServer { [body] _, _ in
            var response = TestResponse(body: body)
            (response.closesAfter, response.stalls) = (0, true)
            return response
        }
        defer { isSilent.stop() }
        _ = try downloader.fetch(download(isSilent.address + "/file", good.address + "/file"))
        #expect(isSilent.requests.count == 1 && good.requests.count == 1)
        try expectWhole()
    }

    @Test func redirectsAreFollowedAndUnknownLengthsRead() throws {
        let target = try TestServer { [body] request, _ in
            var response = TestResponse.file(body, request)
            response.hidesLength = true
            return response
        }
        let server = try TestServer { [address = target.address] _, _ in
            TestResponse(302, headers: ["Location": address + "/elsewhere"], body: Data("moved".utf8))
        }
        defer {
            server.stop()
            target.stop()
        }
        _ = try Downloader.quick.fetch(download(server.address + "/file"))
        #expect(target.requests.map(\.target) == ["/elsewhere"])
        try expectWhole()
    }

    @Test func anEmptyFileIsAFile() throws {
        let server = try TestServer(files: ["/file": Data()])
        defer { server.stop() }
        let fetched = try Downloader.quick.fetch(download(server.address + "/file", checked: false))
        #expect(fetched.bytes == 0 && FileManager.default.fileExists(atPath: scratch.file("file").path))
    }

    @Test func aDamagedFileOnDiskIsSetAside() throws {
        try content(300_000, seed: 5).write(to: scratch.file("file"))
        let server = try TestServer(files: ["/file": body])
        defer { server.stop() }
        let log = CapturedLog()
        _ = try Downloader.quick.fetch(download(server.address + "/file"), monitor: log.monitor)
        #expect(try scratch.names() == ["file", "file.damaged"] && log.lines.count == 1)
    }

    @Test func twoProcessesDoNotMixOneFile() throws {
        let part = try PartialFile(for: scratch.file("file"))
        #expect(throws: FetchError.busy(file: scratch.file("file").path)) {
            try PartialFile(for: scratch.file("file"))
        }
        #expect(part.size == 0)
        // A file that another process is about to fill stays, although it is still empty.
        #expect(try scratch.names() == ["file.part"])
    }

    @Test func roomIsCheckedBeforeTheBytesCome() throws {
        let server = try TestServer { _, _ in
            var response = TestResponse(headers: ["Content-Length": "\(1 << 60)"], body: Data(count: 1000))
            (response.hidesLength, response.stalls) = (true, true)
            return response
        }
        defer { server.stop() }
        let error = try #require(throws: FetchError.self) {
            try Downloader.quick.fetch(download(server.address + "/file"))
        }
        guard case .noSpace(_, let needed, _) = error else {
            Issue.record("\(error)")
            return
        }
        #expect(needed == 1 << 60)
    }

    @Test func progressReadsWell() {
        let progress = FetchProgress(name: "a", phase: .fetching, done: 250, total: 1000, rate: 50)
        #expect(progress.description == "fetching a: 250 bytes of 1.0 kB (25 %), 50 bytes/s, 15 s left")
    }
}
