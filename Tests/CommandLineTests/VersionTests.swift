import Foundation
import TestSupport
import Testing
import W2VKernels
import W2VTorch

/// What `--version` prints; scripts read the version from its first line.
@Suite(.onTestThreads) struct VersionTests {
    private static func lines(_ instructions: String) throws -> [String] {
        let outcome = try run(["--version"], environment: ["WAV2VEC2_INSTRUCTIONS": instructions])
        #expect(outcome.code == 0 && outcome.errors == "")
        return outcome.output.split(separator: "\n").map(String.init)
    }

    @Test func versionsAndInstructionsAreThoseInUse() throws {
        let lines = try Self.lines("")
        try #require(lines.count == 3)
        let version = try #require(lines[0].wholeMatch(of: /wav2vec2 ([0-9]+\.[0-9]+\.[0-9]+)/)).output.1
        #expect(lines[1] == "LibTorch \(LibTorch.version)")
        #expect(lines[2].hasSuffix(", BF16 products \(HostInstructions.multiplyBFloat16 ? "yes" : "no")"))
        let doctor = try run("doctor", "--json").json()
        #expect(doctor["program"] as? String == String(version))
        if ProcessInfo.processInfo.environment["WAV2VEC2_INSTRUCTIONS"] == nil {
            #expect(lines[2].hasPrefix("instructions \(doctor["kernels"] as? String ?? ""), "))
        }
        #expect(try Self.lines("plain")[2].hasPrefix("instructions plain, "))
    }

    @Test func theChangelogTellsOfThisVersion() throws {
        let changelog = try String(
            contentsOf: Repository.root.appendingPathComponent("CHANGELOG.md"), encoding: .utf8)
        let version = try #require(try Self.lines("")[0].split(separator: " ").last)
        #expect(changelog.contains("\n## [\(version)] - "))
    }
}
