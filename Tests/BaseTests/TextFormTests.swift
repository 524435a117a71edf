import TestSupport
import Testing

@testable import W2VBase

@Suite(.onTestThreads) struct TextFormTests {
    @Test func textsAreUnchangedUnlessAsked() {
        let text = "  \"Don\u{2019}t\"  e\u{301} — "
        #expect(TextForm()(text).hasSameCodePoints(as: text) && TextForm().isUnchanging)
    }

    @Test func caseDoesNotDependOnTheUsersLanguage() {
        #expect(TextForm(letterCase: .upper)("straße i") == "STRASSE I")
        #expect(TextForm(letterCase: .lower)("ΟΔΟΣ I") == "οδος i")
    }

    @Test func punctuationBecomesSpacesExceptApostrophesWithinWords() {
        let form = TextForm(letterCase: .lower, stripsPunctuation: true)
        #expect(
            form("“Well-known, isn’t it?” – 'Yes!' the dogs' owner said: 3.5 %")
                == "well known isn’t it yes the dogs owner said 3 5")
        #expect(form("—") == "" && form("¿Qué?") == "qué")
        // A combining mark belongs to its letter.
        #expect(form("l'e\u{301}te\u{301}").hasSameCodePoints(as: "l'e\u{301}te\u{301}"))
    }

    @Test func formsAreAppliedOnce() {
        let texts = ["Ünï-cöde’s “TEST”, naïve e\u{301}.", "İstanbul ΣΑΣ", "a  b", "…"]
        for letterCase in TextForm.Case.allCases {
            for (strips, composes) in [(true, true), (true, false), (false, true)] {
                let form = TextForm(letterCase: letterCase, stripsPunctuation: strips, composes: composes)
                for text in texts { #expect(form(form(text)).hasSameCodePoints(as: form(text)), "\(form) \(text)") }
            }
        }
        #expect(TextForm(composes: true)("e\u{301}").hasSameCodePoints(as: "\u{E9}"))
    }
}
