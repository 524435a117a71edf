import Foundation
import TestSupport
import Testing
import W2VBase

private struct Problem: LineReadingError, Equatable {
    var problem: LineProblem
    var path: String

    init(_ problem: LineProblem, in path: String) { (self.problem, self.path) = (problem, path) }
}

/// Reads from both sources; lists' and language models' own tests cover their use of lines.
@Suite("Line reader", .onTestThreads)
struct LineReaderTests {
    private func withFile(_ bytes: Data, _ body: (URL) throws -> Void) throws {
        try withTemporaryFolder { folder in
            let file = folder.appendingPathComponent("lines")
            try bytes.write(to: file)
            try body(file)
        }
    }

    private func lines(_ file: URL, unpacks: Bool, block: Int = 1 << 20) throws -> [String] {
        var lines: [String] = []
        var reader = try LineReader<Problem>(file, unpacks: unpacks, block: block)
        while let line = try reader.next() { lines.append(String(decoding: line, as: UTF8.self)) }
        return lines
    }

    /// `printf 'a\nb\n' | gzip -n`.
    private let compressed = Data([
        0x1F, 0x8B, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03, 0x4B, 0xE4, 0x4A, 0xE2, 0x02, 0x00, 0x97, 0x2A,
        0x57,
        0x18, 0x04, 0x00, 0x00, 0x00,
    ])

    @Test(arguments: [false, true])
    func plainTextIsRead(unpacks: Bool) throws {
        try withFile(Data("\u{FEFF}a\r\n\nlong line\nend".utf8)) { file in
            for block in [1, 3, 1 << 20] {
                let found = try lines(file, unpacks: unpacks, block: block)
                #expect(found == ["a", "", "long line", "end"])
            }
        }
        try withFile(Data()) { file in
            let found = try lines(file, unpacks: unpacks)
            #expect(found == [])
        }
        #expect(throws: Problem(.notFound, in: "/no/such/file")) {
            try lines(URL(fileURLWithPath: "/no/such/file"), unpacks: unpacks)
        }
        #expect(throws: Problem(.unreadable(reason: "it is a folder"), in: "/tmp")) {
            try lines(URL(fileURLWithPath: "/tmp"), unpacks: unpacks)
        }
    }

    @Test func compressedTextIsReadWhereItMayBe() throws {
        try withFile(compressed) { file in
            let found = try lines(file, unpacks: true)
            #expect(found == ["a", "b"])
            let error = try #require(throws: Problem.self) { try lines(file, unpacks: false) }
            guard case .notUTF8(1, _) = error.problem else { throw error }
        }
        try withFile(compressed.dropLast(10)) { file in
            let error = try #require(throws: Problem.self) { try lines(file, unpacks: true) }
            guard case .unreadable(let reason) = error.problem else { throw error }
            #expect(reason.contains("ends too early"))
        }
    }
}
