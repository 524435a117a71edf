import Foundation

/// The kernels and constants that CUDA C++ source text defines, for comparison with Swift's declarations.
///
/// It supports the subset of the language that the files of `Sources/Engine/Kernels/CUDA` use.
struct KernelText {
    struct Kernel: Equatable {
        /// `const T *logits`, in order.
        let parameters: [String]
        /// The number of threads in the kernel's launch bounds.
        let threads: Int?
    }

    /// The kernels by their names without the number format.
    private(set) var kernels: [String: Kernel] = [:]
    private(set) var constants: [String: Int] = [:]

    init(_ text: String) {
        let lines = text.replacing("\\\n", with: " ").split(separator: "\n", omittingEmptySubsequences: false)
        let code = lines.map { $0.replacing(/\/\/.*/, with: "") }.joined(separator: "\n")
        readConstants(code)
        readKernels(code)
    }

    private mutating func readConstants(_ code: String) {
        for match in code.matches(of: /constexpr int ([^;]*);/) {
            for definition in match.1.split(separator: ",") {
                let parts = definition.split(separator: "=", maxSplits: 1)
                if parts.count == 2 { define(String(parts[0]), String(parts[1])) }
            }
        }
        // A macro's first argument may be launch bounds with a second number.
        for match in code.matches(of: /#define ([A-Z_]+)[ \t]+([^,\n]+),/) { define(String(match.1), String(match.2)) }
    }

    private mutating func define(_ name: String, _ expression: String) {
        constants[name.trimmingCharacters(in: .whitespaces)] = value(expression)
    }

    private mutating func readKernels(_ code: String) {
        let definition = /#define PARAMETERS\(T\)\s*\((?<parameters>[^\n]*)\)[ \t]*\n/
        let ofEachFormat = /KERNEL_OF_EACH_FORMAT\(\s*(?<name>[a-z_0-9]+)\s*,\s*(?<threads>[^,]+),\s*PARAMETERS/
        let single =
            /extern "C" __global__ void __launch_bounds__\((?<threads>[^)]*)\)\s*(?<name>[a-z_0-9]+)\((?<parameters>[^)]*)\)/
        for match in code.matches(of: single) {
            kernels[String(match.name)] = Kernel(
                parameters: Self.split(match.parameters), threads: value(String(match.threads)))
        }
        let definitions = code.matches(of: definition)
        for match in code.matches(of: ofEachFormat) {
            // The macro is defined again for each kernel.
            let last = definitions.last { $0.range.upperBound <= match.range.lowerBound }
            kernels[String(match.name)] = Kernel(
                parameters: last.map { Self.split($0.parameters) } ?? [], threads: value(String(match.threads)))
        }
    }

    private static func split(_ parameters: Substring) -> [String] {
        parameters.split(separator: ",").map {
            $0.split(whereSeparator: \.isWhitespace).joined(separator: " ").replacing("* ", with: "*")
        }
    }

    // MARK: Arithmetic

    /// Returns the value of an expression of integers, constants, +, *, / and parentheses; nil for any other.
    func value(_ expression: String) -> Int? {
        var tokens = expression.matches(of: /\w+|[-+*\/()]/).map { String($0.0) }[...]
        let value = sum(&tokens)
        return tokens.isEmpty ? value : nil
    }

    private func sum(_ tokens: inout ArraySlice<String>) -> Int? {
        guard var total = product(&tokens) else { return nil }
        while tokens.first == "+" {
            tokens.removeFirst()
            guard let next = product(&tokens) else { return nil }
            total += next
        }
        return total
    }

    private func product(_ tokens: inout ArraySlice<String>) -> Int? {
        guard var total = factor(&tokens) else { return nil }
        while let sign = tokens.first, sign == "*" || sign == "/" {
            tokens.removeFirst()
            guard let next = factor(&tokens), next != 0 else { return nil }
            total = sign == "*" ? total * next : total / next
        }
        return total
    }

    private func factor(_ tokens: inout ArraySlice<String>) -> Int? {
        guard let token = tokens.popFirst() else { return nil }
        guard token == "(" else { return Int(token) ?? constants[token] }
        let inner = sum(&tokens)
        return tokens.popFirst() == ")" ? inner : nil
    }
}
