import ArgumentParser

/// Numbers on the command line such as `1,2,4`, each from 1 to 64.
struct CountList: ExpressibleByArgument {
    var values: [Int]

    init(_ values: [Int]) { self.values = values }

    init?(argument: String) {
        let values = argument.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) ?? 0 }
        guard !values.isEmpty, values.allSatisfy({ (1...64).contains($0) }) else { return nil }
        self.values = values
    }

    var defaultValueDescription: String { values.map(String.init).joined(separator: ",") }
}
