import Foundation
import TestSupport
import Testing
import W2VBase
import W2VDecoding

@testable import W2VProgram

/// Results of long recordings are written in pieces.
@Suite(.onTestThreads) struct ResultOutputTests {
    private struct Report: Encodable {
        var file: String
        var confidence: Double
        var words: [TimedText]
        var empty: [TimedText] = []
    }

    @Test func piecesAreTheLineOfTheWhole() throws {
        let words = (0..<2050).map { index in
            TimedText(
                text: "WORD \"\(index)\"/ü", start: Double(index) * 0.1, end: Double(index) / 3, confidence: 0.5)
        }
        for count in [0, 1, 100, 101, 2050] {
            let report = Report(file: "a/\"b\".wav", confidence: 0.25, words: Array(words.prefix(count)))
            var pieces: [String] = []
            try writeJSONLine(
                [
                    "file": .value(report.file), "confidence": .value(report.confidence), "words": .list(report.words),
                    "empty": .list(report.empty),
                ], to: { pieces.append($0) })
            #expect(try pieces.joined() == jsonLine(report) + "\n")
            #expect(pieces.allSatisfy { $0.utf8.count < 20_000 })
        }
    }

    @Test(arguments: [["doctor", "--json"], ["checkpoint", "fetch", "--list"]])
    func whatCannotBeWrittenIsAFailure(_ arguments: [String]) throws {
        let outcome = try run(arguments, output: "/dev/full")
        #expect(outcome.code == 1)
        #expect(outcome.errors.contains("standard output cannot be written (the disk is full)"))
    }

    @Test func linksAndDevicesStayWhatTheyAre() throws {
        try withTemporaryFolder { folder in
            let manager = FileManager.default
            let (file, link) = (folder.appendingPathComponent("file"), folder.appendingPathComponent("link"))
            try Data("old".utf8).write(to: file)
            try manager.createSymbolicLink(at: link, withDestinationURL: file)
            try writeResult("new", to: link)
            #expect(try String(contentsOf: file, encoding: .utf8) == "new")
            #expect(try manager.destinationOfSymbolicLink(atPath: link.path) == file.path)
            let pipe = folder.appendingPathComponent("pipe")
            #expect(mkfifo(pipe.path, 0o600) == 0)
            let reader = open(pipe.path, O_RDWR)
            defer { close(reader) }
            try writeResult("through", to: pipe)
            var bytes = [UInt8](repeating: 0, count: 16)
            #expect(read(reader, &bytes, 16) == 7 && bytes.starts(with: Array("through".utf8)))
            #expect(Set(try manager.contentsOfDirectory(atPath: folder.path)) == ["file", "link", "pipe"])
        }
    }

    @Test func aFileAppearsWhenItIsWhole() throws {
        try withTemporaryFolder { folder in
            let file = folder.appendingPathComponent("out.txt")
            let line = String(repeating: "x", count: 999) + "\n"
            try writeResult(to: file) { write in for _ in 0..<200 { try write(line) } }
            #expect(try String(contentsOf: file, encoding: .utf8) == String(repeating: line, count: 200))
            #expect(throws: CocoaError.self) {
                try writeResult(to: file) { write in
                    for _ in 0..<200 { try write("y") }
                    throw CocoaError(.fileWriteUnknown)
                }
            }
            #expect(try String(contentsOf: file, encoding: .utf8).first == "x")
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["out.txt"])
        }
    }
}
