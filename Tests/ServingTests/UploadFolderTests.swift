import Foundation
import Synchronization
import TestSupport
import Testing

@testable import W2VServing

/// The folder of uploads and its removal.
@Suite struct UploadFolderTests {
    private func names(in folder: URL) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
    }

    @Test func leftoversOfKilledServersAreRemoved() async throws {
        try await withServer { running in
            let leftover = running.folder.appendingPathComponent("wav2vec2-serve-killed")
            let foreign = running.folder.appendingPathComponent("other-folder")
            for folder in [leftover, foreign] {
                try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
                try Data("x".utf8).write(to: folder.appendingPathComponent("upload"))
            }
            let own = running.server.core.uploads.url.lastPathComponent
            let next = UploadFolder(in: running.folder)
            try next.open()
            // The folders of running servers, and other folders, are kept.
            #expect(try names(in: running.folder) == ["other-folder", own, next.url.lastPathComponent].sorted())
            next.remove()
            #expect(try await running.send("POST", "/v1/transcribe", wave(16_000, seed: 1)).status == 200)
            try FileManager.default.removeItem(at: foreign)
        }
    }

    @Test(arguments: [(ENOSPC, 507), (EROFS, 503), (EMFILE, 503), (EACCES, 500)])
    func whatPassesIsToBeTriedAgain(number: Int32, status: Int) {
        let error = RequestError.storage(number)
        #expect(Int(error.status.code) == status && error.hidden != nil)
        #expect((error.headers.first(name: "Retry-After") != nil) == (status == 503))
    }

    @Test func aFolderThatWasSweptAwayIsMadeAgain() async throws {
        try await withServer { running in
            let folder = running.server.core.uploads.url
            try FileManager.default.removeItem(at: folder)
            #expect(try await running.send("POST", "/v1/transcribe", wave(16_000, seed: 1)).status == 200)
            let rights = try FileManager.default.attributesOfItem(atPath: folder.path)[.posixPermissions] as? Int
            #expect(rights == 0o700)
            // The folder is locked again.
            let next = UploadFolder(in: running.folder)
            try next.open()
            next.remove()
            #expect(FileManager.default.fileExists(atPath: folder.path))
        }
    }

    @Test func aServerThatCannotStoreSaysSo() async throws {
        try await withServer { running in
            try FileManager.default.removeItem(at: running.folder)
            let reply = try await running.send("POST", "/v1/transcribe", wave(16_000, seed: 1))
            #expect(reply.status == 500 && reply.error == "storage" && !reply.text.contains(running.folder.path))
            let health = try await running.send("GET", "/health")
            #expect(try health.status == 503 && health.json()["status"] as? String == "no_storage")
            try FileManager.default.createDirectory(at: running.folder, withIntermediateDirectories: true)
            #expect(try await running.send("GET", "/health").status == 200)
            #expect(try await running.send("POST", "/v1/transcribe", wave(16_000, seed: 1)).status == 200)
        }
    }

    @Test func aMissingTemporaryFolderIsNamedAndNotMade() async throws {
        let folder = try TemporaryFolder()
        let missing = folder.file("none/deeper")
        var options = ServerOptions()
        options.port = 0
        options.temporaryFolder = missing
        let server = Server(options, facts: RunningServer.facts)
        await #expect(throws: ServerError.noFolder(missing.path, reason: "there is no such file or folder")) {
            _ = try await server.start()
        }
        #expect(!FileManager.default.fileExists(atPath: missing.deletingLastPathComponent().path))
    }

    @Test(arguments: [(ENOSPC, 507), (EDQUOT, 507), (EACCES, 500), (EIO, 500)])
    func fullDisksAreTheServersFault(number: Int32, status: Int) {
        let error = RequestError.storage(number)
        #expect(error.status.code == status && error.type == "storage")
    }
}
