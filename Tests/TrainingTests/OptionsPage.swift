import Foundation
import TestSupport

@testable import W2VTraining

/// The tables of the documentation's page *Options*, and the original programs' options in the fixtures.
struct OptionsPage {
    /// A key with its names in the original programs.
    struct Row {
        var key: String
        var fairseq: [String]
        var nvidia: [String]
    }

    private static let root = Repository.root
    /// Keys that affect only speed or reporting: they have their own defaults.
    static let free: Set<String> = ["data.workers", "logging.log_every"]

    static let file = root.appendingPathComponent("Documentation/wav2vec2.docc/Options.md")

    let text: String
    /// The rows that map a key.
    var rows: [Row] = []
    /// The options that have no key: fairseq's, and NVIDIA's.
    var others: (fairseq: [String], nvidia: [String]) = ([], [])
    /// Every option with another name than its key, as ``ForeignOption`` has it.
    var foreign: [ForeignOption] = []

    init() throws {
        text = try String(contentsOf: Self.file, encoding: .utf8)
        var columns: [String] = []
        for line in text.components(separatedBy: "\n") {
            guard line.hasPrefix("|") else {
                columns = []
                continue
            }
            let cells = line.split(separator: "|", omittingEmptySubsequences: false).dropFirst().dropLast()
                .map { $0.trimmingCharacters(in: .whitespaces) }
            if columns.isEmpty {
                columns = cells
            } else if columns == ["Key", "fairseq", "NVIDIA", "Meaning"], cells[0].hasPrefix("`") {
                let row = Row(
                    key: Self.codes(cells[0])[0], fairseq: Self.codes(cells[1]), nvidia: Self.codes(cells[2]))
                rows.append(row)
                for (program, names) in [("fairseq", row.fairseq), ("NVIDIA", row.nvidia)] {
                    foreign += names.filter { $0 != row.key }.map {
                        ForeignOption(program: program, name: $0, key: row.key, remark: "")
                    }
                }
            } else if columns == ["fairseq", "NVIDIA", "Here"] {
                others.fairseq += Self.codes(cells[0])
                others.nvidia += Self.codes(cells[1])
                for (program, cell) in [("fairseq", cells[0]), ("NVIDIA", cells[1])] {
                    foreign += Self.codes(cell).map {
                        ForeignOption(program: program, name: $0, key: nil, remark: Self.plain(cells[2]))
                    }
                }
            } else if columns == ["Transformers", "Here"], cells[0].hasPrefix("`") {
                let key = cells[1].wholeMatch(of: /`([a-z0-9_.]+)`/).map { String($0.1) }
                foreign += Self.codes(cells[0]).map {
                    ForeignOption(
                        program: "Transformers", name: $0, key: key, remark: key == nil ? Self.plain(cells[1]) : "")
                }
            }
        }
    }

    /// The texts between backticks.
    static func codes(_ cell: some StringProtocol) -> [String] {
        cell.components(separatedBy: "`").enumerated().filter { $0.offset % 2 == 1 }.map(\.element)
    }

    /// A cell's text without links and backticks.
    private static func plain(_ cell: String) -> String {
        cell.replacing(/\s*\(<doc:[^>]*>\)/, with: "").replacing(/<doc:([^>]*)>/) { "the guide \($0.output.1)" }
            .replacing("`", with: "")
    }

    // MARK: - The originals

    /// A fixture's lines after its header, as cells.
    static func fixture(_ name: String) throws -> (header: [String], lines: [[String]]) {
        let url = root.appendingPathComponent("Tests/Fixtures/options/\(name).tsv")
        let lines = try String(contentsOf: url, encoding: .utf8).split(separator: "\n").map {
            $0.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
        }
        return (lines[0], Array(lines.dropFirst()))
    }

    /// The final arguments of one of NVIDIA's scripts: every option with its value.
    static func script(_ name: String) throws -> [String: String] {
        let (header, lines) = try fixture("nvidia-scripts")
        guard let column = header.firstIndex(of: name) else { return [:] }
        return Dictionary(uniqueKeysWithValues: lines.map { ($0[0], $0[column]) })
    }

    // MARK: - Values of the recipes

    /// The table of some recipes' values: every key whose value NVIDIA's scripts decide.
    func values(_ recipes: [(name: String, script: String)]) throws -> String {
        let scripts = try recipes.map { try Self.script($0.script) }
        let loaded = try recipes.map { try Recipe.load($0.name).values }
        var lines = ["| Key | fairseq | " + recipes.map { "`\($0.name)`" }.joined(separator: " | ") + " |"]
        lines.append("| --- | --- |" + recipes.map { _ in " --- |" }.joined())
        let isPassed = { (option: String) in !["checkpoint", "absent"].contains(scripts[0][option] ?? "absent") }
        for row in rows where !Self.free.contains(row.key) && row.nvidia.contains(where: isPassed) {
            let name = row.fairseq.first.map { "`\($0)`" } ?? ""
            lines.append(
                "| `\(row.key)` | \(name) | " + loaded.map { "`\($0[row.key] ?? "")`" }.joined(separator: " | ") + " |")
        }
        return lines.joined(separator: "\n")
    }

    /// The place of a table of values in the page.
    func range(of name: String) throws -> Range<String.Index> {
        let (first, last) = ("<!-- \(name) values: written by the tests -->\n", "<!-- end of values -->")
        guard let start = text.range(of: first)?.upperBound,
            let end = text.range(of: last, range: start..<text.endIndex)?.lowerBound
        else { throw CocoaError(.fileReadCorruptFile) }
        return start..<end
    }
}
