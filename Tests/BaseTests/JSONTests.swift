import Foundation
import TestSupport
import Testing

@testable import W2VBase

@Suite(.onTestThreads) struct JSONTests {
    private func value(_ text: String) throws -> JSONValue { try JSONParser.value(Data(text.utf8)) }

    @Test func everyKindOfValueIsRead() throws {
        let text = """
            {"a": [1, -2, 0, 1.5, -1e-5, 2E+3, 100000000000000000000], "b": {"c": null, "": true},
             "d": "\\u00e9\\n\\ud83c\\udf99\\/\\"\\\\é", "e": [], "f": {}, "g": [NaN, Infinity, -Infinity]}
            """
        let root = try value(text)
        #expect(
            root["a"]
                == .array([
                    .integer(1), .integer(-2), .integer(0), .number(1.5), .number(-1e-5), .number(2000),
                    .number(1e20),
                ]))
        #expect(root["b"]?["c"] == .null && root["b"]?[""] == .bool(true))
        #expect(root["d"]?.string == "é\n🎙/\"\\é" && root["e"] == .array([]) && root["f"] == .object([:]))
        let limits = try #require(root["g"]?.array).map { $0.double ?? 0 }
        #expect(limits[0].isNaN && limits[1] == .infinity && limits[2] == -.infinity)
        #expect(root.object?.keys == ["a", "b", "d", "e", "f", "g"])
    }

    @Test func keysAreToldApartByCodePoints() throws {
        let root = try #require(try value("{\"K\":1,\"\\u212a\":2,\"é\":3,\"e\\u0301\":4,\"K\":5}").object)
        #expect(root["\u{212A}"] == .integer(2) && root["e\u{301}"] == .integer(4) && root["\u{E9}"] == .integer(3))
        // Of equal keys the last one counts, as in Python.
        #expect(root["K"] == .integer(5) && root.keys.count == 4)
        #expect(Array(root.keys[3].unicodeScalars) == ["K"])
        #expect(JSONValue.object(root).text.contains("\"\u{212A}\": 2"))
    }

    @Test(arguments: [
        ("", "line 1: expected a value, not the end of the file"), ("{\"a\":\n1,}", "line 2: expected a key"),
        ("[1\n\n2]", "line 3: expected a comma or ]"), ("{\"a\" 1}", "expected a colon after the key \"a\""),
        ("{} x", "nothing after the value"), ("[01]", "expected a value"), ("[1.]", "expected a value"),
        ("[+1]", "expected a value"), ("[.5]", "expected a value"), ("[1e]", "expected a value"),
        ("[-]", "expected a value"), ("[tru]", "expected a value"), ("\"a", "the quotation mark that ends a text"),
        ("\"\n\"", "no line end or control character"), ("\"\\x\"", "an escape that JSON knows"),
        ("\"\\u12g4\"", "four hexadecimal digits"), ("\"\\ud800x\"", "the second half of a surrogate pair"),
        ("\"\\udc00\"", "the first half of a surrogate pair"), ("{1:2}", "expected a key in quotation marks"),
        (String(repeating: "[", count: 100_000), "at most 200 values inside each other"),
        (String(repeating: "{\"a\":", count: 100_000), "at most 200 values inside each other"),
    ])
    func invalidJSONIsNamedWithItsLine(_ text: String, _ sentence: String) {
        let error = #expect(throws: JSONParser.Failure.self) { try value(text) }
        #expect(error?.description.contains(sentence) == true, "\(error.map { "\($0)" } ?? "")")
    }

    @Test func excerptsAreShortAndOnOneLine() throws {
        let long = JSONValue.array(Array(repeating: .object(["a\n": .string("\u{1B}[31m")]), count: 1000))
        #expect(long.excerpt.count == 81 && !long.excerpt.contains("\n") && !long.excerpt.contains("\u{1B}"))
        #expect(JSONValue.array([.integer(1), .null]).excerpt == "[1, null]")
    }

    @Test func textsAreQuotedAsJSONWrites() throws {
        let text = "a\"b\\c\n\r\t\u{8}\u{C}\u{1F}é/🎙"
        #expect(text.jsonQuoted == #""a\"b\\c\n\r\t\b\f\u001fé/🎙""#)
        #expect(try value(text.jsonQuoted).string == text)
    }

    @Test func linesReadBack() throws {
        struct Record: Encodable {
            var audioSeconds = 1.5
            var name = "x/y"
            var counts = [1, 2]
            var isBest = true
        }
        let record = try JSONValue(encoding: Record())
        #expect(record.line == #"{"audio_seconds":1.5,"counts":[1,2],"is_best":true,"name":"x/y"}"#)
        #expect(try jsonLine(Record()) == record.line && value(record.line) == record && value(record.text) == record)
    }
}
