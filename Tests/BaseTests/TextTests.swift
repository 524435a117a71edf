import Base
import Foundation
import Testing

@Suite struct TextTests {
    @Test func identityIsThatOfCodePoints() {
        let kelvin = ExactText("\u{212A}")
        #expect("K" == "\u{212A}")
        #expect(kelvin != "K")
        #expect(Set([kelvin, "K", "\u{E9}", "e\u{301}", "\u{E9}"]).count == 4)
        #expect([kelvin, "K"].sorted() == ["K", kelvin])
        #expect(ExactText("\u{6A02}") != ExactText("\u{F914}"))
    }

    @Test func whatAScreenDoesNotShowIsShownAsCodePoints() {
        #expect("plain text".printable == "plain text")
        #expect("a\u{1B}[31m\nb\u{AD}\u{200B}\u{FEFF}".printable == "a<U+001B>[31m<U+000A>b<U+00AD><U+200B><U+FEFF>")
        #expect("ä ह\u{94D}".printable == "ä ह\u{94D}")
        #expect("don't".quotedWithCodePoints == "\"don't\"")
        #expect("e\u{301}".quotedWithCodePoints == "\"e\u{301}\" (U+0065 U+0301)")
        #expect("\u{2019}".quotedWithCodePoints == "\"\u{2019}\" (U+2019)")
        #expect("e\u{301}".isDecomposed && !"\u{E9}".isDecomposed)
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
