/// Mixes a recording's channels: their mean, without those that would cancel another one out.
///
/// A microphone or a balanced line with reversed polarity records the same speech with the opposite sign, and the mean
/// of both is silence. The channels to use are chosen for each block of `blockFrames` independently, so that a part of
/// a recording is the same whether it is read alone or with the rest.
enum ChannelMix {
    /// The number of frames of which block starts are multiples: short, because a plug may be turned during a
    /// recording.
    static let blockFrames = 2048

    /// The correlation below which a channel counts as the inverse of another: the sum keeps a tenth of their energy.
    private static let opposite = -0.9

    /// The number of earlier channels that each one is compared with.
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
        // A DC offset of both channels does not tell whether their sounds cancel out.
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
            // Of channels of similar loudness the first is kept: alternating between blocks would flip the sign.
            if energies[channel] > 2 * energies[kept[other]] { kept[other] = channel }
        }
        let mix = mean(of: kept.map { signals[$0] })
        // Three or more channels can cancel out even if no two of them do.
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
