import Foundation
import TestSupport
import Testing
import W2VBackbone
import W2VObjectives

/// The pages from papers and terms to the code name existing files and symbols, and all keys of a recipe.
@Suite(.onTestThreads) struct PaperTableTests {
    private static let root = Repository.root

    private static func text(_ path: String) throws -> String {
        try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
    }

    /// A row of a page's tables.
    private struct Row {
        /// The first cell.
        let subject: String
        /// The cell of the column "In the code".
        let code: String
        /// The code spans of the column "Keys".
        let keys: [String]
    }

    /// The rows of all tables that have a column "In the code".
    private static func rows(_ page: String) throws -> [Row] {
        var rows: [Row] = []
        var columns: [String] = []
        for line in try text("Documentation/wav2vec2.docc/\(page).md").components(separatedBy: "\n") {
            guard line.hasPrefix("|") else {
                columns = []
                continue
            }
            let cells = line.split(separator: "|", omittingEmptySubsequences: false).dropFirst().dropLast()
                .map { $0.trimmingCharacters(in: .whitespaces) }
            if columns.isEmpty {
                columns = cells
            } else if !cells[0].hasPrefix("---"), let code = columns.firstIndex(of: "In the code") {
                try #require(cells.count == columns.count, "\(page): \(line)")
                let keys = columns.firstIndex(of: "Keys").map { spans(cells[$0]) } ?? []
                rows.append(Row(subject: cells[0], code: cells[code], keys: keys))
            }
        }
        return rows
    }

    /// The text between backticks, single ones or those of a link.
    private static func spans(_ cell: String) -> [String] {
        cell.replacing("``", with: "`").split(separator: "`", omittingEmptySubsequences: false).enumerated()
            .filter { $0.offset % 2 == 1 }.map { String($0.element) }
    }

    /// Whether source text declares a name: a type, a function, a property, a case.
    private static func declares(_ name: String, in source: String) throws -> Bool {
        let declaration = try Regex(
            #"\b(class|struct|enum|protocol|actor|typealias|func|var|let|case)\s+(\([^)\n]*\b)?`?"# + name + #"\b"#)
        return source.firstMatch(of: declaration) != nil
    }

    @Test(arguments: [("ThePaperInTheCode", 100), ("Glossary", 30)])
    func everyFileAndSymbolExists(_ page: String, atLeast least: Int) throws {
        let rows = try Self.rows(page)
        #expect(rows.count >= least)
        for row in rows where !row.code.hasPrefix("No: ") {
            var source: String?
            for span in Self.spans(row.code) {
                if span.hasSuffix(".swift") || span.hasSuffix(".yaml") {
                    source = try? Self.text(span.hasPrefix("Recipes/") ? span : "Sources/" + span)
                    #expect(source != nil, "\(page), \(row.subject): there is no file \(span)")
                } else {
                    let name = try #require(span.split(separator: "/").last.map(String.init))
                    guard let text = source else {
                        Issue.record("\(page), \(row.subject): \(span) stands after no file")
                        continue
                    }
                    #expect(try Self.declares(name, in: text), "\(page), \(row.subject): \(span) is not declared there")
                }
            }
            #expect(source != nil, "\(page), \(row.subject): no file is named, and the row does not begin with 'No: '")
        }
    }

    /// Links name the module that a file belongs to.
    @Test func linksLeadToTheModulesOfTheirFiles() throws {
        var links = 0
        for row in try Self.rows("ThePaperInTheCode") + Self.rows("Glossary") {
            var module = ""
            for span in Self.spans(row.code) {
                if span.hasSuffix(".swift") {
                    // The module W2VTorch is in Engine/Torch, W2VBase in Base.
                    let folders = span.split(separator: "/").dropLast()
                    module = "W2V" + (folders.dropFirst().first ?? folders[0])
                } else if span.contains("/"), !span.hasSuffix(".yaml") {
                    #expect(span.hasPrefix(module + "/"), "\(row.subject): \(span)")
                    links += 1
                }
            }
        }
        #expect(links > 60)
    }

    @Test func everyKeyOfARecipeOccurs() throws {
        let named = try Self.rows("ThePaperInTheCode").flatMap(\.keys)
        let model =
            ModelConfiguration.settings.map { "model." + $0.name }
            + MaskingConfiguration.settings.map { "masking." + $0.name }
            + ContrastiveConfiguration.settings.map { "objective." + $0.name }
            + CTCConfiguration.settings.map { "ctc." + $0.name }
        #expect(Set(model).subtracting(named).sorted() == [])
        // The page Options has every key; OptionsTests checks that.
        let options = try Self.text("Documentation/wav2vec2.docc/Options.md")
            .components(separatedBy: "## Transformers")[0].components(separatedBy: "\n")
            .filter { $0.hasPrefix("| `") }.compactMap { Self.spans($0).first }
        #expect(options.count > 100)
        #expect(Set(options).subtracting(named).sorted() == [])
        #expect(Set(named).subtracting(options).sorted() == [], "there are no such keys")
    }

    @Test func everyEquationHasARow() throws {
        let subjects = try Self.rows("ThePaperInTheCode").map(\.subject)
        for number in 1...4 {
            #expect(subjects.contains { $0.hasPrefix("Equation \(number): ") }, "equation \(number)")
        }
    }

    /// Paths from the package's root in README, CONTRIBUTING and the guides exist.
    @Test func pathsInGuidesExist() throws {
        let guides = try FileManager.default
            .contentsOfDirectory(atPath: Self.root.appendingPathComponent("Documentation/wav2vec2.docc").path)
            .filter { $0.hasSuffix(".md") }.map { "Documentation/wav2vec2.docc/" + $0 }
        let roots = ["Sources/", "Tests/", "Scripts/", "Recipes/", "Examples/", "Benchmarks/"]
        var found = 0
        for page in ["README.md", "CONTRIBUTING.md"] + guides {
            for line in try Self.text(page).components(separatedBy: "\n") {
                for span in Self.spans(line) where roots.contains(where: span.hasPrefix) {
                    let path = span.split(separator: " ").first.map(String.init) ?? span
                    let exists = FileManager.default.fileExists(atPath: Self.root.appendingPathComponent(path).path)
                    #expect(exists, "\(page): there is no \(path)")
                    found += 1
                }
            }
        }
        #expect(found > 30)
    }
}
