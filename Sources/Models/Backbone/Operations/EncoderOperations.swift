extension SelfAttention: OperationCounting {
    /// Counts the projections, and for each pair of an utterance's rows a score and a weighted value.
    package func operations(_ lengths: [Int], readRows rows: Int?) -> Double {
        let channels = Double(output.weight.size(1))
        let pairs = lengths.reduce(0.0) { $0 + Double($1) * Double($1) }
        return projection.operations(lengths, readRows: nil) + output.operations(lengths, readRows: rows)
            + 4 * pairs * channels
    }
}

extension FeedForward: OperationCounting {
    /// Counts two products.
    package func operations(_ lengths: [Int], readRows rows: Int?) -> Double {
        expand.operations(lengths, readRows: rows) + contract.operations(lengths, readRows: rows)
    }
}

extension EncoderLayer: OperationCounting {
    /// Counts attention to all rows, and everything after it for the rows that are read.
    package func operations(_ lengths: [Int], readRows rows: Int?) -> Double {
        attention.operations(lengths, readRows: rows) + feedForward.operations(lengths, readRows: rows)
    }
}

extension PositionalConvolution: OperationCounting {
    /// Counts one grouped convolution.
    package func operations(_ lengths: [Int], readRows rows: Int?) -> Double {
        convolution.operations(lengths, readRows: rows)
    }
}

extension Downsampler: OperationCounting {
    /// Counts one product, if it is linear; the lengths are the shortened ones.
    package func operations(_ lengths: [Int], readRows rows: Int?) -> Double {
        linear?.operations(lengths, readRows: rows) ?? 0
    }
}

extension Upsampler: OperationCounting {
    /// Counts one product, if it is linear; the lengths are the shortened ones.
    package func operations(_ lengths: [Int], readRows rows: Int?) -> Double {
        linear?.operations(lengths, readRows: rows) ?? 0
    }
}

extension TransformerEncoder {
    /// Counts the operations of the layers, and of the rest of the encoder.
    ///
    /// - Parameters:
    ///   - lengths: The frames of each utterance.
    ///   - rows: The number of frames that are read from the result: the last layer transforms no others. Nil for all.
    package func operations(_ lengths: [Int], readRows rows: Int?) -> (layers: Double, rest: Double) {
        let last = (hourglass?.post ?? layers).last
        func sum(_ layers: [EncoderLayer], _ lengths: [Int]) -> Double {
            layers.reduce(0) { $0 + $1.operations(lengths, readRows: $1 === last ? rows : nil) }
        }
        let positions = positions.operations(lengths, readRows: nil)
        guard let hourglass else { return (sum(layers, lengths), positions) }
        let short = lengths.map { ($0 + hourglass.factor - 1) / hourglass.factor }
        let resampling =
            hourglass.downsample.operations(short, readRows: nil) + hourglass.upsample.operations(short, readRows: nil)
        return (
            sum(layers + hourglass.post, lengths) + sum(hourglass.layers, short), positions + resampling
        )
    }
}
