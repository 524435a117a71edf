import Foundation
import W2VBase

/// A tone at 16 kHz unless another rate is given.
public func tone(_ hertz: Double = 440, rate: Int = 16_000, count: Int, amplitude: Double = 0.4) -> [Float] {
    (0..<count).map { Float(amplitude * sin(2 * .pi * hertz * Double($0) / Double(rate))) }
}

/// A tone that fades in and out, so that the edges of a resampled signal are quiet.
public func fadingTone(
    _ hertz: Double = 440, rate: Int = 16_000, count: Int, amplitude: Double = 0.5
) -> [Float] {
    (0..<count).map { index in
        let envelope = sin(Double.pi * (Double(index) + 0.5) / Double(count))
        return Float(amplitude * envelope * sin(2 * .pi * hertz * Double(index) / Double(rate)))
    }
}

/// A tone that comes and goes, in noise, so that a random model gives several labels.
public func tonesInNoise(_ count: Int, seed: UInt64) -> [Float] {
    var stream = RandomStream(seed: seed, purpose: .synthesis)
    let pitch = 100 + 400 * stream.uniform()
    return (0..<count).map { index in
        let beat = sin(Double(index) / 3000)
        return Float(0.3 * beat * sin(2 * .pi * pitch * Double(index) / 16_000) + 0.02 * stream.normal())
    }
}
