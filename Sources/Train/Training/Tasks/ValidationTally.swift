/// What validation counts: those of several processes add up.
struct ValidationTally: Codable {
    /// The sums, the objectives' metrics among them.
    var statistics = Statistics()
    /// How many utterances were looked at.
    var utterances = 0

    static func += (left: inout ValidationTally, right: ValidationTally) {
        left.statistics += right.statistics
        left.utterances += right.utterances
    }

    /// A value by its name in the log.
    ///
    /// - Parameter name: `loss`, or a metric's name.
    /// - Returns: The value; `nil` where there is none.
    func value(_ name: String) -> Double? { name == "loss" ? statistics.meanLoss : statistics.metrics.value(name) }
}
