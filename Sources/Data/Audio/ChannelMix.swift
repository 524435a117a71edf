/// Brings a recording's channels together: their mean, without those that would cancel another one out.
///
/// A microphone or a balanced line that is wired the wrong way round records the same speech with the opposite sign, and the
/// mean of both is silence. Which channels count is decided for each block of `blockFrames` by itself, so that a part of a
/// recording is the same whether it is read alone or with the rest.
enum ChannelMix {
    /// Blocks begin at multiples of this many frames: short, because a plug may be turned in the middle of a recording.
    static let blockFrames = 2048

    /// Below this correlation a channel is another one with the opposite sign: a tenth of their energy is left of the sum.
    private static let opposite = -0.9

    /// How many earlier channels each one is compared with.
    private static let reach = 16

    /// Mixes one block.
    ///
    /// - Parameter interleaved: Samples [frames, channels].
    static func mono(_ interleaved: UnsafeBufferPointer<Float>, frames: Int, channels: Int) -> [Float] {
        guard channels > 1, frames > 0 else { return Array(interleaved.prefix(frames * channels)) }
        let signals = (0..<channels).map { channel in
            [Float](unsafeUninitializedCapacity: frames) { signal, count in
                for frame in 0..<frames { signal[frame] = interleaved[frame * channels + channel] }
                count = frames
            }
        }
        // An offset of both channels says nothing of whether their sounds cancel out.
        let means = signals.map { mean($0) }
        func product(_ first: Int, _ second: Int) -> Double {
            ChannelMix.product(signals[first], signals[second]) - Double(frames) * means[first] * means[second]
        }
        let energies = signals.indices.map { max(0, product($0, $0)) }
        var kept: [Int] = []
        for channel in 0..<channels {
            let other = kept.indices.suffix(reach).first {
                product(kept[$0], channel)
                    < opposite * (energies[kept[$0]] * energies[channel]).squareRoot()
            }
            guard let other else {
                kept.append(channel)
                continue
            }
            // Of channels that are about as loud the first stays: another one in each block would turn the sign round.
            if energies[channel] > 2 * energies[kept[other]] { kept[other] = channel }
        }
        let mix = mean(of: kept.map { signals[$0] })
        // Three channels and more can cancel out without any two that do.
        let scale = Double(kept.count * kept.count)
        let offset = mean(mix)
        let left = ChannelMix.product(mix, mix) - Double(frames) * offset * offset
        guard kept.count > 2, left * scale < (1 + opposite) * kept.reduce(0.0, { $0 + energies[$1] })
        else {
            return mix
        }
        let largest = energies.max() ?? 0
        return signals[energies.firstIndex { 2 * $0 >= largest } ?? 0]
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

    private static func mean(_ signal: [Float]) -> Double {
        signal.reduce(0.0) { $0 + Double($1) } / Double(signal.count)
    }

    private static func product(_ first: [Float], _ second: [Float]) -> Double {
        var sum = 0.0
        for index in first.indices { sum += Double(first[index]) * Double(second[index]) }
        return sum
    }
}
