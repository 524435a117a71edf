import Foundation
import TestSupport
import Testing
import W2VBase
import W2VCluster
import W2VTraining

@testable import W2VProgram

@Suite(.onTestThreads) struct PhraseTests {
    /// The names of the phrases that the libraries declare.
    private static func declaredNames() throws -> Set<String> {
        let root = Repository.root.appendingPathComponent("Sources")
        let files = try #require(FileManager.default.enumerator(at: root, includingPropertiesForKeys: nil))
        var names: Set<String> = []
        for case let file as URL in files where file.pathExtension == "swift" {
            let code = try String(contentsOf: file, encoding: .utf8)
            for match in code.matches(of: /static let (\w+) = Phrase\(/) { names.insert(String(match.1)) }
            for match in code.matches(of: /static func \w+\([^{]*-> Phrase \{[^}]*name: "(\w+)"/) {
                names.insert(String(match.1))
            }
        }
        return names
    }

    @Test func theCommandLineHasWordsForEveryPhrase() throws {
        let declared = try Self.declaredNames()
        #expect(declared.count > 50)
        #expect(declared.subtracting(commandLinePhrases.keys.map(\.name)).sorted() == [])
        #expect(Phrase.resume.name == "resume" && Phrase.threads(3).name == "threads")
    }

    @Test func exitCodesFollowFromTheKind() {
        func code(_ kind: ErrorKind) -> Int32? { failureCode(CommandError(kind, "")) }
        #expect(code(.usage) == 64 && code(.input) == 65 && code(.failure) == 1)
        #expect(code(.interrupted(signal: SIGINT)) == 130 && code(.interrupted(signal: SIGTERM)) == 143)
        #expect(failureCode(CancellationError()) == 1 && failureCode(POSIXError(.EIO)) == nil)
    }

    @Test func anErrorNamesWhatToType() throws {
        try withTemporaryFolder { folder in
            let occupied = folder.appendingPathComponent("occupied")
            try FileManager.default.createDirectory(at: occupied, withIntermediateDirectories: true)
            try Data("x".utf8).write(to: occupied.appendingPathComponent("mine"))
            // The library says "resume the run, or choose another output".
            let outcome = try run(
                "pretrain", "--recipe", "demo-pretrain", "--train", "a.tsv", "--valid", "a.tsv", "--output",
                occupied.path)
            #expect(outcome.code == 64 && outcome.errors.hasPrefix("wav2vec2: \(occupied.path) is not empty; "))
            #expect(outcome.errors.contains("--resume") && outcome.errors.contains("--output"), "\(outcome.errors)")
            #expect(!outcome.errors.contains("{}") && !outcome.errors.contains(Phrase.resume.neutral))
        }
    }
}
