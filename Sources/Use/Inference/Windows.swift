import W2VAudio
import W2VBackbone

/// How recordings that are too long for one pass of the model are cut into overlapping windows.
///
/// What the model writes of each window is joined frame by frame. A window's outer frames see too little on one side:
/// they are left to its neighbor.
public struct WindowOptions: Sendable, Equatable {
    /// The longest pass in seconds; a recording up to this length stays whole.
    public var seconds: Double
    /// How much audio neighboring windows share, in seconds: half of it on each side of the cut.
    public var overlap: Double

    /// Makes options.
    ///
    /// - Parameters:
    ///   - seconds: The longest pass; infinite for never cutting.
    ///   - overlap: Shared audio, at most half of a window.
    public init(seconds: Double = 40, overlap: Double = 10) {
        self.seconds = seconds
        self.overlap = overlap
    }

    /// Whether windows can be cut so.
    var isValid: Bool { seconds > 0 && overlap >= 0 && overlap <= seconds / 2 }
}

/// The windows' measures in frames and samples of a model.
public struct Windows: Sendable {
    /// The convolutions that make frames of samples.
    public let layers: ConvolutionLayers
    /// Recordings up to this many frames stay whole.
    let longest: Int
    /// Frames on each side of a cut that only give context to the other side.
    let context: Int
    /// Windows begin and are cut at multiples of so many frames.
    let unit: Int

    /// Makes windows of these measures.
    init(layers: ConvolutionLayers, longest: Int, context: Int) {
        self.layers = layers
        self.longest = longest
        self.context = context
        unit = 1
    }

    /// Brings options to whole frames.
    ///
    /// - Parameters:
    ///   - options: Valid ones.
    ///   - layers: The convolutions that make frames of samples.
    ///   - unit: Of how many frames windows shall begin and be cut at multiples.
    public init(_ options: WindowOptions, layers: ConvolutionLayers, unit: Int = 1) {
        // Far beyond any recording, and far from overflow.
        let most = 1e12
        let rate = Double(AudioFile.modelSampleRate) / Double(layers.hop)
        func frames(_ seconds: Double) -> Int { Int(min(seconds * rate, most)) / unit * unit }
        self.layers = layers
        self.unit = unit
        longest = max(4 * unit, frames(options.seconds))
        context = min(longest / 4 / unit * unit, frames(options.overlap / 2))
    }

    /// The fewest samples at 16 kHz that do not fit into one window.
    public var limit: Int { longest * layers.hop + layers.receptiveField }
}

/// A piece of a recording for one pass of the model.
public struct Window: Sendable {
    /// The samples that the model gets.
    public var samples: [Float]
    /// Which of the frames it makes of them are kept.
    public var kept: Range<Int>

    /// Makes a window.
    public init(samples: [Float], kept: Range<Int>) {
        self.samples = samples
        self.kept = kept
    }

    /// The samples of several windows end to end, as a model takes them.
    public static func joined(_ windows: [Window]) -> [Float] {
        var samples: [Float] = []
        samples.reserveCapacity(windows.reduce(0) { $0 + $1.samples.count })
        for window in windows { samples.append(contentsOf: window.samples) }
        return samples
    }
}

/// Gives a recording's next samples: so many as are asked for, fewer only at the end.
public typealias SampleReader = (Int) throws -> [Float]

/// Cuts a recording into windows while it is read: never more than one of them is held.
struct WindowCutter {
    private let windows: Windows
    private let read: SampleReader
    /// Samples from the window's first frame on.
    private var buffer: [Float] = []
    /// The first frame, counted from the buffer's, that no window has kept yet.
    private var start = 0
    private var hasEnded = false
    /// How many samples have been read.
    private(set) var sampleCount = 0

    init(_ windows: Windows, read: @escaping SampleReader) {
        self.windows = windows
        self.read = read
    }

    /// The next window; nil at the end, when together they have kept each of the recording's frames once.
    mutating func next() throws -> Window? {
        if hasEnded { return nil }
        let more = try read(windows.limit - buffer.count)
        sampleCount += more.count
        buffer.append(contentsOf: more)
        guard buffer.count == windows.limit else {
            hasEnded = true
            return Window(samples: buffer, kept: start..<windows.layers.frames(samples: buffer.count))
        }
        let cut = quietestCut()
        let end = (cut + windows.context - 1) * windows.layers.hop + windows.layers.receptiveField
        let window = Window(samples: Array(buffer[..<end]), kept: start..<cut)
        let dropped = max(0, cut - windows.context)
        buffer.removeFirst(dropped * windows.layers.hop)
        start = cut - dropped
        return window
    }

    /// The frame before which a cut hurts least: where it is quietest for a fifth of a second, in the last quarter of
    /// the frames that the window may keep.
    private func quietestCut() -> Int {
        let latest = windows.longest - windows.context
        let earliest = max(start + 1, latest - (latest - start) / 4)
        let (hop, reach) = (windows.layers.hop, 5)
        let blocks = max(0, earliest - reach)..<latest + reach
        let energies = blocks.map { block in
            let samples = min(block * hop, buffer.count)..<min((block + 1) * hop, buffer.count)
            return buffer[samples].reduce(0.0) { $0 + Double($1) * Double($1) }
        }
        var quietest = latest
        var least = Double.infinity
        for cut in (earliest...latest).reversed() where cut % windows.unit == 0 {
            let around = max(0, cut - reach) - blocks.lowerBound..<cut + reach - blocks.lowerBound
            let energy = energies[around].reduce(0, +)
            if energy < least { (quietest, least) = (cut, energy) }
        }
        return quietest
    }
}
