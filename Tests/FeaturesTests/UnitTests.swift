import Foundation
import TestSupport
import Testing
import W2VBase

@testable import W2VFeatures

@Suite(.onTestThreads) struct UnitTests {
    @Test func runsCollapse() throws {
        let sequence = UnitSequence(name: "a", units: [5, 5, 2, 2, 2, 5, 7])
        #expect(sequence.collapsed.symbols == ["5", "2", "5", "7"])
        #expect(UnitSequence(name: "a", units: []).collapsed.symbols == [])
        #expect(sequence.line(.text) == "a\t5 5 2 2 2 5 7")
        // A name cannot add a line or a column, or send control characters to the terminal.
        #expect(UnitSequence(name: "a\t1\nb\u{1B}[31m", units: [5]).line(.text) == "a<U+0009>1<U+000A>b<U+001B>[31m\t5")
        #expect(sequence.collapsed.line(.km) == "5 2 5 7")
    }

    @Test func filesAreReadBack() throws {
        try withTemporaryFolder { folder in
            let sequences = [
                UnitSequence(name: "a b", units: [1, 2]), UnitSequence(name: "c", units: []),
                UnitSequence(name: "d", symbols: ["3-14", "0-0"]),
            ]
            let names = sequences.map(\.name)
            for format in UnitSequence.Format.allCases {
                let file = folder.appendingPathComponent("units.\(format)")
                let writer = try UnitWriter(file, format: format)
                // A text file names each line's utterance, so its order is free.
                for sequence in format == .text ? sequences.reversed() : sequences { try writer.append(sequence) }
                #expect(!FileManager.default.fileExists(atPath: file.path))
                try writer.finish()
                #expect(try UnitSequence.read(file, names: names, manifest: "m") == sequences)
                #expect(throws: FeatureError.self) { try UnitWriter(file, format: format) }
                #expect(throws: FeatureError.unitCount(file: file.path, found: 3, manifest: "m", expected: 2)) {
                    try UnitSequence.read(file, names: ["a b", "c"], manifest: "m")
                }
            }
            let file = folder.appendingPathComponent("units.text")
            #expect {
                try UnitSequence.read(file, names: ["a b", "x", "d"], manifest: "m")
            } throws: {
                guard case FeatureError.badUnits(file.path, line: 2, let expected, _) = $0 else { return false }
                return expected.hasPrefix("an utterance of m ")
            }
            #expect(throws: FeatureError.self) {
                try UnitSequence.read(folder.appendingPathComponent("none"), names: names, manifest: "m")
            }
            // Names are distinguished by code points: K and the Kelvin sign differ. Other editors' byte order marks and
            // line ends.
            let odd = folder.appendingPathComponent("odd.text")
            try Data("\u{FEFF}\u{212A}\t1 2\r\nK\t3\r\n".utf8).write(to: odd)
            #expect(
                try UnitSequence.read(odd, names: ["K", "\u{212A}"], manifest: "m").map(\.symbols) == [
                    ["3"], ["1", "2"],
                ])
            try Data([0x4B, 0x09, 0xFF]).write(to: odd)
            let latin = #expect(throws: FeatureError.self) {
                try UnitSequence.read(odd, names: ["K"], manifest: "m")
            }
            #expect("\(try #require(latin))".contains("line 1 is not UTF-8"))
            let dictionary = folder.appendingPathComponent("dict")
            try UnitWriter.write(dictionary: ["0", "1"], to: dictionary)
            #expect(try String(contentsOf: dictionary, encoding: .utf8) == "0 1\n1 1\n")
        }
    }

    @Test func qualityIsAsComputedByHand() throws {
        // Phones a a a a b b b c, units 0 0 0 1 1 1 2 2.
        var quality = UnitQuality()
        #expect(quality.phonePurity == nil && quality.phoneNormalizedMutualInformation == nil)
        for (phone, unit) in zip("aaaabbbc", "00011122") { quality.add(phone: String(phone), unit: String(unit)) }
        // Unit 0 is a (3 frames), 1 is b (2), 2 is b or c (1).
        #expect(quality.phonePurity == 6.0 / 8)
        // Phone a is mostly 0 (3 frames), b mostly 1 (2), c is 2 (1).
        #expect(quality.clusterPurity == 6.0 / 8)
        // H(y) = ½·1 + ⅜·log2(8/3) + ⅛·3; I = H(y) + H(z) − H(y, z), H(z) with ⅜, ⅜, ¼, H(y, z) with ⅜, ⅛, ¼, ⅛, ⅛.
        let entropy = 0.5 + 0.375 * log2(8.0 / 3) + 0.375
        let information = entropy + (0.75 * log2(8.0 / 3) + 0.5) - (0.375 * log2(8.0 / 3) + 0.5 + 3 * 0.375)
        #expect(abs(quality.phoneEntropy - entropy) < 1e-12)
        #expect(try abs(#require(quality.phoneNormalizedMutualInformation) - information / entropy) < 1e-12)
        #expect(quality.phones == 3 && quality.units == 3 && quality.frames == 8)
    }

    @Test func extremesOfQuality() throws {
        var perfect = UnitQuality()
        var useless = UnitQuality()
        var single = UnitQuality()
        for index in 0..<12 {
            perfect.add(phone: "p\(index % 4)", unit: "\(3 - index % 4)")
            useless.add(phone: "p\(index % 4)", unit: "\(index / 4)")
            single.add(phone: "p", unit: "\(index)")
        }
        #expect(perfect.phonePurity == 1 && perfect.clusterPurity == 1)
        #expect(try abs(#require(perfect.phoneNormalizedMutualInformation) - 1) < 1e-12)
        #expect(useless.phonePurity == 0.25 && useless.clusterPurity == 4.0 / 12)
        #expect(try abs(#require(useless.phoneNormalizedMutualInformation)) < 1e-12)
        #expect(single.phoneNormalizedMutualInformation == nil && single.phonePurity == 1)
    }

    /// The definitions again, as sums over the whole table of p(y, z).
    @Test(arguments: [UInt64(1), 2]) func qualityEqualsTheDefinition(seed: UInt64) throws {
        var stream = RandomStream(seed: seed, purpose: .synthesis)
        var quality = UnitQuality()
        var table = Array(repeating: Array(repeating: 0.0, count: 9), count: 5)
        for _ in 0..<700 {
            let phone = stream.integer(below: 5)
            let unit = stream.uniform() < 0.6 ? phone : stream.integer(below: 9)
            quality.add(phone: "\(phone)", unit: "\(unit)")
            table[phone][unit] += 1.0 / 700
        }
        let phones = table.map { $0.reduce(0, +) }
        let units = (0..<9).map { unit in table.reduce(0) { $0 + $1[unit] } }
        // The expected purity over units, and over phones.
        let phonePurity = (0..<9).reduce(0) { sum, unit in
            units[unit] == 0 ? sum : sum + units[unit] * (table.map { $0[unit] / units[unit] }.max() ?? 0)
        }
        let clusterPurity = (0..<5).reduce(0) { sum, phone in
            sum + phones[phone] * (table[phone].map { $0 / phones[phone] }.max() ?? 0)
        }
        var information = 0.0
        for phone in 0..<5 {
            for unit in 0..<9 where table[phone][unit] > 0 {
                information += table[phone][unit] * log(table[phone][unit] / phones[phone] / units[unit])
            }
        }
        let entropy = -phones.reduce(0) { $0 + $1 * log($1) }
        #expect(try abs(#require(quality.phonePurity) - phonePurity) < 1e-9)
        #expect(try abs(#require(quality.clusterPurity) - clusterPurity) < 1e-9)
        #expect(try abs(#require(quality.phoneNormalizedMutualInformation) - information / entropy) < 1e-9)
    }
}
