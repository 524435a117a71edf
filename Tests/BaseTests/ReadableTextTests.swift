import TestSupport
import Testing
import W2VBase

@Suite("Text for people", .onTestThreads)
struct ReadableTextTests {
    @Test func sizesAndTimesReadWell() {
        #expect(ReadableText.size(999) == "999 bytes" && ReadableText.size(6_387_309_499) == "6.4 GB")
        #expect(ReadableText.size(337_926_286) == "338 MB" && ReadableText.size(999_600) == "1.0 MB")
        #expect(ReadableText.duration(59.4) == "59 s" && ReadableText.duration(59.5) == "1 min 00 s")
        #expect(ReadableText.duration(750) == "12 min 30 s" && ReadableText.duration(7_500) == "2 h 05 min")
        #expect(ReadableText.duration(.infinity) == "unknown")
    }

    @Test func linesFitTheTerminal() {
        #expect(TerminalText.ending(of: "a tidy house", columns: 12) == "a tidy house")
        #expect(TerminalText.ending(of: "a tidy house", columns: 11) == "…tidy house")
        #expect(TerminalText.ending(of: "整理房屋", columns: 8) == "整理房屋")
        #expect(TerminalText.ending(of: "整理房屋", columns: 7) == "…理房屋")
        #expect(TerminalText.ending(of: "整理房屋", columns: 6) == "…房屋")
        #expect(TerminalText.ending(of: "", columns: 0) == "")
        #expect(TerminalText.beginning(of: "a tidy house", columns: 12) == "a tidy house")
        #expect(TerminalText.beginning(of: "a tidy house", columns: 7) == "a tidy…")
        #expect(TerminalText.beginning(of: "整理房屋", columns: 7) == "整理房…")
    }
}
