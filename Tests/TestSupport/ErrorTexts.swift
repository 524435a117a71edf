import Foundation
import W2VBase

/// Compares the texts of errors with the suite's file in `Tests/Fixtures/errors`; `UPDATE_SNAPSHOTS=1` rewrites the
/// file.
///
/// - Parameters:
///   - examples: Errors with example values: every case of each of their types at least once.
///   - sources: The files below `Sources/` in which the types are declared.
///   - test: The calling test's file.
/// - Returns: The faults: a text that differs, a case without an example, a text that breaks the rules for errors.
/// - Throws: `CocoaError` for a file that cannot be read or written.
public func faults(
    in examples: [any ExplainedError], declaredIn sources: [String], test: String = #filePath
) throws -> [String] {
    let folder = URL(fileURLWithPath: test).deletingLastPathComponent()
    let suite = folder.lastPathComponent.replacing("Tests", with: "")
    let file = folder.deletingLastPathComponent().appendingPathComponent("Fixtures/errors/\(suite).txt")
    let text = examples.map { "\(name(of: $0)), \(word(for: $0.kind))\n    \($0)\n" }.joined()
    if Repository.updatesSnapshots { try Data(text.utf8).write(to: file) }
    let recorded = (try? String(contentsOf: file, encoding: .utf8)) ?? ""
    var faults = zip(text.split(separator: "\n"), recorded.split(separator: "\n")).filter { $0 != $1 }.map {
        "recorded: \($1), now: \($0)"
    }
    if faults.isEmpty, text != recorded { faults.append("\(file.path) has another number of lines") }
    let shown = Set(examples.map { name(of: $0) })
    let root = folder.deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("Sources")
    for source in sources {
        let code = try String(contentsOf: root.appendingPathComponent(source), encoding: .utf8)
        faults += cases(in: code).filter { !shown.contains($0) }.map { "there is no example of \($0)" }
    }
    return faults + examples.flatMap(ruleBreaks)
}

/// Returns the rules that an error's text breaks: periods, options and commands of the program.
private func ruleBreaks(_ error: any ExplainedError) -> [String] {
    let clauses = [error.problem, error.advice?.description ?? "none"]
    let text = clauses.joined(separator: "; ")
    var breaks: [String] = []
    if clauses.contains(where: { $0.hasSuffix(".") || $0.isEmpty }) {
        breaks.append("\(text): a clause ends with a full stop")
    }
    if text.contains(/(^|\s|\()--[a-z]/) { breaks.append("\(text): a library names an option") }
    if text.contains(/\bwav2vec2 [a-z]/) { breaks.append("\(text): a library names a command") }
    return breaks
}

/// Returns the cases of a file's error enumerations, with their types' names.
private func cases(in code: String) -> [String] {
    var (type, indent) = ("", 0)
    return code.split(separator: "\n").compactMap { line -> String? in
        let depth = line.prefix { $0 == " " }.count
        if let found = line.firstMatch(of: /enum (\w+): (\w+, )*ExplainedError/) {
            (type, indent) = (String(found.1), depth)
        } else if line == String(repeating: " ", count: indent) + "}" {
            type = ""
        } else if !type.isEmpty, depth == indent + 4, let found = line.firstMatch(of: /^ *case ([a-z]\w*)/) {
            return "\(type).\(found.1)"
        }
        return nil
    }
}

private func name(of error: any ExplainedError) -> String {
    func caseName(_ error: some ExplainedError) -> UnsafePointer<CChar>? { enumCaseName(error) }
    let type = String(describing: type(of: error))
    guard Mirror(reflecting: error).displayStyle == .enum, let name = caseName(error) else { return type }
    return "\(type).\(String(cString: name))"
}

private func word(for kind: ErrorKind) -> String {
    switch kind {
    case .usage: "usage"
    case .input: "input"
    case .failure: "failure"
    case .interrupted(let signal): "interrupted by signal \(signal)"
    }
}

/// Returns the name of an enumeration's case; errors' descriptions are sentences, and cases without values have no
/// mirror.
@_silgen_name("swift_EnumCaseName")
private func enumCaseName<Value>(_ value: Value) -> UnsafePointer<CChar>?
