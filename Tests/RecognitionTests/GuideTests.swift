import Foundation
import TestSupport
import Testing

/// Swift code in the README, the guides and the comments of the libraries that use a model is also in
/// `GuideExamples.swift` or in a package under `Examples/`, so that it compiles.
@Suite(.onTestThreads) struct GuideTests {
    private static let root = Repository.root

    private static func lines(_ file: URL) throws -> [String] {
        try String(contentsOf: file, encoding: .utf8).components(separatedBy: "\n")
    }

    private static func files(_ folder: String, _ suffix: String) throws -> [URL] {
        let url = root.appendingPathComponent(folder)
        return try FileManager.default.contentsOfDirectory(atPath: url.path).sorted().filter { $0.hasSuffix(suffix) }
            .map(url.appendingPathComponent)
    }

    /// The files of a library, including those in its folders.
    private static func sources(of library: String) throws -> [URL] { try sources(below: "Sources/Use/\(library)") }

    private static func sources(below folder: String) throws -> [URL] {
        let url = root.appendingPathComponent(folder)
        return try FileManager.default.subpathsOfDirectory(atPath: url.path).sorted().filter { $0.hasSuffix(".swift") }
            .map(url.appendingPathComponent)
    }

    /// The blocks that begin with "```swift".
    private static func fenced(_ file: URL) throws -> [[String]] {
        var blocks: [[String]] = []
        var isInside = false
        for line in try lines(file) {
            if isInside && line.hasPrefix("```") {
                isInside = false
            } else if line.hasPrefix("```swift") {
                isInside = true
                blocks.append([])
            } else if isInside {
                blocks[blocks.count - 1].append(line)
            }
        }
        return blocks
    }

    /// The indented blocks of documentation comments.
    private static func commented(_ file: URL) throws -> [[String]] {
        var blocks: [[String]] = [[]]
        for line in try lines(file).map({ $0.trimmingCharacters(in: .whitespaces) }) {
            if line.hasPrefix("///     ") && !line.hasPrefix("///     -") {
                blocks[blocks.count - 1].append(String(line.dropFirst(3)))
            } else if blocks.last?.isEmpty == false {
                blocks.append([])
            }
        }
        // Lines that continue a parameter have the same indentation: code follows an empty line. Equations are not
        // code.
        return blocks.filter { block in
            block.first?.contains("(") == true && !block.contains { line in line.contains { "·Σ−".contains($0) } }
        }
    }

    /// Lines in the form for comparison: without indentation, empty lines and imports.
    private static func bare(_ lines: [String]) -> [String] {
        lines.map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty && !$0.hasPrefix("import ") }
    }

    @Test func examplesAreCompiled() throws {
        let own = Self.root.appendingPathComponent("Tests/RecognitionTests/GuideExamples.swift")
        let files = try [own] + Self.sources(below: "Examples")
        let examples = try files.flatMap(Self.lines)
        let compiled = "\n" + Self.bare(examples).joined(separator: "\n") + "\n"
        let pages =
            try [Self.root.appendingPathComponent("README.md")] + Self.files("Documentation/wav2vec2.docc", ".md")
        let fenced = try pages.flatMap { page in try Self.fenced(page).map { (page, $0) } }
        let sources = try ["Inference", "Recognition", "Features", "Serving", "Decoding"].flatMap {
            try Self.sources(of: $0)
        }
        let commented = try sources.flatMap { file in try Self.commented(file).map { (file, $0) } }
        #expect(fenced.count >= 8 && commented.count >= 6, "\(fenced.count) in pages, \(commented.count) in comments")
        for (file, block) in fenced + commented {
            let code = Self.bare(block).joined(separator: "\n")
            #expect(
                compiled.contains("\n" + code + "\n"),
                "\(file.lastPathComponent): this is neither in GuideExamples.swift nor in an example:\n\(code)")
            for line in block where line.hasPrefix("import ") { #expect(examples.contains(line), "\(line)") }
        }
    }

    /// Code that is only indented would not be compared.
    @Test func swiftIsFenced() throws {
        let pages =
            try [Self.root.appendingPathComponent("README.md")] + Self.files("Documentation/wav2vec2.docc", ".md")
        for page in pages {
            let fenced = Set(try Self.fenced(page).joined())
            for line in try Self.lines(page) where !fenced.contains(line) {
                let isSwift = ["let ", "var ", "import "].contains { line.hasPrefix("    " + $0) }
                #expect(!isSwift, "\(page.lastPathComponent): put ```swift around this:\n\(line)")
            }
        }
    }
}
