import Foundation
import W2VBackbone

/// The learning rate as a function of the update's number alone: NVIDIA's polynomial and exponential policies.
public struct LearningRateSchedule: Sendable, Equatable {
    /// How the rate falls after warm-up and hold.
    public enum Policy: String, Sendable, Codable, CaseIterable {
        /// As a power of the part of training that is left.
        case polynomial
        /// By the same factor at every update.
        case exponential
        /// It does not fall.
        case constant
    }

    /// The highest rate.
    public var peak = 5e-4
    /// How the rate falls.
    public var policy = Policy.polynomial
    /// Updates in which the rate rises linearly.
    public var warmupUpdates = 32_000
    /// Updates at the highest rate.
    public var holdUpdates = 0
    /// Where the rise begins, as a part of the highest rate.
    public var initialScale = 0.0
    /// Where the fall ends, as a part of the highest rate.
    public var finalScale = 0.0
    /// The polynomial's power.
    public var polynomialPower = 1.0
    /// The exponential's factor an update; `nil` for the one that reaches the final scale at the last update.
    public var exponentialDecay: Double?

    /// The BASE model's pre-training values.
    public init() {}

    /// Checks that the values make sense together.
    ///
    /// - Throws: ``/W2VBackbone/ConfigurationError`` naming the key.
    func validate(maxUpdate: Int) throws {
        guard peak >= 0, initialScale >= 0, finalScale >= 0, warmupUpdates >= 0, holdUpdates >= 0 else {
            throw ConfigurationError("optimization: learning rate, its scales, warm-up and hold must be at least 0")
        }
        if let decay = exponentialDecay, !(decay > 0 && decay <= 1) {
            throw ConfigurationError("optimization.lr_exp_decay is \(decay); it must be more than 0 and at most 1")
        }
        if policy == .exponential, exponentialDecay == nil, warmupUpdates + holdUpdates < maxUpdate {
            guard finalScale > 0 else {
                throw ConfigurationError(
                    "optimization.schedule exponential never reaches 0: set final_lr_scale above 0, or lr_exp_decay")
            }
        }
    }

    /// The rate of an update.
    ///
    /// NVIDIA's program asks its policy for 1 before the first update and for u after update u, so that update u uses
    /// the policy's value at max(1, u − 1); so does this.
    ///
    /// - Parameters:
    ///   - update: The update's number, from 1.
    ///   - maxUpdate: The last update's number.
    /// - Returns: The rate.
    public func rate(update: Int, maxUpdate: Int) -> Double {
        value(step: max(1, update - 1), maxUpdate: maxUpdate)
    }

    /// The policy's value at a step, from 1.
    ///
    /// As in NVIDIA's, the polynomial's power is taken of the part of everything after warm-up, hold included.
    func value(step: Int, maxUpdate: Int) -> Double {
        let (first, last) = (initialScale * peak, finalScale * peak)
        if step <= warmupUpdates {
            return first + Double(step) / Double(warmupUpdates) * (peak - first)
        }
        if step <= warmupUpdates + holdUpdates { return peak }
        switch policy {
        case .constant:
            return peak
        case .polynomial:
            guard step <= maxUpdate else { return last }
            let remaining = 1 - Double(step - warmupUpdates) / Double(maxUpdate - warmupUpdates)
            return (peak - last) * pow(remaining, polynomialPower) + last
        case .exponential:
            let updates = maxUpdate - warmupUpdates - holdUpdates
            let slope = exponentialDecay.map { log($0) } ?? log(finalScale) / Double(max(1, updates))
            return max(exp(slope * Double(min(step, maxUpdate) - warmupUpdates - holdUpdates)) * peak, last)
        }
    }
}
