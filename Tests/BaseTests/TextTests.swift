import Foundation
import TestSupport
import Testing
import W2VBase

@Suite(.onTestThreads) struct TextTests {
    @Test func identityIsThatOfCodePoints() {
        let kelvin = ExactText("\u{212A}")
        #expect("K" == "\u{212A}")
        #expect(kelvin != "K")
        #expect(Set([kelvin, "K", "\u{E9}", "e\u{301}", "\u{E9}"]).count == 4)
        #expect([kelvin, "K"].sorted() == ["K", kelvin])
        #expect(ExactText("\u{6A02}") != ExactText("\u{F914}"))
    }

    @Test func invisibleCharactersAreShownAsCodePoints() {
        #expect("plain text".printable == "plain text")
        #expect("a\u{1B}[31m\nb\u{AD}\u{200B}\u{FEFF}".printable == "a<U+001B>[31m<U+000A>b<U+00AD><U+200B><U+FEFF>")
        #expect("ä ह\u{94D}".printable == "ä ह\u{94D}")
        #expect("don't".quotedWithCodePoints == "\"don't\"")
        #expect("e\u{301}".quotedWithCodePoints == "\"e\u{301}\" (U+0065 U+0301)")
        #expect("\u{2019}".quotedWithCodePoints == "\"\u{2019}\" (U+2019)")
        #expect("e\u{301}".isDecomposed && !"\u{E9}".isDecomposed)
    }

    /// Foundation wraps the system's reason; people need the reason.
    @Test func reasonsAreTheSystems() {
        let cause = NSError(domain: NSPOSIXErrorDomain, code: Int(EFBIG))
        let wrapped = CocoaError(
            .fileWriteUnknown, userInfo: [NSUnderlyingErrorKey: cause, NSFilePathErrorKey: "/a/b"])
        #expect(SystemReason.of(wrapped) == "the process's file size limit is reached")
        #expect(SystemReason.sentence(wrapped) == "/a/b: the process's file size limit is reached")
        #expect(SystemReason.of(POSIXError(.ENOSPC)) == "the disk is full")
        #expect(SystemReason.of(CocoaError(.fileWriteUnknown)).contains("the system gives no reason"))
        for code in [CocoaError.Code.fileNoSuchFile, .fileWriteNoPermission, .fileWriteOutOfSpace, .fileReadUnknown] {
            #expect(!SystemReason.sentence(CocoaError(code)).contains("Cocoa"), "\(code)")
        }
        do {
            _ = try Data(contentsOf: URL(fileURLWithPath: "/no/such/file"))
            Issue.record("a file that is not there was read")
        } catch {
            #expect((error as? CocoaError).map(SystemReason.sentence)?.hasPrefix("/no/such/file: ") == true)
        }
    }

    /// Text that is not UTF-8 may be in another encoding, compressed, or contain zero bytes.
    @Test(arguments: [
        ("caf\u{FFFD}", 1, "LATIN1"), ("\u{FFFD}\u{FFFD}a\0b\0", 1, "UTF-16"), ("a\0 \0|\0", 2, "UTF-16"),
        ("\u{FFFD}\u{FFFD}\u{14}\u{4}\u{10}\u{4} \0\u{14}\u{4}", 1, "UTF-16"), ("some words\0", 1, "zero bytes"),
        ("\u{1F}\u{FFFD}\u{8}\0\0\0", 1, "gzip -d"), ("BZh91AY&SY\u{FFFD}\0", 1, "bzip2 -d"),
        ("\u{FFFD}7zXZ\0\0\u{4}", 1, "xz -d"), ("(\u{FFFD}/\u{FFFD}\u{4}\0", 1, "zstd -d"),
        ("PK\u{3}\u{4}\u{14}\0\u{FFFD}", 1, "unzip"), ("BZh\u{FFFD}", 2, "LATIN1"),
    ])
    func otherBytesHaveRemedies(found: String, line: Int, remedy: String) {
        #expect(UTF8Text.remedy(for: found, line: line).contains(remedy))
    }

    /// Invalid bytes are found at any position: ASCII is checked eight bytes at a time.
    @Test func bytesAreCheckedWhole() {
        for length in 0..<20 {
            var bytes = [UInt8](repeating: 0x41, count: length)
            func isValid() -> Bool { bytes.withUnsafeBytes { UTF8Text.isValid($0) } }
            #expect(isValid())
            for place in bytes.indices {
                bytes[place] = 0xE9
                #expect(!isValid(), "\(place) of \(length)")
                bytes[place] = 0x41
            }
            bytes += Array("é".utf8)
            #expect(isValid())
        }
    }

    @Test func textIsUTF8WithoutItsMark() throws {
        #expect(try UTF8Text.decode(Data([0xEF, 0xBB, 0xBF] + Array("é".utf8))).hasSameCodePoints(as: "é"))
        #expect(try UTF8Text.decode(Data()) == "")
        let error = #expect(throws: UTF8Text.Invalid.self) {
            try UTF8Text.decode(Data(Array("good\nna".utf8) + [0xEF] + Array("ve\n".utf8)))
        }
        #expect(error?.line == 2)
        #expect(error?.description.contains("iconv -f LATIN1 -t UTF-8") == true)
        let wide = #expect(throws: UTF8Text.Invalid.self) {
            try UTF8Text.decode(Data([0xFF, 0xFE, 0x41, 0, 0x0A, 0]))
        }
        #expect(wide?.description.contains("iconv -f UTF-16 -t UTF-8") == true)
    }
}
