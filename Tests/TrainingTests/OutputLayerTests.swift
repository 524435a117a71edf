import Foundation
import TestSupport
import Testing
import W2VCorpus
import W2VInterchange
import W2VTorch

@testable import W2VTraining

/// The part of a recognizer's output layer that fine-tuning keeps.
@Suite(.onTestThreads) struct OutputLayerTests {
    private func layer(_ labels: [String], _ symbols: [String], used: Set<Int> = []) throws -> OutputLayer {
        OutputLayer(
            labels: labels, dictionary: try LabelDictionary(symbols: LabelDictionary.specials + symbols), used: used)
    }

    @Test func rowsFollowTheirSymbols() throws {
        let labels = LabelDictionary.specials + ["|", "a", "b"]
        let same = try layer(labels, ["|", "a", "b"])
        #expect(same.rows == (0..<7).map { .kept($0) } && same.new.isEmpty && same.dropped.isEmpty)
        #expect(same.summary(of: "x").contains("that of x, with all 7 symbols"))
        let other = try layer(labels, ["b", "ä", "|"])
        #expect(other.rows == [.kept(0), .kept(1), .kept(2), .kept(3), .kept(6), .new, .kept(4)])
        let told = other.summary(of: "x")
        #expect(told.contains("for 6 of 7 symbols; new \"ä\" (U+00E4); left out \"a\""), "\(told)")
        #expect(try layer(labels, ["|", "A", "B"]).keepsLetters == false)
    }

    /// Code points decide, not canonical equivalence.
    @Test func symbolsAreComparedByTheirCodePoints() throws {
        #expect(try layer(LabelDictionary.specials + ["e\u{301}"], ["\u{E9}"]).rows.last == .new)
        #expect(try layer(LabelDictionary.specials + ["\u{E9}"], ["\u{E9}"]).rows.last == .kept(4))
    }

    /// Other programs' recognizers may have a blank with another name, and no other special symbols.
    @Test func specialsThatNobodyWritesStayBelowTheBlank() throws {
        let labels = ["[PAD]", "b", "<unk>", "a", "|"]
        let found = try layer(labels, ["|", "a", "b"])
        #expect(found.rows == [.kept(0), .silent, .silent, .kept(2), .kept(4), .kept(3), .kept(1)])
        #expect(try layer(labels, ["|", "a", "b"], used: [1]).rows[1] == .new, "it is to be learned")
        let own = try Tensor((0..<5).map { Float($0) })
        let bias = try found.combine(own, Tensor([Float](repeating: 9, count: 7)))
        #expect(try bias.elements(Float.self) == [0, -30, -30, 2, 4, 3, 1])
        let weight = try found.combine(own.reshaped([5, 1]), Tensor([Float](repeating: 9, count: 7)).reshaped([7, 1]))
        #expect(try weight.elements(Float.self) == [0, 0, 0, 2, 4, 3, 1])
        let extended = try layer(LabelDictionary.specials + ["a"], ["x", "a"])
        #expect(
            try extended.combine(own, Tensor((10..<16).map { Float($0) })).elements(Float.self) == [0, 1, 2, 3, 14, 4])
    }
}

/// Fine-tuning that starts from a recognizer.
@Suite(.onTestThreads, .serialized) struct RecognizerOriginTests {
    private let corpus: SyntheticCorpus

    init() throws {
        // The computation is tiny, and test machines are busy.
        LibTorch.threads = 1
        corpus = try SyntheticCorpus(utterances: 6)
    }

    /// Trains the recognizer that the tests start from.
    private func trainOld(updates: Int) throws {
        var job = try corpus.job(
            .finetuning, "old",
            Self.plain + [
                "optimization.max_update=\(updates)", "optimization.lr=0.004", "optimization.schedule=constant",
                "model.feature_grad_mult=1", "validation.every=off", "checkpoint.save_every=500",
            ])
        job.valid = job.train
        _ = try Trainer(job).run()
    }

    private static let plain = [
        "model.dropout=0", "model.attention_dropout=0", "model.dropout_input=0", "model.final_dropout=0",
        "model.encoder_layerdrop=0", "masking.mask_prob=0", "masking.mask_channel_prob=0",
    ]

    private var old: URL { corpus.file("old/last") }

    /// Validates after an update with almost no effect, and returns the result with the messages before it.
    private func begin(
        _ output: String, from: URL, _ assignments: [String] = [], newHead: Bool = false
    ) throws -> (rates: [Double], log: CapturedLog) {
        var job = try corpus.job(
            .finetuning, output, ["optimization.max_update=1", "optimization.lr=1e-12"] + assignments)
        job.from = from
        job.valid = job.train
        job.newHead = newHead
        let log = CapturedLog()
        _ = try Trainer(job, logger: log.logger()).run()
        return (try rates(output), log)
    }

    private func rates(_ output: String) throws -> [Double] {
        let valid = try #require(try corpus.metrics(output).last { $0["kind"] as? String == "valid" })
        return ["wer", "cer", "uer"].compactMap { valid[$0] as? Double }
    }

    private func setDictionary(_ symbols: String) throws {
        let lines = symbols.map { "\($0) 1\n" }.joined()
        try Data(lines.utf8).write(to: corpus.file("dict.ltr.txt"))
    }

