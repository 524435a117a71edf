import Wav2Vec2

/// How a long recording is cut into windows that overlap, so that attention's cost stays linear in its length.
///
/// A window's outer frames see too little on one side: they are left to the neighbouring window.
package struct Windows: Sendable {
    /// A piece of a recording for one pass of the model.
    package struct Window: Equatable, Sendable {
        /// The samples that the model gets.
        package var samples: Range<Int>
        /// Which of the frames it makes of them are kept.
        package var kept: Range<Int>
    }

    let layers: ConvolutionLayers
    /// Recordings up to this many frames stay whole: 40 s of the usual layers.
    package var longest: Int
    /// Frames on each side of a window that only give context: 5 s.
    package var context: Int

    /// Windows of the usual sizes.
    package init(layers: ConvolutionLayers, longest: Int = 2000, context: Int = 250) {
        self.layers = layers
        self.longest = longest
        self.context = context
    }

    /// The windows of a recording, in order; together they keep each of its frames once.
    package func callAsFunction(samples: Int) -> [Window] {
        let frames = layers.frames(samples: samples)
        guard frames > longest else { return [Window(samples: 0..<samples, kept: 0..<frames)] }
        let step = longest - 2 * context
        return stride(from: 0, to: frames, by: step).map { start in
            let end = min(start + step, frames)
            let first = max(0, start - context)
            let last = min(frames, end + context)
            let stop = last == frames ? samples : (last - 1) * layers.hop + layers.receptiveField
            return Window(samples: first * layers.hop..<stop, kept: start - first..<end - first)
        }
    }
}
