import ArgumentParser
import Foundation
import Logging
import Synchronization
import TestSupport
import Testing
import W2VAudio

@testable import W2VProgram

/// The messages of commands on standard error: levels, forms, and a terminal's display.
@Suite(.onTestThreads) struct LogTests {
    /// Parses the lines of standard error as JSON objects; fails for any other line.
    private func objects(_ outcome: Outcome) throws -> [[String: Any]] {
        try outcome.errors.split(separator: "\n").map { line in
            try #require(
                JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any], "not an object: \(line)")
        }
    }

    /// A folder with a recording and a file that is not one.
    private func listing(_ folder: URL, _ options: String...) throws -> Outcome {
        let speech = folder.appendingPathComponent("speech")
        try FileManager.default.createDirectory(at: speech, withIntermediateDirectories: true)
        try AudioFile.write([Float](repeating: 0.1, count: 16_000), to: speech.appendingPathComponent("good.wav"))
        try Data("no audio".utf8).write(to: speech.appendingPathComponent("bad.wav"))
        return try run(
            ["data", "manifest", "speech", "--output", "all.tsv", "--valid-percent", "0", "--allow-unreadable"]
                + options, in: folder)
    }

    @Test func quietLeavesWarnings() throws {
        try withTemporaryFolder { folder in
            let usual = try listing(folder)
            #expect(usual.code == 0 && usual.errors.contains("all.tsv: 1 recordings"), "\(usual.errors)")
            #expect(usual.errors.contains("WARNING: left out bad.wav: "), "\(usual.errors)")
            let quiet = try listing(folder, "--quiet")
            #expect(quiet.code == 0 && quiet.output == usual.output)
            let lines = quiet.errors.split(separator: "\n")
            #expect(lines.count == 2 && lines.allSatisfy { $0.hasPrefix("WARNING: ") }, "\(quiet.errors)")
            let both = try listing(folder, "--quiet", "--verbose")
            #expect(both.code == 64 && both.errors.contains("exclude each other"))
        }
    }

    @Test func jsonHasLevelsAndMetadata() throws {
        try withTemporaryFolder { folder in
            let objects = try objects(listing(folder, "--log-format", "json"))
            for object in objects {
                #expect(Set(object.keys) == ["time", "level", "message", "label", "metadata"])
                #expect((object["time"] as? String)?.hasSuffix("Z") == true && object["label"] as? String == "wav2vec2")
            }
            #expect(objects.map { $0["level"] as? String } == ["warning", "info", "warning"])
            let metadata = try #require(objects.first?["metadata"] as? [String: Any])
            #expect(metadata["file"] as? String == "bad.wav")
        }
    }

    @Test func errorsAreObjectsToo() throws {
        let outcome = try run("data", "dictionary", "/missing.tsv", "--output", "/tmp/none", "--log-format", "json")
        let objects = try objects(outcome)
        #expect(outcome.code == 65 && objects.count == 1)
        let message = try #require(objects.first?["message"] as? String)
        #expect(message.hasPrefix("/missing.tsv") && objects.first?["level"] as? String == "error")
        #expect((objects.first?["metadata"] as? [String: Any])?["exit_code"] as? Int == 65)
    }

    /// The parser fails before it has read the form of messages.
    @Test(arguments: [["--log-format", "json"], ["--log-format=json"]])
    func wrongUsageIsAnObjectToo(_ format: [String]) throws {
        for arguments in [
            ["transcribe", "--no-such-option"], ["evaluate"], ["data", "manifest", "x", "--quiet", "--verbose"],
        ] {
            let outcome = try run(arguments + format)
            let objects = try objects(outcome)
            #expect(outcome.code == 64 && objects.count == 1 && outcome.output.isEmpty, "\(outcome.errors)")
            #expect((objects.first?["metadata"] as? [String: Any])?["exit_code"] as? Int == 64)
        }
        // Help is a result, whatever the form of messages.
        let help = try run(["transcribe", "--help"] + format)
        #expect(help.code == 0 && help.output.contains("USAGE: ") && help.errors.isEmpty)
    }

    /// Each process's objects give its rank, and are not broken by prefixes.
    @Test func launchedProcessesWriteObjects() throws {
        let fixture = try LaunchFixture()
        let outcome = try fixture.start(
            ["launch", "--processes", "2", "--log-format", "json", "--verbose", "--"] + fixture.pretrain("run"))
        #expect(outcome.code == 0, "\(outcome.errors)")
        let objects = try objects(outcome)
        let met = objects.filter { $0["label"] as? String == "wav2vec2.cluster" }
        #expect(Set(met.compactMap { ($0["metadata"] as? [String: Any])?["rank"] as? Int }) == [0, 1])
        let updates = objects.filter { ($0["message"] as? String)?.hasPrefix("update ") == true }
            .compactMap { $0["metadata"] as? [String: Any] }
        #expect(updates.compactMap { $0["update"] as? Int } == [2, 4, 5])
        for metadata in updates {
            #expect(metadata["kind"] as? String == "train" && metadata["rank"] as? Int == 0)
            #expect(metadata["loss"] is Double && metadata["grad_norm"] is Double && metadata["accuracy"] is Double)
        }
        #expect(objects.contains { $0["level"] as? String == "debug" && $0["label"] as? String == "wav2vec2.training" })
    }

    /// A command line keeps its own options.
    @Test func launchedCommandsTakeTheLaunchersOptions() throws {
        let options = try LogOptions.parse(["--quiet", "--log-format", "json"])
        #expect(options.passedOn(to: ["pretrain"]) == ["--quiet", "--log-format", "json"])
        #expect(options.passedOn(to: ["pretrain", "--verbose", "--log-format=text"]) == [])
        #expect(try LogOptions.parse([]).passedOn(to: ["pretrain"]) == [])
    }

    @Test func everyCommandThatWorksHasTheOptions() {
        func leaves(_ command: any ParsableCommand.Type) -> [any ParsableCommand.Type] {
            let below = command.configuration.subcommands
            return below.isEmpty ? [command] : below.flatMap(leaves)
        }
        let commands = leaves(Program.self)
        #expect(commands.count > 30)
        for command in commands { #expect(command is any LoggingCommand.Type, "\(command)") }
    }

    // MARK: - The handler

    private let written = Written()

    /// The written text.
    private final class Written: Sendable {
        private let pieces = Mutex<[String]>([])
        var text: String { pieces.withLock { $0.joined() } }
        func write(_ text: String) { pieces.withLock { $0.append(text) } }

        /// The rows that a terminal would show.
        var rows: [String] {
            text.split(separator: "\n", omittingEmptySubsequences: false).map { row in
                row.components(separatedBy: "\r\u{1B}[K").last ?? ""
            }
        }
    }

    private func stream(isTerminal: Bool, linePause: Duration = .seconds(10)) -> MessageStream {
        MessageStream(
            isTerminal: isTerminal, pause: .zero, linePause: linePause, width: { 40 },
            write: { [written] in written.write($0) })
    }

    private func logger(_ format: LogFormat, isTerminal: Bool = false, level: Logger.Level = .info) -> Logger {
        let stream = stream(isTerminal: isTerminal)
        var logger = Logger(label: "test") { ConsoleLogHandler(label: $0, format: format, stream: stream) }
        logger.logLevel = level
        return logger
    }

    @Test func warningsAndErrorsAreMarked() {
        let logger = logger(.text, level: .debug)
        logger.debug("one", metadata: ["update": "1"])
        logger.info("two")
        logger.notice("three")
        logger.warning("four\nfive")
        logger.error("six")
        #expect(written.text == "one\ntwo\nthree\nWARNING: four<U+000A>five\nwav2vec2: six\n")
    }

    @Test func numbersOfMetadataStayNumbers() throws {
        var logger = logger(.json)
        logger[metadataKey: "rank"] = .stringConvertible(1)
        logger.debug("not this one")
        logger.info(
            "line\n\"two\"",
            metadata: [
                "update": .stringConvertible(7), "loss": .stringConvertible(0.5), "best": .stringConvertible(true),
                "bad": .stringConvertible(Double.nan), "files": ["a", "b"], "inner_keys": ["lossScale": "x"],
            ])
        let lines = written.text.split(separator: "\n")
        #expect(lines.count == 1)
        let object = try #require(
            JSONSerialization.jsonObject(with: Data((lines.first ?? "").utf8)) as? [String: Any])
        #expect(object["message"] as? String == "line\n\"two\"")
        let metadata = try #require(object["metadata"] as? [String: Any])
        #expect(metadata["rank"] as? Int == 1 && metadata["update"] as? Int == 7 && metadata["loss"] as? Double == 0.5)
        #expect(metadata["best"] as? Bool == true && metadata["bad"] as? String == "nan")
        #expect(metadata["files"] as? [String] == ["a", "b"])
        #expect(metadata["inner_keys"] as? [String: String] == ["lossScale": "x"])
    }

    // MARK: - The terminal

    @Test func progressGivesWayToLines() {
        let stream = stream(isTerminal: true)
        stream.progress(.onTerminals) { "update 1/9" }
        stream.line("first")
        stream.line("second")
        #expect(written.rows == ["first", "second", ""])
        stream.progress(.onTerminals) { "update 2/9" }
        #expect(written.rows == ["first", "second", "update 2/9"])
        stream.progress(.onTerminals) { "update 3/9" }
        #expect(written.rows == ["first", "second", "update 3/9"])
        stream.clear()
        #expect(written.rows == ["first", "second", ""])
    }

    @Test func progressIsCutToTheTerminal() {
        stream(isTerminal: true).progress(.everywhere) { String(repeating: "x", count: 100) }
        #expect(written.rows == [String(repeating: "x", count: 38) + "…"])
    }

    @Test func progressIsALineWhereThereIsNoTerminal() {
        // Work that is soon done needs no line.
        let brief = stream(isTerminal: false)
        brief.progress(.everywhere) { "one of nine" }
        brief.progress(.everywhere) { "less than ten seconds later" }
        #expect(written.text == "")
        let stream = stream(isTerminal: false, linePause: .zero)
        stream.progress(.onTerminals) { "never" }
        stream.progress(.everywhere, share: 0) { "when the work begins" }
        stream.progress(.everywhere, share: 0.5) { "five of nine" }
        #expect(written.text == "five of nine\n")
    }

    @Test func barsFitTheTerminal() {
        let terminal = stream(isTerminal: true)
        terminal.progress(.everywhere, share: 0.5) { "half of it" }
        #expect(written.rows == ["[#############-------------] half of it"])
        terminal.progress(.everywhere, share: 0.5) { String(repeating: "x", count: 30) }
        #expect(written.rows == [String(repeating: "x", count: 30)])
        terminal.progress(.everywhere, share: 2) { "more than all" }
        #expect(written.rows.last?.hasPrefix("[#######################] ") == true)
    }

    @Test func marksAreColoredWhereTheyMayBe() {
        let stream = stream(isTerminal: true)
        let logger = Logger(label: "test") {
            ConsoleLogHandler(label: $0, format: .text, stream: stream, isColored: true)
        }
        logger.info("one")
        logger.warning("two")
        #expect(written.text == "one\n\u{1B}[33mWARNING:\u{1B}[0m two\n")
    }

    /// Many threads log while progress is shown: every line is whole, and on a row of its own.
    @Test func linesAndProgressDoNotMix() {
        let stream = stream(isTerminal: true)
        let logger = Logger(label: "test") { ConsoleLogHandler(label: $0, format: .text, stream: stream) }
        DispatchQueue.concurrentPerform(iterations: 8) { thread in
            for number in 0..<200 {
                logger.info("thread \(thread) line \(number)")
                stream.progress(.everywhere) { "update \(number)" }
            }
        }
        stream.clear()
        let expected = (0..<8).flatMap { thread in (0..<200).map { "thread \(thread) line \($0)" } }
        #expect(Set(written.rows) == Set(expected + [""]) && written.rows.count == expected.count + 1)
    }
}
