import Foundation
import TestSupport
import Testing
import W2VTorch

@testable import W2VBackbone
@testable import W2VInterchange

@Suite(.onTestThreads) struct CheckpointDictionaryTests {
    private let name = "w2v_encoder.proj.weight"
    private let own = SmallModel.labels

    private func checkpoint(_ labels: [String], in folder: URL) throws -> Checkpoint {
        let model = SmallModel(task: .ctc)
        var description = try model.description()
        description.labels = labels
        let url = folder.appendingPathComponent(UUID().uuidString)
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        try Checkpoint.write(description, state: model.state(), to: url)
        return try Checkpoint.read(url)
    }

    @Test func rowsBelongToTheirSymbols() throws {
        try withTemporaryFolder { folder in
            let original = try checkpoint(own, in: folder)
            #expect(try original.labeled(own, from: "same").notes == [])
            let order = [0, 1, 2, 3, 8, 6, 4, 7, 5]
            let other = try original.labeled(order.map { own[$0] }, from: "other.txt")
            #expect(other.description.labels == order.map { own[$0] })
            for part in ["weight", "bias"] {
                let key = "w2v_encoder.proj.\(part)"
                let expected = try #require(original.state[key]).taking(Tensor(order))
                #expect(try differences(["": expected], ["": #require(other.state[key])]) == [])
            }
            #expect(other.notes.map(\.subject) == [.dictionary] && other.notes[0].phrase.hasPrefix("other.txt: "))
            // It is not part of the checkpoint, so nothing is reported as left out.
            #expect(other.notCarriedOver == [])
            // Converting keeps the rows with their symbols.
            let place = folder.appendingPathComponent("converted")
            _ = try other.convert(to: place, format: .native)
            let read = try Checkpoint.read(place)
            #expect(read.description.labels == other.description.labels)
            #expect(try differences(read.state, other.state) == [])
        }
    }

    @Test func otherSymbolsRenameLabelsAndAreNoted() throws {
        try withTemporaryFolder { folder in
            let original = try checkpoint(own, in: folder)
            let renamed = try original.labeled(Array(own.prefix(5)) + ["e", "t", "a", "'"], from: "lower.txt")
            #expect(try differences(renamed.state, original.state) == [])
            #expect(renamed.notes.count == 1)
            #expect(renamed.notes[0].phrase.contains("gives 3 of 9 labels other symbols") == true)
            // Hugging Face's names of the blank and fairseq's padding do not count as another order.
            let theirs = try checkpoint(["<pad>", "<s>"] + own.dropFirst(2), in: folder)
            let ours = try theirs.labeled(own, from: "ours.txt")
            #expect(try differences(ours.state, theirs.state) == [] && ours.description.labels == own)
        }
    }

    @Test func mismatchedDictionariesAreRejected() throws {
        try withTemporaryFolder { folder in
            let original = try checkpoint(own, in: folder)
            for symbols in [
                Array(own.prefix(4)) + ["E", "|", "T", "A", "x"], Array(own.prefix(4)) + ["T", "T", "E", "A", "|"],
                ["<pad>", "<s>"] + own.dropFirst(2),
            ] {
                let error = #expect(throws: CheckpointError.self) { try original.labeled(symbols, from: "bad.txt") }
                let sentence = try #require(error).description
                #expect(sentence.hasPrefix("bad.txt has \"") && sentence.contains(" as label "), "\(sentence)")
            }
            #expect(throws: CheckpointError.self) { try original.labeled(["<s>"], from: "short.txt") }
        }
    }

    @Test func symbolsThatLookEqualAreTwo() throws {
        try withTemporaryFolder { folder in
            let labels = Array(own.prefix(7)) + ["K", "\u{212A}"]
            let original = try checkpoint(labels, in: folder)
            #expect(original.description.labels[8].unicodeScalars.map(\.value) == [0x212A])
            let other = try original.labeled(Array(own.prefix(7)) + ["\u{212A}", "K"], from: "other.txt")
            let expected = try #require(original.state[name]).taking(Tensor([0, 1, 2, 3, 4, 5, 6, 8, 7]))
            #expect(try differences(["": expected], ["": #require(other.state[name])]) == [])
            let comparison = try CheckpointComparison(
                original, original.labeled(labels, from: "same"))
            #expect(comparison.dictionary == [])
            #expect(try CheckpointComparison(original, other).dictionary.map(\.key) == ["label 7", "label 8"])
            #expect(throws: CheckpointError.self) { try Checkpoint.average([original, other]) }
        }
    }
}
