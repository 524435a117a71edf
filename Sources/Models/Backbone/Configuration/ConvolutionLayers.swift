import Foundation

/// The strided convolutions of a feature extractor: fairseq's `conv_feature_layers`.
public struct ConvolutionLayers: Sendable, Equatable, CustomStringConvertible {
    /// One convolution.
    public struct Layer: Sendable, Equatable {
        /// Output channels.
        public var channels: Int
        /// Taps.
        public var kernel: Int
        /// Step between windows, in input rows.
        public var stride: Int

        /// Makes a layer.
        public init(channels: Int, kernel: Int, stride: Int) {
            self.channels = channels
            self.kernel = kernel
            self.stride = stride
        }

        /// Returns the number of windows that fit into a number of rows.
        package func outputs(_ rows: Int) -> Int { rows < kernel ? 0 : (rows - kernel) / stride + 1 }
    }

    /// The layers, first to last.
    public let layers: [Layer]

    /// Makes the list.
    ///
    /// - Throws: ``ConfigurationError`` for an empty list, a size below 1, or sizes beyond all sense.
    public init(_ layers: [Layer]) throws {
        guard !layers.isEmpty, layers.allSatisfy({ min($0.channels, $0.kernel, $0.stride) >= 1 }) else {
            throw ConfigurationError(
                "the feature extractor needs at least one layer, and channels, kernel and stride of at least 1 in each")
        }
        // Far beyond any model, and far from the end of the integers for everything that is computed from the sizes.
        let largest = 1 << 20
        var hop = 1
        for layer in layers {
            let isSane = max(layer.channels, layer.kernel, layer.stride) <= largest && hop * layer.stride <= largest
            guard isSane, layers.count <= 64 else {
                throw ConfigurationError(
                    "the feature extractor may have at most 64 layers, sizes of at most \(largest) and strides whose "
                        + "product is at most that")
            }
            hop *= layer.stride
        }
        self.layers = layers
    }

    /// Reads fairseq's expression, such as `[(512,10,5)]+[(512,3,2)]*4+[(512,2,2)]*2`.
    ///
    /// The grammar is `list { "+" list }` with `list = "[" tuple { "," tuple } [","] "]" [ "*" count ]`; nothing is ever
    /// evaluated.
    ///
    /// - Throws: ``ConfigurationError`` with the place where the text stops making sense.
    public init(parsing text: String) throws {
        var scanner = ExpressionScanner(text, name: "conv_feature_layers", example: "[(512,10,5)]+[(512,3,2)]*4")
        var layers: [Layer] = []
        repeat {
            var part: [Layer] = []
            try scanner.expect("[")
            while !scanner.take("]") {
                try scanner.expect("(")
                let channels = try scanner.integer()
                try scanner.expect(",")
                let kernel = try scanner.integer()
                try scanner.expect(",")
                let stride = try scanner.integer()
                try scanner.expect(")")
                part.append(Layer(channels: channels, kernel: kernel, stride: stride))
                if !scanner.take(",") {
                    try scanner.expect("]")
                    break
                }
            }
            var repetitions = 1
            if scanner.take("*") { repetitions = try scanner.integer() }
            guard layers.count + part.count * repetitions <= 64 else {
                throw ConfigurationError("conv_feature_layers '\(text)' has more than 64 layers")
            }
            for _ in 0..<repetitions { layers += part }
        } while scanner.take("+")
        try scanner.expectEnd()
        try self.init(layers)
    }

    /// Input samples from one frame to the next: 320 for the usual layers.
    public var hop: Int { layers.map(\.stride).reduce(1, *) }

    /// Input samples that one frame sees: 400 for the usual layers.
    public var receptiveField: Int {
        var field = 1
        for layer in layers.reversed() { field = (field - 1) * layer.stride + layer.kernel }
        return field
    }

    /// Returns the rows of an utterance after each layer.
    ///
    /// - Returns: One number a layer; 0 from the layer on whose kernel no longer fits.
    public func validRows(samples: Int) -> [Int] {
        var rows = samples
        return layers.map { layer in
            rows = layer.outputs(rows)
            return rows
        }
    }

    /// Returns the frames of an utterance: ⌊(samples − 400) / 320⌋ + 1 for the usual layers, 0 if it is too short.
    public func frames(samples: Int) -> Int {
        validRows(samples: samples).last ?? 0
    }

    /// Returns the samples that some neighboring frames see.
    ///
    /// - Parameter frames: How many frames, at least one.
    /// - Returns: 400 for one frame of the usual layers, and 320 for each further one.
    public func samples(frames: Int) -> Int { (frames - 1) * hop + receptiveField }

    /// The expression that reads back as these layers, with equal neighbors as one term.
    public var description: String {
        var parts: [String] = []
        var index = 0
        while index < layers.count {
            let layer = layers[index]
            let run = layers[index...].prefix { $0 == layer }.count
            let tuple = "[(\(layer.channels),\(layer.kernel),\(layer.stride))]"
            parts.append(run == 1 ? tuple : "\(tuple)*\(run)")
            index += run
        }
        return parts.joined(separator: "+")
    }
}

/// Reads the small expressions that fairseq's options use, where fairseq calls `eval`.
struct ExpressionScanner {
    private let text: String
    private let name: String
    private let example: String
    private var rest: Substring

    init(_ text: String, name: String, example: String) {
        self.text = text
        self.name = name
        self.example = example
        rest = text[...]
    }

    private mutating func skipSpaces() {
        rest = rest.drop { $0 == " " || $0 == "\t" }
    }

    private func failure(_ expected: String) -> ConfigurationError {
        let found = rest.isEmpty ? "the end" : "'\(rest.prefix(12))'"
        return ConfigurationError(
            "\(name) '\(text)' has \(found) where \(expected) is expected", "write it like \(example)")
    }

    mutating func take(_ token: Character) -> Bool {
        skipSpaces()
        guard rest.first == token else { return false }
        rest = rest.dropFirst()
        return true
    }

    mutating func expect(_ token: Character) throws {
        if !take(token) { throw failure("'\(token)'") }
    }

    mutating func expectEnd() throws {
        skipSpaces()
        if !rest.isEmpty { throw failure("the end") }
    }

    mutating func integer() throws -> Int {
        skipSpaces()
        let digits = rest.prefix { $0.isASCII && $0.isNumber }
        guard let number = Int(digits), number >= 0, number <= 1_000_000 else {
            throw failure("a whole number up to a million")
        }
        rest = rest.dropFirst(digits.count)
        return number
    }
}
