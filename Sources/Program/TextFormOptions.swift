import ArgumentParser
import W2VBase

extension TextForm.Case: ExpressibleByArgument {}

/// Options for the form of texts, which all commands with transcripts share.
struct TextFormOptions: ParsableArguments {
    @Option(name: .customLong("case"), help: "Case of letters: lower, upper, or keep as they are.")
    var letterCase: TextForm.Case = .keep

    @Flag(help: "Replace punctuation and symbols by spaces, except apostrophes within words.")
    var stripPunctuation = false

    @Flag(name: .customLong("nfc"), help: "Compose letters with their accents (Unicode's NFC).")
    var composes = false

    @Flag(help: .hidden)
    var uppercase = false

    func validate() throws {
        if uppercase, letterCase != .keep {
            throw ValidationError("--uppercase is --case upper; --case \(letterCase.rawValue) contradicts it.")
        }
    }

    /// The form.
    var form: TextForm {
        TextForm(
            letterCase: uppercase ? .upper : letterCase, stripsPunctuation: stripPunctuation, composes: composes)
    }
}
