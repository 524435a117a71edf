/// The counts of validation, which can be added over processes.
struct ValidationTally: Codable {
    /// The sums, including the objectives' metrics.
    var statistics = Statistics()
    /// Number of evaluated utterances.
    var utterances = 0

    static func += (left: inout ValidationTally, right: ValidationTally) {
        left.statistics += right.statistics
        left.utterances += right.utterances
    }

    /// Returns a value by its name in the log.
    ///
    /// - Parameter name: `loss`, or a metric's name.
    /// - Returns: The value; `nil` if there is none.
    func value(_ name: String) -> Double? { name == "loss" ? statistics.meanLoss : statistics.metrics.value(name) }
}
