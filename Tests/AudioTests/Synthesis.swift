import Foundation

/// The root of the mean squared difference.
func rootMeanSquare(_ first: [Float], _ second: [Float]) -> Double {
    let count = min(first.count, second.count)
    let squares = (0..<count).reduce(0.0) { $0 + pow(Double(first[$1]) - Double(second[$1]), 2) }
    return (squares / Double(max(count, 1))).squareRoot()
}
