import Foundation
import TestSupport
import Testing

/// `evaluate` and `transcribe` print the same in several processes as in one.
@Suite(.onTestThreads) struct SharedRecognitionTests {
    private func launch(_ processes: Int, _ command: [String]) throws -> Outcome {
        try run(["launch", "--processes", "\(processes)", "--"] + command, environment: ["OMP_NUM_THREADS": "1"])
    }

    // Three utterances: each process gets one or two, or one process none.
    @Test(arguments: [2, 4]) func ratesAreTheSame(processes: Int) throws {
        try withTemporaryFolder { folder in
            let fixture = try Fixture(folder)
            func evaluation(_ outcome: Outcome) throws -> NSDictionary {
                #expect(outcome.code == 0 && outcome.output.split(separator: "\n").count == 1, "\(outcome.errors)")
                var object = try outcome.json()
                for time in ["seconds", "real_time_factor"] { #expect(object.removeValue(forKey: time) is Double) }
                return object as NSDictionary
            }
            let files = ["alone", "together"].map { folder.appendingPathComponent($0 + ".jsonl") }
            let commands = files.map {
                [
                    "evaluate", "--checkpoint", fixture.checkpoint, "--manifest", fixture.manifest, "--json",
                    "--save-predictions", $0.path,
                ]
            }
            let together = try launch(processes, commands[1])
            #expect(try evaluation(together) == evaluation(run(commands[0])))
            #expect(!together.errors.contains("[rank"), "\(together.errors)")
            let lines = try files.map { file in
                try String(contentsOf: file, encoding: .utf8).split(separator: "\n").map {
                    var line = try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any] ?? [:]
                    // A batch of another size may round differently.
                    let confidence = line.removeValue(forKey: "confidence") as? Double ?? .nan
                    return (confidence, line as NSDictionary)
                }
            }
            #expect(lines[0].count == 3 && lines[0].map(\.1) == lines[1].map(\.1))
            for (alone, together) in zip(lines[0], lines[1]) { #expect(abs(alone.0 - together.0) < 1e-5) }
        }
    }

    @Test func transcriptsComeInOrderFromOne() throws {
        try withTemporaryFolder { folder in
            let fixture = try Fixture(folder)
            try fixture.write("this is no audio", to: "audio/1a.wav")
            // A header that promises more than follows: decoding finds it, in one of the processes.
            let whole = try Data(contentsOf: URL(fileURLWithPath: fixture.audio + "/1.wav"))
            try whole.prefix(44).write(to: URL(fileURLWithPath: fixture.audio + "/empty.wav"))
            let command = ["transcribe", "--checkpoint", fixture.checkpoint, fixture.audio]
            let (alone, together) = try (run(command), launch(3, command))
            #expect(alone.code == 65 && together.code == 65)
            #expect(together.output == alone.output && together.output.split(separator: "\n").count == 3)
            // Except the line with the time, and the launcher's about the exit code.
            func complaints(_ outcome: Outcome) -> [Substring] {
                outcome.errors.split(separator: "\n").filter {
                    $0.hasPrefix("wav2vec2: ") && !$0.contains("ended with exit code")
                }
            }
            #expect(complaints(together) == complaints(alone) && complaints(alone).count == 2)
            #expect(!together.errors.contains("[rank"), "\(together.errors)")
        }
    }

    @Test func badDataEndsAll() throws {
        try withTemporaryFolder { folder in
            let fixture = try Fixture(folder)
            let short = try Data(contentsOf: URL(fileURLWithPath: fixture.audio + "/0.wav"))
            try short.write(to: URL(fileURLWithPath: fixture.audio + "/2.wav"))
            let outcome = try launch(
                3, ["evaluate", "--checkpoint", fixture.checkpoint, "--manifest", fixture.manifest])
            #expect(outcome.code == 65 && outcome.output == "", "\(outcome.errors)")
            #expect(outcome.errors.contains("2.wav: has 9000 samples at 16 kHz, but \(fixture.manifest):4 says 12345"))
        }
    }
}
