/// Brings a recording's channels together: their mean, without those that would cancel another one out.
///
/// A microphone or a balanced line that is wired the wrong way round records the same speech with the opposite sign, and the
/// mean of both is silence. Which channels count is decided for each block of `blockFrames` by itself, so that a part of a
/// recording is the same whether it is read alone or with the rest.
enum ChannelMix {
    /// Blocks begin at multiples of this many frames.
    static let blockFrames = 16_384

    /// Below this correlation a channel is another one with the opposite sign: a tenth of their energy is left of the sum.
    private static let opposite = -0.9

    /// How many earlier channels each one is compared with.
    private static let reach = 16

    /// Mixes one block.
    ///
    /// - Parameters:
    ///   - interleaved: Samples [frames, channels].
    ///   - frames: How many frames there are.
    ///   - channels: How many channels there are.
    /// - Returns: One sample a frame.
    static func mono(_ interleaved: UnsafeBufferPointer<Float>, frames: Int, channels: Int) -> [Float] {
        guard channels > 1, frames > 0 else { return Array(interleaved.prefix(frames * channels)) }
        let signals = (0..<channels).map { channel in
            [Float](unsafeUninitializedCapacity: frames) { signal, count in
                for frame in 0..<frames { signal[frame] = interleaved[frame * channels + channel] }
                count = frames
            }
        }
        let energies = signals.map { product($0, $0) }
        var kept: [Int] = []
        for channel in 0..<channels {
            let other = kept.indices.suffix(reach).first {
                product(signals[kept[$0]], signals[channel])
                    < opposite * (energies[kept[$0]] * energies[channel]).squareRoot()
            }
            guard let other else {
                kept.append(channel)
                continue
            }
            if energies[channel] > energies[kept[other]] { kept[other] = channel }
        }
        let mix = mean(of: kept.map { signals[$0] })
        // Three channels and more can cancel out without any two that do.
        let scale = Double(kept.count * kept.count)
        guard kept.count > 2, product(mix, mix) * scale < (1 + opposite) * kept.reduce(0.0, { $0 + energies[$1] })
        else {
            return mix
        }
        return signals[energies.indices.max { energies[$0] < energies[$1] } ?? 0]
    }

    private static func mean(of signals: [[Float]]) -> [Float] {
        guard var sum = signals.first, signals.count > 1 else { return signals.first ?? [] }
        for signal in signals.dropFirst() {
            for frame in sum.indices { sum[frame] += signal[frame] }
        }
        let scale = 1 / Float(signals.count)
        for frame in sum.indices { sum[frame] *= scale }
        return sum
    }

    private static func product(_ first: [Float], _ second: [Float]) -> Double {
        var sum = 0.0
        for index in first.indices { sum += Double(first[index]) * Double(second[index]) }
        return sum
    }
}
