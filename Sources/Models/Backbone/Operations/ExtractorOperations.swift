extension ExtractorBlock: OperationCounting {
    /// Counts one convolution; the lengths are those of its output.
    package func operations(_ lengths: [Int], readRows rows: Int?) -> Double {
        operations(lengths, readRows: rows, multiplyingBy: weight)
    }
}

extension FeatureExtractor {
    /// Counts the operations of each block, without the rows that straddle utterances.
    ///
    /// - Parameter samples: The samples of each utterance or part of one.
    package func operations(samples: [Int]) -> [Double] {
        let rows = samples.map(layers.validRows(samples:))
        return blocks.enumerated().map { index, block in block.operations(rows.map { $0[index] }, readRows: nil) }
    }
}
