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
        let outcome = try run("pretrain", "--resume", "--train", "/none", "--valid", "/none", "--output", "/dev/null/x")
        #expect(outcome.code != 0 && !outcome.errors.contains("{}"))
        let weight = try run("pretrain", "--train", "a.tsv:0", "--valid", "a.tsv", "--output", "/tmp/never")
        #expect(weight.code == 64 && weight.errors.contains("--train"), "\(weight.errors)")
    }
}