    @Test func itsErrorRatesAreThoseOfTheRecognizer() throws {
        try trainOld(updates: 120)
        let expected = try rates("old")
        #expect(expected.count == 3 && expected[2] < 0.5, "it has learned something: \(expected)")
        let same = try begin("same", from: old)
        #expect(same.rates == expected)
        #expect(same.log.lines.contains { $0.contains("that of \(old.path), with all 8 symbols") })
        #expect(try begin("seed", from: old, ["seed=7"]).rates == expected)
        try setDictionary("cb|a")
        #expect(try begin("permuted", from: old).rates == expected)
        try setDictionary("|xcbay")
        let extended = try begin("extended", from: old, ["seed=5"])
        #expect(
            extended.log.lines.contains { $0.contains("for 8 of 10 symbols; new \"x\", \"y\"") },
            "\(extended.log.lines)")
        #expect(extended.rates == expected)
        // The new rows are those of a new output layer of the same seed.
        let fresh = try begin("fresh", from: old, ["seed=5"], newHead: true)
        #expect(
            fresh.log.lines.contains { $0.contains("as asked for (a new output layer)") } && fresh.rates != expected)
        let rows = try ["extended", "fresh"].map { output in
            let weight = try #require(
                try Checkpoint.read(corpus.file("\(output)/last")).state["w2v_encoder.proj.weight"])
            return try [4, 5, 9].map { try weight.rows($0..<$0 + 1).elements(Float.self) }
        }
        #expect(zip(rows[0][1], rows[1][1]).allSatisfy { abs($0 - $1) < 1e-6 }, "the row of x")
        #expect(zip(rows[0][2], rows[1][2]).allSatisfy { abs($0 - $1) < 1e-6 }, "the row of y")
        #expect(zip(rows[0][0], rows[1][0]).contains { abs($0 - $1) > 1e-3 }, "the row of |")
        for format in [CheckpointFormat.fairseq, .nvidia, .huggingFace] { try expectTheSame(from: format, expected) }
    }

    /// The same recognizer in another program's format.
    private func expectTheSame(from format: CheckpointFormat, _ expected: [Double]) throws {
        let checkpoint = try Checkpoint.read(old)
        let place = corpus.file(format == .huggingFace ? "hf" : "\(format).pt")
        if format == .huggingFace {
            try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
        }
        try Checkpoint.write(checkpoint.description, state: checkpoint.weights(), to: place, format: format)
        try setDictionary("a|bc")
        let found = try begin("\(format)", from: place)
        #expect(found.log.lines.contains { $0.contains("with all 8 symbols") }, "\(found.log.lines)")
        #expect(found.rates == expected, "\(format)")
    }

    @Test func withoutADictionaryOrACommonLetterTheLayerIsNewAndThatIsSaid() throws {
        try trainOld(updates: 1)
        let checkpoint = try Checkpoint.read(old)
        var description = checkpoint.description
        description.labels = []
        let place = corpus.file("unlabeled.pt")
        try Checkpoint.write(description, state: checkpoint.weights(), to: place, format: .fairseq)
        let unlabeled = try begin("unlabeled", from: place)
        #expect(
            unlabeled.log.warnings.contains {
                $0.hasPrefix("the output layer is new: \(place.path)") && $0.contains("its dictionary first")
            }, "\(unlabeled.log.lines)")
        try setDictionary("|ABC")
        for name in ["train", "valid"] {
            let labels = try String(contentsOf: corpus.file("\(name).ltr"), encoding: .utf8)
            try Data(labels.uppercased().utf8).write(to: corpus.file("\(name).ltr"))
        }
        let capitals = try begin("capitals", from: old)
        #expect(
            capitals.log.lines.contains {
                $0.contains("does not write any of the dictionary's letters (it writes \"a\", \"b\", \"c\"")
                    && $0.contains("has \"A\", \"B\", \"C\"")
            }, "\(capitals.log.lines)")
    }

    /// A resumed run continues with its own output layer, whatever else is given with `--resume`.
    @Test func theRequestForANewLayerCountsOnce() throws {
        try trainOld(updates: 1)
        var job = try corpus.job(.finetuning, "run", ["optimization.max_update=2"])
        job.from = old
        job.newHead = true
        _ = try Trainer(job).run()
        func told() throws -> [String] {
            job.resume = true
            job.recipe.optimization.maxUpdate += 1
            let log = CapturedLog()
            _ = try Trainer(job, logger: log.logger()).run()
            return log.lines.filter { $0.contains("has no effect") }
        }
        #expect(try told().isEmpty, "the same command once more")
        job.newHead = false
        #expect(try told().isEmpty)
        job = try corpus.job(.finetuning, "kept", ["optimization.max_update=2"])
        job.from = old
        _ = try Trainer(job).run()
        job.newHead = true
        #expect(try told().contains { $0.contains("a new output layer has no effect: this run began without it") })
        job.newHead = false
        job.from = corpus.file("old/best")
        #expect(try told().contains { $0.contains("old/best has no effect: this run has begun, with the weights of") })
    }
}
