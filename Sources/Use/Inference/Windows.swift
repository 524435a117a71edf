import W2VAudio
import W2VBackbone

/// The overlapping windows into which recordings that are too long for one pass of the model are cut.
///
/// The model's outputs for the windows are joined frame by frame. The outer frames of a window have too little context
/// on one side, so they are taken from its neighbor.
public struct WindowOptions: Sendable, Equatable {
    /// The longest pass in seconds; shorter recordings stay whole.
    public var seconds: Double
    /// The audio that neighboring windows share, in seconds: half of it on each side of the cut.
    public var overlap: Double

    /// Makes options.
    ///
    /// - Parameters:
    ///   - seconds: The longest pass; infinity to never cut.
    ///   - overlap: The shared audio, at most half of a window.
    public init(seconds: Double = 40, overlap: Double = 10) {
        self.seconds = seconds
        self.overlap = overlap
    }

    /// Whether windows of these measures can be cut.
    var isValid: Bool { seconds > 0 && overlap >= 0 && overlap <= seconds / 2 }
}

/// The measures of a model's windows, in frames and samples.
public struct Windows: Sendable {
    /// The convolutions that turn samples into frames.
    public let layers: ConvolutionLayers
    /// Recordings up to this many frames stay whole.
    let longest: Int
    /// The number of frames on each side of a cut that only give context to the other side.
    let context: Int
    /// The unit of frames: windows start and are cut at multiples of it.
    let unit: Int

    /// Rounds options to whole frames.
    ///
    /// - Parameters:
    ///   - options: Valid options.
    ///   - layers: The convolutions that turn samples into frames.
    ///   - unit: The number of frames at whose multiples windows start and are cut.
    public init(_ options: WindowOptions, layers: ConvolutionLayers, unit: Int = 1) {
        // Longer than any recording, and far from overflow.
        let most = 1e12
        let rate = Double(AudioFile.modelSampleRate) / Double(layers.hop)
        func frames(_ seconds: Double) -> Int { Int(min(seconds * rate, most)) / unit * unit }
        self.layers = layers
        self.unit = unit
        longest = max(4 * unit, frames(options.seconds))
        context = min(longest / 4 / unit * unit, frames(options.overlap / 2))
    }

    /// The smallest number of samples at 16 kHz that does not fit into one window.
    public var limit: Int { longest * layers.hop + layers.receptiveField }
}

/// A piece of a recording for one pass of the model.
public struct Window: Sendable {
    /// The samples for the model.
    public var samples: [Float]
    /// The range of frames to keep, among those of the window.
    public var kept: Range<Int>

    /// Makes a window.
    public init(samples: [Float], kept: Range<Int>) {
        self.samples = samples
        self.kept = kept
    }

    /// Returns the samples of several windows end to end, as a model expects them.
    public static func joined(_ windows: [Window]) -> [Float] {
        var samples: [Float] = []
        samples.reserveCapacity(windows.reduce(0) { $0 + $1.samples.count })
        for window in windows { samples.append(contentsOf: window.samples) }
        return samples
    }
}

/// Returns a recording's next samples: as many as requested, fewer only at the end.
public typealias SampleReader = (Int) throws -> [Float]

/// Cuts a recording into windows as it is read; holds at most one window in memory.
struct WindowCutter {
    private let windows: Windows
    private let read: SampleReader
    /// The samples from the window's first frame on.
    private var buffer: [Float] = []
    /// The first frame that no window has kept yet, relative to the buffer's start.
    private var start = 0
    private var hasEnded = false
    /// The number of samples read so far.
    private(set) var sampleCount = 0

    init(_ windows: Windows, read: @escaping SampleReader) {
        self.windows = windows
        self.read = read
    }

    /// Returns the next window, or nil at the end, when the windows together have kept each frame of the recording
    /// once.
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

    /// The frame at which a cut does the least harm: the middle of the quietest fifth of a second, in the last quarter
    /// of the frames that the window may keep.
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
