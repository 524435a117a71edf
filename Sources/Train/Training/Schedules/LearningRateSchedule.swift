import Foundation
import W2VBackbone

/// The learning rate as a function of the update's number: NVIDIA's polynomial and exponential policies.
public struct LearningRateSchedule: Sendable, Equatable {
    /// The decay of the rate after warm-up and hold.
    public enum Policy: String, Sendable, Codable, CaseIterable {
        /// A power of the remaining part of training.
        case polynomial
        /// A constant factor per update.
        case exponential
        /// No decay.
        case constant
    }

    /// The peak rate.
    public var peak = 5e-4
    /// The decay of the rate.
    public var policy = Policy.polynomial
    /// Number of updates in which the rate rises linearly.
    public var warmupUpdates = 32_000
    /// Number of updates at the peak rate.
    public var holdUpdates = 0
    /// The rate at the start of the warm-up, relative to the peak.
    public var initialScale = 0.0
    /// The rate at the end of the decay, relative to the peak.
    public var finalScale = 0.0
    /// The polynomial's power.
    public var polynomialPower = 1.0
    /// The exponential decay's factor per update; `nil` for the one that reaches the final scale at the last update.
    public var exponentialDecay: Double?

    /// Makes the BASE model's pre-training schedule.
    public init() {}

    /// Checks that the values are valid together.
    ///
    /// - Throws: ``/W2VBackbone/ConfigurationError`` that names the key.
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

    /// Returns the rate of an update.
    ///
    /// NVIDIA's program evaluates its policy at 1 before the first update and at u after update u, so that update u
    /// uses the policy's value at max(1, u − 1); so does this.
    ///
    /// - Parameters:
    ///   - update: The update's number, from 1.
    ///   - maxUpdate: The last update's number.
    public func rate(update: Int, maxUpdate: Int) -> Double {
        value(step: max(1, update - 1), maxUpdate: maxUpdate)
    }

    /// Returns the policy's value at a step, from 1.
    ///
    /// As in NVIDIA's program, the polynomial decay is relative to everything after warm-up, including the hold.
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
